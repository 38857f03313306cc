//! What a source says about its tables: columns, keys, constraints, and what survives a rename.

use crate::name::TableName;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// All tables of a source that the agent may look at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// In order of name.
    pub tables: Vec<Table>,
    /// Whether tables of which the role may read nothing are not among them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hides_unreadable: bool,
}

impl Catalogue {
    /// All tables that there are.
    pub fn of(tables: Vec<Table>) -> Self {
        Self { tables, hides_unreadable: false }
    }
    /// The table of that name.
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == *name)
    }
    /// The table with that identity, whatever its name is now.
    pub fn by_identity(&self, identity: u64) -> Option<&Table> {
        self.tables.iter().find(|table| table.identity == Some(identity))
    }
}

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// A table with rows of its own.
    Table,
    /// A table whose rows lie in partitions.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A table of another server. Not read unless it is named.
    Foreign,
    /// A virtual table of SQLite. Not read unless it is named.
    Virtual,
}

impl TableKind {
    /// Whether the database itself keeps its rows: no view, and nothing that another program answers for.
    pub fn is_stored(self) -> bool {
        match self {
            Self::Table | Self::Partitioned | Self::MaterializedView => true,
            Self::View | Self::Foreign | Self::Virtual => false,
        }
    }
}

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Schema and name.
    pub name: TableName,
    /// What survives a rename (PostgreSQL: the relation's oid), where the database has it.
    pub identity: Option<u64>,
    /// What changes when the rows are rewritten (PostgreSQL: the file node), where the database has it.
    pub storage: Option<u64>,
    /// What kind of relation.
    pub kind: TableKind,
    /// In order of position.
    pub columns: Vec<Column>,
    /// The name by which the database's own number of each row can be asked for, though it is no column (SQLite: `rowid`).
    #[serde(default)]
    pub row_number: Option<String>,
    /// Columns of the primary key, in its order.
    pub primary_key: Option<Vec<String>>,
    /// Unique constraints and unique indexes on plain columns without a predicate, the primary key among them.
    pub unique: Vec<Vec<String>>,
    /// Columns of each index on plain columns without a predicate, in index order; unique ones and the primary key among them.
    pub indexes: Vec<Vec<String>>,
    /// Foreign keys that the database enforces.
    pub foreign_keys: Vec<ForeignKey>,
    /// Rows as the database estimates them, if it does.
    pub estimated_rows: Option<u64>,
    /// Pages (blocks) of storage, if the database has such.
    pub pages: Option<u64>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What survives a rename inside the table (PostgreSQL: the column number).
    pub identity: Option<u64>,
    /// The type as the database declares it (`numeric(12,2)`).
    pub declared: String,
    /// The Arrow type that its values travel in.
    pub data_type: DataType,
    /// True where values travel as canonical text because their type is not decoded.
    pub canonical_text: bool,
    /// False where the database refuses NULL.
    pub nullable: bool,
    /// False where the role may not read it: a matter of who asks, and no part of the table.
    #[serde(skip, default = "readable")]
    pub readable: bool,
}

fn readable() -> bool {
    true
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub table: TableName,
    /// Its columns, in the same order.
    pub to: Vec<String>,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The primary key, else the first unique set of columns none of which may be NULL; one that the role may read.
    pub fn key(&self) -> Option<&[String]> {
        let readable =
            |columns: &&[String]| columns.iter().all(|name| self.column(name).is_none_or(|column| column.readable));
        self.primary_key.as_deref().filter(readable).or_else(|| {
            let never_null = |name: &String| self.column(name).is_some_and(|column| !column.nullable);
            let mut unique = self.unique.iter().map(Vec::as_slice);
            unique.find(|columns| columns.iter().all(never_null) && readable(columns))
        })
    }

    /// Columns that tell every row from every other for certain: a key none of which may be NULL, else the number that the database itself
    /// has for the row.
    pub fn row_identity(&self) -> Option<Vec<String>> {
        let never_null = |columns: &&Vec<String>| {
            columns.iter().all(|name| self.column(name).is_some_and(|column| !column.nullable && column.readable))
        };
        let key = self.primary_key.iter().chain(&self.unique).find(never_null).cloned();
        key.or_else(|| self.row_number.clone().map(|number| vec![number]))
    }

    /// Whether an index begins with these columns, in any order among themselves.
    pub fn indexed(&self, columns: &[String]) -> bool {
        self.indexes.iter().any(|index| {
            index.get(..columns.len()).is_some_and(|prefix| columns.iter().all(|column| prefix.contains(column)))
        })
    }

    /// Arrow schema of the named columns (and of the row's number, by its name), in that order; names that the table lacks are left out.
    pub fn arrow_schema<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> SchemaRef {
        let field = |name: &str| match self.column(name) {
            Some(column) => Some(column.arrow_field()),
            None if self.row_number.as_deref() == Some(name) => Some(Column::row_number(name).arrow_field()),
            None => None,
        };
        Arc::new(Schema::new(names.into_iter().filter_map(field).collect::<Vec<Field>>()))
    }
}

impl Column {
    /// The number that the database itself has for each row.
    pub fn row_number(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            identity: None,
            declared: "INTEGER".to_owned(),
            data_type: DataType::Int64,
            canonical_text: false,
            nullable: false,
            readable: true,
        }
    }

    /// The Arrow field: name, type, always nullable (a defect leaves NULL), declared type in the metadata.
    pub fn arrow_field(&self) -> Field {
        let mut metadata = HashMap::from([(crate::chunk::DECLARED_TYPE.to_owned(), self.declared.clone())]);
        if self.canonical_text {
            metadata.insert(crate::chunk::CANONICAL_TEXT.to_owned(), "text".to_owned());
        }
        Field::new(&self.name, self.data_type.clone(), true).with_metadata(metadata)
    }
}
