//! All that is known of a source's lineage, from what it says of itself. Pure.

use super::spelled;
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::{Rule, TableRules};
use fieldmark_lineage::sql::{self, Body};
use fieldmark_lineage::tree::{self, Relations};
use fieldmark_model::lineage::{
    Certainty, ColumnName, Edge, Kind, LineageColumn, LineagePart, LineageTable, Origin, OriginKind, Place, Unresolved,
};
use fieldmark_model::{Catalogue, Dialect, Table, TableName};
use fieldmark_source::{Definition, MadeOf, SeenStatement};
use std::collections::BTreeSet;

/// What a source says of itself.
pub(crate) struct Known<'k> {
    pub(crate) dialect: Dialect,
    pub(crate) default_schema: Option<&'k str>,
    pub(crate) catalogue: &'k Catalogue,
    pub(crate) definitions: &'k [Definition],
    pub(crate) statements: &'k [SeenStatement],
    pub(crate) rules: &'k [&'k TableRules],
    /// The manifest of a dbt project, or why it cannot be read.
    pub(crate) manifest: Option<Result<&'k [u8], &'k str>>,
}

/// All of a source's lineage as it is now.
pub(crate) struct Snapshot {
    pub(crate) place: LineagePart,
    pub(crate) tables: Vec<LineageTable>,
    pub(crate) origins: Vec<Origin>,
}

impl Snapshot {
    pub(crate) fn of(place: LineagePart, known: &Known<'_>) -> Self {
        let tables = known.catalogue.tables.iter().map(table).collect();
        let mut resolving = Resolving::new(known);
        let mut origins: Vec<Origin> = known.definitions.iter().map(|own| resolving.definition(own)).collect();
        origins.extend(known.catalogue.tables.iter().filter_map(foreign_keys));
        origins.extend(known.statements.iter().filter_map(|statement| resolving.statement(statement)));
        for rules in known.rules {
            origins.extend(resolving.rules(rules));
        }
        if let Some(manifest) = known.manifest {
            origins.extend(resolving.dbt(manifest));
        }
        origins.retain(|origin| !origin.edges.is_empty() || !origin.unresolved.is_empty());
        // routines of one name are told as one
        origins.sort_by(|one, other| one.name.cmp(&other.name));
        origins.dedup_by(|later, first| {
            let same = later.name == first.name;
            if same {
                first.edges.append(&mut later.edges);
                first.unresolved.append(&mut later.unresolved);
            }
            same
        });
        Self { place, tables, origins }
    }
}

fn table(table: &Table) -> LineageTable {
    let column = |column: &fieldmark_model::Column| LineageColumn {
        name: column.name.clone(),
        identity: column.identity,
        declared: column.declared.clone(),
    };
    LineageTable {
        name: spelled(&table.name),
        identity: table.identity,
        columns: table.columns.iter().map(column).collect(),
    }
}

/// Foreign keys: the columns that refer are decided by those that they refer to.
fn foreign_keys(table: &Table) -> Option<Origin> {
    let own = spelled(&table.name);
    let mut edges = Vec::new();
    for key in &table.foreign_keys {
        for (column, to) in key.columns.iter().zip(&key.to) {
            edges.push(Edge {
                source: ColumnName::new(spelled(&key.table), to),
                target: ColumnName::new(own.clone(), column),
                kind: Kind::Filter,
                masked: false,
            });
        }
    }
    (!edges.is_empty()).then(|| Origin {
        name: format!("foreign keys of {own}"),
        kind: OriginKind::ForeignKey,
        certainty: Certainty::Exact,
        edges,
        unresolved: Vec::new(),
        owner: None,
        calls: None,
    })
}

/// The language of a source's statements.
pub(super) fn dialect(of: Dialect) -> sql::Dialect {
    match of {
        Dialect::Postgres => sql::Dialect::Postgres,
        Dialect::MySql => sql::Dialect::Mariadb,
        Dialect::Sqlite => sql::Dialect::Sqlite,
        Dialect::Files => sql::Dialect::Datafusion,
    }
}

/// The names that statements may use.
pub(super) fn names(catalogue: &Catalogue, default_schema: Option<&str>) -> fieldmark_lineage::Catalogue {
    let mut names = fieldmark_lineage::Catalogue::new(default_schema);
    for table in &catalogue.tables {
        let parts = [table.name.schema.as_str(), table.name.name.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let columns = table.columns.iter();
        names.add(&parts, columns.map(|column| (column.name.as_str(), Some(column.declared.as_str()))));
    }
    names
}

struct Resolving<'k> {
    known: &'k Known<'k>,
    dialect: sql::Dialect,
    names: fieldmark_lineage::Catalogue,
    relations: Relations,
}

