//! The state of a resolution: the tables there are, the columns that were met, and what came of it.

use super::dialect::Dialect;
use super::scope::{Columns, Named, Out, Relation, Scope, TableId, Visible};
use crate::catalogue::{Catalogue, Found, Part};
use crate::deps::{Deps, Source, Use};
use fieldmark_model::lineage::{ColumnName, Edge, Kind, Place, Unresolved};
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Span;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// What a column is known by while a text is resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Known(TableId, u32),
    /// Of a table that nobody knows.
    Unknown(String),
}

/// Work that a statement may make: a query of it is [`A_QUERY`], each column that a query has is one.
const MOST_WORK: usize = 4_000_000;
pub(crate) const A_QUERY: usize = 50;
/// Columns of one query.
const MOST_COLUMNS: usize = 40_000;
/// Edges of one statement.
const MOST_EDGES: usize = 500_000;

pub(crate) struct Resolver<'c> {
    pub(crate) dialect: Dialect,
    given: &'c Catalogue,
    /// Tables and views that statements of this text have made.
    pub(crate) made: Catalogue,
    gone: HashSet<u32>,
    numbers: HashMap<Key, Source>,
    keys: Vec<Key>,
    pub(crate) unresolved: BTreeSet<Unresolved>,
    targets: Vec<(ColumnName, Deps)>,
    target_numbers: HashMap<ColumnName, usize>,
    /// Columns that were read, for whatever.
    pub(crate) reads: BTreeSet<Source>,
    /// Tables that were written to, as they are spelled.
    pub(crate) writes: BTreeSet<String>,
    /// Variables of a routine, and what is in them.
    pub(crate) variables: Vec<Out>,
    /// Routines that statements of this text have made, by name.
    pub(crate) routines: HashMap<String, super::routine::Routine>,
    /// Work that the statement has made, and edges that it has.
    work: usize,
    edges: usize,
}

/// What a name means.
pub(crate) enum Meaning {
    /// A value made from these, which takes part so.
    Value(Rc<Deps>, Kind),
    /// A value of no column.
    Nothing,
}

/// What a list of columns says to a name.
enum Hit {
    One(Rc<Deps>),
    None,
    /// It has whatever is asked for.
    Open(Rc<Deps>),
    /// Nobody knows its columns.
    Unknown,
    Several,
}

impl<'c> Resolver<'c> {
    pub(crate) fn new(dialect: Dialect, given: &'c Catalogue, default_schema: Option<&str>) -> Self {
        Self {
            dialect,
            given,
            made: Catalogue::new(default_schema),
            gone: HashSet::new(),
            numbers: HashMap::new(),
            keys: Vec::new(),
            unresolved: BTreeSet::new(),
            targets: Vec::new(),
            target_numbers: HashMap::new(),
            reads: BTreeSet::new(),
            writes: BTreeSet::new(),
            variables: Vec::new(),
            routines: HashMap::new(),
            work: 0,
            edges: 0,
        }
    }

    /// Whether the statement may make so much more work; says so where it may not. What few words say may be more than anybody has time for.
    pub(crate) fn may(&mut self, work: usize) -> bool {
        self.work = self.work.saturating_add(work);
        let may = self.work <= MOST_WORK;
        if !may {
            self.say("its queries in queries are more than are followed", Span::empty(), "");
        }
        may
    }

    /// Takes what came of a statement, and is ready for the next.
    pub(crate) fn take(&mut self) -> (Vec<Edge>, Vec<Unresolved>, Vec<ColumnName>, Vec<String>) {
        (self.work, self.edges) = (0, 0);
        let mut edges = Vec::new();
        for (target, deps) in std::mem::take(&mut self.targets) {
            let mut parts: Vec<(Kind, ColumnName, bool)> =
                deps.iter().map(|dep| (dep.kind, self.name_of(dep.source), dep.masked)).collect();
            parts.sort();
            let edge = |(kind, source, masked)| Edge { source, target: target.clone(), kind, masked };
            edges.extend(parts.into_iter().map(edge));
        }
        self.target_numbers.clear();
        let reads = std::mem::take(&mut self.reads).into_iter().map(|source| self.name_of(source)).collect();
        let unresolved = std::mem::take(&mut self.unresolved).into_iter().collect();
        (edges, unresolved, reads, std::mem::take(&mut self.writes).into_iter().collect())
    }

