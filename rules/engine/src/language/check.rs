//! What rule files say, held against what there is: sources of the configuration, tables and columns of a source.

use crate::kind::Plan;
use crate::rule::TableRules;
use fieldmark_document::{Place, Problem, Problems, listed, nearest, shown};
use fieldmark_model::{Catalogue, SourceName, Table, TableName};

/// Reports tables of sources that the configuration lacks.
pub fn check_sources(tables: &[TableRules], sources: &[SourceName]) -> Problems {
    let mut problems = Problems::default();
    for table in tables.iter().filter(|table| !sources.contains(&table.source)) {
        let names = || sources.iter().map(SourceName::as_str);
        let listed: Vec<&str> = names().collect();
        let allowed =
            if listed.is_empty() { "none: the configuration has no source".to_owned() } else { listed.join(", ") };
        problems.push(
            Problem::new("the configuration has no source of this name", &table.place)
                .value(shown(table.source.as_str()))
                .allowed(allowed)
                .nearest_of(table.source.as_str(), names()),
        );
    }
    problems
}

/// The table that a document means, by its schema or the source's default, else by its name where one schema alone has it.
///
/// # Errors
/// The catalogue has no such table; the problem names the nearest.
pub fn resolve_table<'a>(
    rules: &TableRules,
    catalogue: &'a Catalogue,
    default_schema: Option<&str>,
) -> Result<&'a Table, Box<Problem>> {
    find(rules.schema.as_deref(), &rules.table, catalogue, default_schema)
        .map_err(|problem| Box::new(problem(&rules.place)))
}

fn find<'a>(
    schema: Option<&str>,
    name: &str,
    catalogue: &'a Catalogue,
    default_schema: Option<&str>,
) -> Result<&'a Table, impl FnOnce(&Place) -> Problem> {
    let wanted = schema.or(default_schema);
    let found = match wanted {
        Some(schema) => catalogue.table(&TableName::new(schema, name)),
        None => {
            let mut alike = catalogue.tables.iter().filter(|table| table.name.name == name);
            alike.next().filter(|_| alike.next().is_none())
        }
    };
    let spelled = wanted.map_or_else(|| name.to_owned(), |schema| TableName::new(schema, name).to_string());
    found.ok_or_else(|| {
        let several = wanted.is_none() && catalogue.tables.iter().any(|table| table.name.name == name);
        let names: Vec<String> = catalogue.tables.iter().map(|table| table.name.to_string()).collect();
        // a wrong schema, or a wrong name in the right schema
        let elsewhere =
            catalogue.tables.iter().find(|table| table.name.name == name).map(|table| table.name.to_string());
        let near = elsewhere.or_else(|| nearest(&spelled, names.iter().map(String::as_str))).or_else(|| {
            let bare = catalogue.tables.iter().map(|table| table.name.name.as_str());
            nearest(name, bare)
        });
        move |place: &Place| {
            if several {
                return Problem::new("several schemas have a table of this name", place)
                    .value(shown(&spelled))
                    .help("write the schema, too: `source.schema.table`");
            }
            let there_is = if names.is_empty() { "none: the source has no table".to_owned() } else { listed(&names) };
            let problem = Problem::new("the source has no table of this name", place).value(shown(&spelled));
            let problem = problem.allowed(there_is).nearest(near);
            if catalogue.hides_unreadable {
                problem.help(
                    "the server tells nothing of a table of which the user may read nothing: \
                     `fieldmark doctor --grants` prints what is missing",
                )
            } else {
                problem
            }
        }
    })
}

/// Reports what one document says of tables and columns that the source lacks: the table itself, columns of rules, `key`, `pii`,
/// `same`, `renamed`, and what `references` refers to.
///
/// Names of `across_migrations` may be those of before or of after a migration: `renamed` is wrong where the table has
/// neither name, `same` where it has neither the name nor the one that it was renamed from.
pub fn check_catalogue(rules: &TableRules, catalogue: &Catalogue, default_schema: Option<&str>) -> Problems {
    let mut problems = Problems::default();
    let table = match resolve_table(rules, catalogue, default_schema) {
        Ok(table) => table,
        Err(problem) => {
            problems.push(*problem);
            return problems;
        }
    };
    let mut column = |name: &str, place: &Place, where_: &str| {
        if table.column(name).is_none() {
            problems.push(unknown_column((catalogue, table), name, place, where_));
        }
    };
    for rule in &rules.rules {
        for placed in rule.kind.placed_columns() {
            column(&placed.value, &placed.place, rule.kind.name());
        }
    }
    for name in rules.key.iter().flat_map(|key| key.value.iter().map(|name| (name, &key.place))) {
        column(name.0, name.1, "key");
    }
    for name in &rules.pii {
        column(&name.value, &name.place, "pii");
    }
    for name in rules.across.same.iter().map(|same| &same.column) {
        let before = rules.across.renamed.iter().find(|(after, _)| after.value == name.value).map(|(_, before)| before);
        if before.is_none_or(|before| table.column(&before.value).is_none()) {
            column(&name.value, &name.place, "same");
        }
    }
    for (after, before) in &rules.across.renamed {
        if table.column(&after.value).is_none() {
            column(&before.value, &before.place, "renamed");
        }
    }
    let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
    for rule in &rules.rules {
        let Ok(Plan::References { to_schema, to_table, to_columns, .. }) = rule.kind.plan(&schema) else { continue };
        let to_schema = to_schema.as_deref().unwrap_or(&table.name.schema);
        let place = rule.kind.placed_target().unwrap_or(&rule.place);
        match find(Some(to_schema), &to_table, catalogue, None) {
            Ok(target) => {
                for name in to_columns.iter().filter(|name| target.column(name).is_none()) {
                    problems.push(unknown_column((catalogue, target), name, place, "references"));
                }
            }
            Err(problem) => problems.push(problem(place)),
        }
    }
    problems.sort();
    problems
}

fn unknown_column((catalogue, table): (&Catalogue, &Table), name: &str, place: &Place, key: &str) -> Problem {
    let names = || table.columns.iter().map(|column| column.name.as_str());
    let problem = Problem::new(format!("`{key}` names a column that {} lacks", table.name), place)
        .value(shown(name))
        .allowed(listed(names()))
        .nearest_of(name, names());
    if catalogue.hides_unreadable {
        problem.help("the server tells nothing of a column that the user may not read")
    } else {
        problem
    }
}