impl<'k> Resolving<'k> {
    fn new(known: &'k Known<'k>) -> Self {
        let (dialect, names) = (dialect(known.dialect), names(known.catalogue, known.default_schema));
        let mut relations = Relations::default();
        for table in &known.catalogue.tables {
            let columns = table.columns.iter().filter_map(|column| {
                let number = column.identity.and_then(|number| i64::try_from(number).ok())?;
                Some((number, column.name.clone()))
            });
            if let Some(oid) = table.identity {
                relations.add(oid, spelled(&table.name), columns.collect());
            }
        }
        for definition in known.definitions {
            if let (Some(oid), Some(MadeOf::BodyTree { gives, .. })) = (definition.identity, &definition.made_of) {
                let columns = if gives.is_empty() { vec![Relations::RESULT.to_owned()] } else { gives.clone() };
                relations.add_function(oid, format!("{}()", spelled(&definition.name)), columns);
            }
        }
        Self { known, dialect, names, relations }
    }

    fn definition(&mut self, definition: &Definition) -> Origin {
        let name = match (&definition.table, definition.kind) {
            (Some(table), OriginKind::Trigger | OriginKind::Rewrite | OriginKind::Generated) => {
                format!("{} {}.{}", definition.kind.as_str(), spelled(table), definition.name.name)
            }
            _ => format!("{} {}", definition.kind.as_str(), spelled(&definition.name)),
        };
        let blank = |certainty| Origin {
            name: name.clone(),
            kind: definition.kind,
            certainty,
            edges: Vec::new(),
            unresolved: Vec::new(),
            owner: None,
            calls: None,
        };
        let Some(made_of) = &definition.made_of else {
            let reason = "the role may not see what it is made of, or it is too long".to_owned();
            let unresolved = vec![Unresolved { reason, place: Place { line: 1, column: 1 }, text: name.clone() }];
            return Origin { unresolved, ..blank(Certainty::Parsed) };
        };
        match made_of {
            MadeOf::Tree(text) => {
                let target = definition.table.as_ref().map_or_else(String::new, spelled);
                let columns: Option<Vec<String>> = definition
                    .table
                    .as_ref()
                    .and_then(|table| self.known.catalogue.table(table))
                    .map(|table| table.columns.iter().map(|column| column.name.clone()).collect());
                let resolved = tree::resolve(text, &self.relations, &target, columns.as_deref());
                let origin = blank(Certainty::Exact);
                with(origin, resolved.edges, resolved.unresolved, &resolved.reads)
            }
            MadeOf::BodyTree { text, gives } => {
                let target = format!("{}()", spelled(&definition.name));
                let result = [Relations::RESULT.to_owned()];
                let names = if gives.is_empty() { &result[..] } else { gives };
                let resolved = tree::resolve(text, &self.relations, &target, Some(names));
                let origin = blank(Certainty::Exact);
                with(origin, resolved.edges, resolved.unresolved, &resolved.reads)
            }
            MadeOf::Statement(text) => {
                // MySQL keeps the query alone
                let text = match (definition.kind, self.known.dialect) {
                    (OriginKind::View, Dialect::MySql) => {
                        format!("CREATE VIEW {} AS {text}", self.quoted(&definition.name))
                    }
                    _ => text.clone(),
                };
                let resolved = sql::resolve(&text, self.dialect, &self.names, self.known.default_schema);
                let mut origin = blank(Certainty::Parsed);
                for one in resolved {
                    origin = with(origin, one.edges, one.unresolved, &one.reads);
                }
                origin
            }
            MadeOf::Body { text, language, parameters, .. } => {
                let on = definition.table.as_ref().map(|table| (table.schema.as_str(), table.name.as_str()));
                let body = Body { text, language, parameters, trigger_on: on };
                let one = sql::resolve_body(body, self.dialect, &self.names, self.known.default_schema);
                with(blank(Certainty::Parsed), one.edges, one.unresolved, &one.reads)
            }
            MadeOf::ExpressionTree(text) => {
                let oid = definition.identity.unwrap_or(0);
                let resolved = tree::resolve_expression(text, &self.relations, oid, &definition.name.name);
                with(blank(Certainty::Exact), resolved.edges, resolved.unresolved, &resolved.reads)
            }
            MadeOf::Expression(text) => {
                let Some(table) = &definition.table else { return blank(Certainty::Parsed) };
                let text = format!("SELECT ({text}) AS value FROM {}", self.quoted(table));
                let target = ColumnName::new(spelled(table), &definition.name.name);
                let resolved = sql::resolve(&text, self.dialect, &self.names, self.known.default_schema);
                let mut origin = blank(Certainty::Parsed);
                for one in resolved {
                    let to = |edge: Edge| Edge {
                        target: target.clone(),
                        kind: if edge.kind == Kind::Identity { Kind::Transformation } else { edge.kind },
                        ..edge
                    };
                    origin.edges.extend(one.edges.into_iter().map(to));
                    origin.unresolved.extend(one.unresolved);
                }
                origin
            }
        }
    }