    fn name_of(&self, source: Source) -> ColumnName {
        match self.keys.get(source as usize) {
            Some(Key::Known(table, column)) => {
                let (catalogue, number) = self.catalogue(*table);
                ColumnName::new(catalogue.spelled(number), catalogue.column(number, *column).unwrap_or_default())
            }
            Some(Key::Unknown(name)) => ColumnName::new(ColumnName::UNKNOWN, name.clone()),
            None => ColumnName::new(ColumnName::UNKNOWN, ""),
        }
    }

    pub(crate) fn catalogue(&self, table: TableId) -> (&Catalogue, u32) {
        match table {
            TableId::Given(number) => (self.given, number),
            TableId::Made(number) => (&self.made, number),
        }
    }

    pub(crate) fn spelled_table(&self, table: TableId) -> String {
        let (catalogue, number) = self.catalogue(table);
        catalogue.spelled(number)
    }

    pub(crate) fn width(&self, table: TableId) -> u32 {
        let (catalogue, number) = self.catalogue(table);
        catalogue.width(number)
    }

    pub(crate) fn column_name(&self, table: TableId, column: u32) -> String {
        let (catalogue, number) = self.catalogue(table);
        catalogue.column(number, column).unwrap_or_default().to_owned()
    }

    pub(crate) fn column_named(&self, table: TableId, name: &Ident) -> Option<u32> {
        let (catalogue, number) = self.catalogue(table);
        catalogue.column_named(number, self.dialect.part(name))
    }

    pub(crate) fn declared(&self, source: Source) -> Option<&str> {
        match self.keys.get(source as usize)? {
            Key::Known(table, column) => {
                let (catalogue, number) = self.catalogue(*table);
                catalogue.declared(number, *column)
            }
            Key::Unknown(_) => None,
        }
    }

    fn source(&mut self, key: Key) -> Source {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let number = Source::try_from(self.keys.len()).unwrap_or(Source::MAX);
        self.keys.push(key.clone());
        self.numbers.insert(key, number);
        number
    }

    /// The value of a column of a table.
    pub(crate) fn column(&mut self, table: TableId, column: u32) -> Rc<Deps> {
        let source = self.source(Key::Known(table, column));
        Rc::new(Deps::column(source))
    }

    fn unknown(&mut self, name: &Ident) -> Rc<Deps> {
        let source = self.source(Key::Unknown(self.dialect.spelled(name)));
        Rc::new(Deps::column(source))
    }

    /// All columns of a relation with their values; nothing where nobody knows them.
    pub(crate) fn outs(&mut self, columns: &Columns) -> Option<Vec<Out>> {
        match columns {
            Columns::Table(table) => {
                let all = (0..self.width(*table))
                    .map(|number| Out { name: self.column_name(*table, number), deps: self.column(*table, number) });
                Some(all.collect())
            }
            Columns::These(outs) => {
                if outs.len() > MOST_COLUMNS {
                    let reason = format!("a query has more than the {MOST_COLUMNS} columns that are followed");
                    self.say(reason, Span::empty(), "");
                    return None;
                }
                self.may(outs.len()).then(|| outs.clone())
            }
            Columns::Open(_) | Columns::Unknown => None,
        }
    }

    pub(crate) fn say(&mut self, reason: impl Into<String>, at: Span, text: impl Into<String>) {
        let place = Place { line: at.start.line.max(1), column: at.start.column.max(1) };
        self.unresolved.insert(Unresolved { reason: reason.into(), place, text: text.into() });
    }

    /// A column is made from these, in rows that these decide.
    pub(crate) fn emit(&mut self, target: ColumnName, deps: &Deps, rows: &Deps) {
        self.edges = self.edges.saturating_add(deps.len() + rows.len());
        if self.edges > MOST_EDGES {
            let reason = format!("it has more than the {MOST_EDGES} edges that are told of a statement");
            self.say(reason, Span::empty(), "");
            return;
        }
        let number = *self.target_numbers.entry(target.clone()).or_insert_with(|| {
            self.targets.push((target, Deps::default()));
            self.targets.len() - 1
        });
        if let Some((_, own)) = self.targets.get_mut(number) {
            own.take(deps, Use::AS_IS);
            own.take(rows, Use::AS_IS);
        }
    }

    /// The table that a name means, without those of WITH. Says so where there is none.
    pub(crate) fn table(&mut self, name: &ObjectName) -> Option<TableId> {
        let idents = idents(name);
        match self.find_table(&idents) {
            Ok(table) => Some(table),
            Err(reason) => {
                let last = idents.last()?;
                let text = idents.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
                let span = idents.first().map_or(last.span, |first| first.span);
                self.say(reason, span, text);
                None
            }
        }
    }

    /// The same, and nothing is said.
    pub(crate) fn find_table(&self, idents: &[Ident]) -> Result<TableId, &'static str> {
        let parts: Vec<Part<'_>> = idents.iter().map(|ident| self.dialect.part(ident)).collect();
        if let Found::One(number) = self.made.find(&parts) {
            return Ok(TableId::Made(number));
        }
        match self.given.find(&parts) {
            Found::One(number) if !self.gone.contains(&number) => Ok(TableId::Given(number)),
            Found::One(_) | Found::None => Err("no such table is in the catalogue"),
            Found::Several => Err("several tables have this name, in different schemas"),
        }
    }

    /// The name that a table has which is made here.
    pub(crate) fn new_table_name(&self, name: &ObjectName) -> Vec<String> {
        let spelled: Vec<String> = idents(name).iter().map(|ident| self.dialect.spelled(ident)).collect();
        let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
        self.given.new_name(&spelled)
    }

    /// A table that is made here, in the place of one of the same name.
    pub(crate) fn make_table(&mut self, parts: &[String], columns: &[(String, Option<String>)]) {
        self.made.add_owned(parts, columns);
    }

    /// A table that is no more.
    pub(crate) fn drop_table(&mut self, table: TableId) {
        match table {
            TableId::Given(number) => {
                self.gone.insert(number);
            }
            TableId::Made(number) => self.made.drop_table(number),
        }
    }

    /// The value that a name means at a place.
    pub(crate) fn meaning(&mut self, scope: &Scope<'_>, parts: &[Ident]) -> Meaning {
        let meaning = self.look_up(scope, parts);
        if let Meaning::Value(deps, _) = &meaning {
            self.reads.extend(deps.iter().map(|dep| dep.source));
        }
        meaning
    }

    fn look_up(&mut self, scope: &Scope<'_>, parts: &[Ident]) -> Meaning {
        let [first, rest @ ..] = parts else { return Meaning::Nothing };
        let mut unknown = false;
        let mut level = Some(scope);
        while let Some(own) = level {
            if rest.is_empty() {
                match self.unqualified(own, first) {
                    Hit::One(deps) | Hit::Open(deps) => return Meaning::Value(deps, Kind::Identity),
                    Hit::Unknown => unknown = true,
                    Hit::Several => {
                        self.say("several tables here have a column of this name", first.span, &first.value);
                        return Meaning::Nothing;
                    }
                    Hit::None => {}
                }
                if let Some(deps) = self.row_of(own, first) {
                    return Meaning::Value(Rc::new(deps), Kind::Transformation);
                }
            } else if let Some(meaning) = self.qualified(own, parts) {
                return meaning;
            } else if self.dialect.has_plain_fields() {
                match self.unqualified(own, first) {
                    Hit::One(deps) | Hit::Open(deps) => return Meaning::Value(deps, Kind::Transformation),
                    Hit::None | Hit::Unknown | Hit::Several => {}
                }
            }
            level = own.parent;
        }
        self.outside(first, parts, unknown)
    }

    /// A name that is of no table here.
    fn outside(&mut self, first: &Ident, parts: &[Ident], unknown: bool) -> Meaning {
        let last = parts.last().unwrap_or(first);
        if parts.len() == 1 {
            let variable = self.variables.iter().find(|out| self.dialect.same(first, &out.name));
            if let Some(variable) = variable {
                return Meaning::Value(Rc::clone(&variable.deps), Kind::Identity);
            }
            if self.dialect.is_system_column(&first.value)
                || (first.quote_style.is_none() && super::functions::is_niladic(&first.value.to_ascii_lowercase()))
                || first.value.starts_with(['@', ':', '$'])
                || (self.dialect.has_texts_in_double_quotes() && first.quote_style == Some('"') && !unknown)
            {
                return Meaning::Nothing;
            }
            if unknown {
                // what may be a text is told by no name
                let is_text = self.dialect.has_texts_in_double_quotes() && first.quote_style == Some('"');
                let column = if is_text { self.unknown(&Ident::new(ColumnName::UNKNOWN)) } else { self.unknown(first) };
                return Meaning::Value(column, Kind::Identity);
            }
            self.say("no table here has a column of this name", first.span, &first.value);
        } else {
            // a variable of a row, or of a record
            let variable = self.variables.iter().find(|out| self.dialect.same(first, &out.name));
            if let Some(variable) = variable {
                return Meaning::Value(Rc::clone(&variable.deps), Kind::Transformation);
            }
            if self.dialect.is_system_column(&last.value) || first.value.starts_with(['@', ':', '$']) {
                return Meaning::Nothing;
            }
            let text = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
            self.say("no table of this name is read here", first.span, text);
        }
        Meaning::Nothing
    }

    /// `table.column`, `schema.table.column`, and parts of their values.
    fn qualified(&mut self, scope: &Scope<'_>, parts: &[Ident]) -> Option<Meaning> {
        for length in (1..parts.len()).rev() {
            let (table, rest) = parts.split_at(length);
            let Some(at) = self.relation(scope, table) else { continue };
            let Some(((column, fields), named)) = rest.split_first().zip(scope.from.named.get(at)) else { continue };
            let columns = Rc::clone(&named.columns);
            let kind = if fields.is_empty() { Kind::Identity } else { Kind::Transformation };
            return Some(match self.in_columns(&columns, column) {
                Hit::One(deps) => Meaning::Value(deps, kind),
                Hit::Open(deps) => Meaning::Value(deps, kind),
                Hit::Unknown => Meaning::Value(self.unknown(column), kind),
                Hit::Several => {
                    self.say("the table has several columns of this name", column.span, &column.value);
                    Meaning::Nothing
                }
                Hit::None if self.dialect.is_system_column(&column.value) => Meaning::Nothing,
                Hit::None => {
                    let text = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                    self.say("the table has no column of this name", column.span, text);
                    Meaning::Nothing
                }
            });
        }
        None
    }

    /// The relation that a name means in a FROM: the last of that name.
    pub(crate) fn relation(&self, scope: &Scope<'_>, name: &[Ident]) -> Option<usize> {
        let (own, before) = name.split_last()?;
        let fits = |named: &Named| {
            named.name.as_ref().is_some_and(|spelled| self.dialect.same(own, spelled))
                && before.len() <= named.before.len()
                && before.iter().rev().zip(named.before.iter().rev()).all(|(one, other)| self.dialect.same(one, other))
        };
        scope.from.named.iter().rposition(fits)
    }

    /// All columns of a relation as one value, where its name alone stands for its rows.
    fn row_of(&mut self, scope: &Scope<'_>, name: &Ident) -> Option<Deps> {
        if !self.dialect.has_whole_rows() {
            return None;
        }
        let at = self.relation(scope, std::slice::from_ref(name))?;
        let columns = Rc::clone(&scope.from.named.get(at)?.columns);
        let outs = self.outs(&columns)?;
        Some(super::scope::whole(&outs))
    }

    fn unqualified(&mut self, scope: &Scope<'_>, name: &Ident) -> Hit {
        if scope.aliases_first
            && let Some(out) = self.alias(scope, name)
        {
            return Hit::One(out);
        }
        let (mut found, mut open, mut unknown): (Option<Rc<Deps>>, _, _) = (None, None, false);
        for visible in &scope.from.visible {
            let hit = match visible {
                Visible::All(at) => match scope.from.named.get(*at) {
                    Some(named) => {
                        let columns = Rc::clone(&named.columns);
                        let own_name = named.name.as_ref().is_some_and(|own| self.dialect.same(name, own));
                        match self.in_columns(&columns, name) {
                            // the one column of a function has the function's name
                            Hit::Open(deps) if own_name => Hit::One(deps),
                            hit => hit,
                        }
                    }
                    None => Hit::None,
                },
                Visible::One(at, number) => match scope.from.named.get(*at) {
                    Some(named) => {
                        let columns = Rc::clone(&named.columns);
                        self.at_place(&columns, *number, name)
                    }
                    None => Hit::None,
                },
                Visible::Merged { name: own, deps, .. } if self.dialect.same(name, own) => Hit::One(Rc::clone(deps)),
                Visible::Merged { .. } => Hit::None,
            };
            match hit {
                Hit::One(deps) if found.is_none() => found = Some(deps),
                Hit::One(_) | Hit::Several => return Hit::Several,
                Hit::Open(deps) => open = Some(deps),
                Hit::Unknown => unknown = true,
                Hit::None => {}
            }
        }
        if let Some(found) = found {
            return Hit::One(found);
        }
        if let Some(out) = self.alias(scope, name) {
            return Hit::One(out);
        }
        match open {
            Some(deps) => Hit::Open(deps),
            None if unknown => Hit::Unknown,
            None => Hit::None,
        }
    }

    fn alias(&self, scope: &Scope<'_>, name: &Ident) -> Option<Rc<Deps>> {
        let out = scope.aliases.iter().find(|out| self.dialect.same(name, &out.name))?;
        Some(Rc::clone(&out.deps))
    }

    fn at_place(&mut self, columns: &Columns, number: u32, name: &Ident) -> Hit {
        match columns {
            Columns::Table(table) => {
                let own = self.column_name(*table, number);
                if self.dialect.same(name, &own) { Hit::One(self.column(*table, number)) } else { Hit::None }
            }
            Columns::These(outs) => match outs.get(number as usize) {
                Some(out) if self.dialect.same(name, &out.name) => Hit::One(Rc::clone(&out.deps)),
                Some(_) | None => Hit::None,
            },
            Columns::Open(deps) => Hit::Open(Rc::clone(deps)),
            Columns::Unknown => Hit::Unknown,
        }
    }

    fn in_columns(&mut self, columns: &Columns, name: &Ident) -> Hit {
        match columns {
            Columns::Table(table) => match self.column_named(*table, name) {
                Some(number) => Hit::One(self.column(*table, number)),
                None => Hit::None,
            },
            Columns::These(outs) => {
                let exactly: Vec<&Out> = outs.iter().filter(|out| out.name == self.dialect.spelled(name)).collect();
                let fitting: Vec<&Out> = if exactly.is_empty() {
                    outs.iter().filter(|out| self.dialect.same(name, &out.name)).collect()
                } else {
                    exactly
                };
                match fitting[..] {
                    [] => Hit::None,
                    [one] => Hit::One(Rc::clone(&one.deps)),
                    // the same value twice is no question
                    [one, ref others @ ..] if others.iter().all(|other| other.deps == one.deps) => {
                        Hit::One(Rc::clone(&one.deps))
                    }
                    _ => Hit::Several,
                }
            }
            Columns::Open(deps) => Hit::Open(Rc::clone(deps)),
            Columns::Unknown => Hit::Unknown,
        }
    }

    /// The relation of a table's name in FROM: one of WITH, else one of the catalogue.
    pub(crate) fn table_relation(&mut self, scope: &Scope<'_>, name: &ObjectName) -> Relation {
        let idents = idents(name);
        if let ([own], Some(with)) = (&idents[..], scope.with)
            && let Some(relation) = with.find(self.dialect, own)
        {
            return Relation::clone(&relation);
        }
        if self.find_table(&idents).is_err() && is_of_the_system(&idents) {
            return Relation { columns: Columns::Open(Rc::default()), rows: Rc::default() };
        }
        match self.table(name) {
            Some(table) => Relation { columns: Columns::Table(table), rows: Rc::default() },
            None => Relation::unknown(),
        }
    }
}

/// Tables of the database itself, from which no column of ours comes.
fn is_of_the_system(name: &[Ident]) -> bool {
    let words: Vec<String> = name.iter().map(|part| part.value.to_ascii_lowercase()).collect();
    let schema = words.len().checked_sub(2).and_then(|at| words.get(at)).map(String::as_str);
    let own = words.last().map_or("", String::as_str);
    matches!(schema, Some("information_schema" | "pg_catalog" | "performance_schema" | "mysql" | "sys"))
        || (schema.is_none() && (own == "dual" || own.starts_with("pg_") || own.starts_with("sqlite_")))
}

/// The parts of a name.
pub(crate) fn idents(name: &ObjectName) -> Vec<Ident> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(ident.clone()),
        ObjectNamePart::Function(_) => None,
    };
    name.0.iter().filter_map(part).collect()
}