    fn quoted(&self, table: &TableName) -> String {
        let quote = |part: &str| match self.known.dialect {
            Dialect::MySql => format!("`{}`", part.replace('`', "``")),
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => format!("\"{}\"", part.replace('"', "\"\"")),
        };
        if table.schema.is_empty() {
            quote(&table.name)
        } else {
            format!("{}.{}", quote(&table.schema), quote(&table.name))
        }
    }

    /// A statement that was seen: what it reads and writes of tables that are known.
    fn statement(&mut self, statement: &SeenStatement) -> Option<Origin> {
        // lists of values that MySQL has drawn together
        let text = statement.text.replace("(...)", "(?)").replace("...", "?");
        let resolved = sql::resolve(&text, self.dialect, &self.names, self.known.default_schema);
        let mut origin = Origin {
            name: format!("statement {}", statement.id),
            kind: OriginKind::Statement,
            certainty: Certainty::Observed,
            edges: Vec::new(),
            unresolved: Vec::new(),
            owner: None,
            calls: Some(statement.calls),
        };
        for one in resolved {
            origin = with(origin, one.edges, one.unresolved, &one.reads);
        }
        // what has to do with no table of ours is nobody's concern
        let known = |edge: &Edge| edge.source.table != ColumnName::UNKNOWN;
        origin.edges.retain(known);
        (!origin.edges.is_empty()).then_some(origin)
    }

    /// What a dbt project says; what is wrong with its manifest is unresolved.
    fn dbt(&self, manifest: Result<&[u8], &str>) -> Vec<Origin> {
        let read = manifest
            .map_err(str::to_owned)
            .and_then(|manifest| super::models(manifest, self.dialect, &self.names, self.known.default_schema));
        read.unwrap_or_else(|reason| {
            let name = "dbt manifest".to_owned();
            let unresolved = vec![Unresolved { reason, place: Place { line: 1, column: 1 }, text: name.clone() }];
            vec![Origin {
                name,
                kind: OriginKind::Job,
                certainty: Certainty::Declared,
                edges: Vec::new(),
                unresolved,
                owner: None,
                calls: None,
            }]
        })
    }

    /// Rules of a table: each reads columns.
    fn rules(&mut self, rules: &TableRules) -> Vec<Origin> {
        let Ok(table) = resolve_table(rules, self.known.catalogue, self.known.default_schema) else {
            return Vec::new();
        };
        rules.rules.iter().map(|rule| self.rule(rules, table, rule)).collect()
    }

    fn rule(&mut self, rules: &TableRules, table: &Table, rule: &Rule) -> Origin {
        let own = spelled(&table.name);
        let name = format!("rule {} on {own}", rule.id);
        let mut columns: BTreeSet<String> = rule.kind.columns().into_iter().map(str::to_owned).collect();
        for expression in rule.filter.iter().chain(rule.kind.placed_expression()) {
            let text = format!("SELECT ({}) AS value FROM {}", expression.value, self.quoted(&table.name));
            for one in sql::resolve(&text, sql::Dialect::Datafusion, &self.names, self.known.default_schema) {
                columns.extend(one.reads.into_iter().filter(|read| read.table == own).map(|read| read.column));
            }
        }
        let edge = |column: String| Edge {
            source: ColumnName::new(own.clone(), column),
            target: ColumnName::new(name.clone(), "*"),
            kind: Kind::Filter,
            masked: false,
        };
        Origin {
            name: name.clone(),
            kind: OriginKind::Rule,
            certainty: Certainty::Declared,
            edges: columns.into_iter().map(edge).collect(),
            unresolved: Vec::new(),
            owner: rules.owner.clone(),
            calls: None,
        }
    }
}

/// An origin with what came of a text. What goes to whoever asks is a target of the origin's own name, and so is what is only read.
pub(super) fn with(mut origin: Origin, edges: Vec<Edge>, unresolved: Vec<Unresolved>, reads: &[ColumnName]) -> Origin {
    let named: BTreeSet<&ColumnName> = edges.iter().map(|edge| &edge.source).collect();
    let only_read: Vec<ColumnName> = reads.iter().filter(|read| !named.contains(read)).cloned().collect();
    let own = origin.name.clone();
    let target =
        |target: ColumnName| if target.table.is_empty() { ColumnName::new(own.clone(), target.column) } else { target };
    origin.edges.extend(edges.into_iter().map(|edge| Edge { target: target(edge.target), ..edge }));
    origin.edges.extend(only_read.into_iter().map(|source| Edge {
        source,
        target: ColumnName::new(own.clone(), "*"),
        kind: Kind::Filter,
        masked: false,
    }));
    // a column of a table that is not known is no edge of ours
    origin.edges.retain(|edge| edge.source.table != ColumnName::UNKNOWN);
    origin.unresolved.extend(unresolved);
    origin
}
