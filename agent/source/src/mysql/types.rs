//! Which Arrow type a MariaDB type travels in, and in which form the server sends it.

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, TimeUnit};
use fieldmark_model::Column;

/// How values of a type are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Int16,
    Int32,
    Int64,
    UInt64,
    /// `bit(n)`, as a number.
    Bits,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Text,
    Bytes,
    Date,
    Time,
    Datetime,
    Timestamp,
    /// Geometries, as the text that `ST_AsText` writes.
    Geometry,
    /// Everything else: the server's own text.
    Other,
}

/// The parts of a type as `information_schema.columns` spells it: `decimal(12,2) unsigned`, `enum('a','b')`.
struct Declared<'a> {
    base: &'a str,
    numbers: Vec<u32>,
    unsigned: bool,
}

impl<'a> Declared<'a> {
    fn of(declared: &'a str) -> Self {
        let end = declared.find(['(', ' ']).unwrap_or(declared.len());
        let (base, rest) = declared.split_at(end);
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or("", |(inside, _)| inside);
        // what an enumeration holds are texts
        let numbers = inside.split(',').map_while(|number| number.trim().parse().ok()).collect();
        Self { base, numbers, unsigned: !rest.contains('\'') && rest.contains(" unsigned") }
    }
}

impl Family {
    /// Of a type as the catalogue spells it.
    pub(super) fn of(declared: &str) -> Self {
        let lower = declared.to_ascii_lowercase();
        let Declared { base, numbers, unsigned } = Declared::of(&lower);
        match (base, unsigned) {
            ("tinyint" | "bool" | "boolean" | "year", _) | ("smallint", false) => Self::Int16,
            ("smallint", true) | ("mediumint", _) | ("int" | "integer", false) => Self::Int32,
            ("int" | "integer", true) | ("bigint", false) => Self::Int64,
            ("bigint", true) => Self::UInt64,
            ("bit", _) => Self::Bits,
            ("float", _) => Self::Float,
            ("double" | "real", _) => Self::Double,
            ("decimal" | "numeric" | "dec" | "fixed", _) => {
                let precision = numbers.first().and_then(|digits| u8::try_from(*digits).ok()).unwrap_or(10);
                let scale = numbers.get(1).and_then(|scale| i8::try_from(*scale).ok()).unwrap_or(0);
                Self::Decimal { precision, scale }
            }
            ("char" | "varchar" | "nchar" | "nvarchar" | "tinytext" | "text" | "mediumtext" | "longtext", _)
            | ("enum" | "set" | "json" | "uuid" | "inet4" | "inet6", _) => Self::Text,
            ("binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob", _) => Self::Bytes,
            ("date", _) => Self::Date,
            ("time", _) => Self::Time,
            ("datetime", _) => Self::Datetime,
            ("timestamp", _) => Self::Timestamp,
            ("geometry" | "point" | "linestring" | "polygon", _)
            | ("multipoint" | "multilinestring" | "multipolygon" | "geometrycollection" | "geomcollection", _) => {
                Self::Geometry
            }
            _ => Self::Other,
        }
    }

    /// The Arrow type, and whether it stands for canonical text of a type that is not decoded.
    pub(super) fn arrow(self) -> (DataType, bool) {
        let micros = TimeUnit::Microsecond;
        match self {
            Self::Int16 => (DataType::Int16, false),
            Self::Int32 => (DataType::Int32, false),
            Self::Int64 => (DataType::Int64, false),
            Self::UInt64 | Self::Bits => (DataType::UInt64, false),
            Self::Float => (DataType::Float32, false),
            Self::Double => (DataType::Float64, false),
            Self::Decimal { precision, scale } if precision <= DECIMAL128_MAX_PRECISION => {
                (DataType::Decimal128(precision, scale), false)
            }
            Self::Decimal { precision, scale } => (DataType::Decimal256(precision, scale), false),
            Self::Text => (DataType::Utf8, false),
            Self::Bytes => (DataType::Binary, false),
            Self::Date => (DataType::Date32, false),
            Self::Time => (DataType::Time64(micros), false),
            Self::Datetime => (DataType::Timestamp(micros, None), false),
            Self::Timestamp => (DataType::Timestamp(micros, Some("UTC".into())), false),
            Self::Geometry | Self::Other => (DataType::Utf8, true),
        }
    }

    /// Whether values vary in size, so that large ones have to be left where they are.
    pub(super) fn varies(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Geometry | Self::Other)
    }

    /// SQL for the value in the form that is decoded. The text of a `float` has six digits, that of the same number as a double all.
    pub(super) fn sent(self, value: &str) -> String {
        match self {
            Self::Float => format!("CAST({value} AS DOUBLE)"),
            Self::Bits => format!("{value}+0"),
            Self::Geometry => format!("ST_AsText({value})"),
            Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::UInt64
            | Self::Double
            | Self::Decimal { .. }
            | Self::Text
            | Self::Bytes
            | Self::Date
            | Self::Time
            | Self::Datetime
            | Self::Timestamp
            | Self::Other => value.to_owned(),
        }
    }

    /// Whether a column of a result has a type that values of this one have, as the server names it: else the table's column is another
    /// one than it was.
    pub(super) fn is_told_by(self, declared: &str, told: &str) -> bool {
        let lower = declared.to_ascii_lowercase();
        let Declared { base, unsigned, .. } = Declared::of(&lower);
        let text = || {
            const TEXTS: [&str; 14] = [
                "CHAR",
                "VARCHAR",
                "TINYTEXT",
                "TEXT",
                "MEDIUMTEXT",
                "LONGTEXT",
                "BINARY",
                "VARBINARY",
                "TINYBLOB",
                "BLOB",
                "MEDIUMBLOB",
                "LONGBLOB",
                "ENUM",
                "SET",
            ];
            TEXTS.contains(&told) || told == "JSON"
        };
        match self {
            Self::Int16 | Self::Int32 | Self::Int64 | Self::UInt64 => {
                let name = match base {
                    "integer" => "INT".to_owned(),
                    base => base.to_ascii_uppercase(),
                };
                let name = if unsigned && base != "year" { format!("{name} UNSIGNED") } else { name };
                told == name
                    || (base == "tinyint" && told.starts_with("TINYINT"))
                    || (base == "tinyint" && told == "BOOLEAN")
            }
            Self::Bits => told.starts_with("BIGINT") || told.starts_with("INT"),
            Self::Float | Self::Double => told == "DOUBLE",
            Self::Decimal { .. } => told == "DECIMAL",
            Self::Text | Self::Bytes | Self::Geometry | Self::Other => text(),
            Self::Date => told == "DATE",
            Self::Time => told == "TIME",
            Self::Datetime => told == "DATETIME",
            Self::Timestamp => told == "TIMESTAMP",
        }
    }
}

/// Names of types that [`declared_column`] knows.
const NAMES: [&str; 51] = [
    "tinyint",
    "bool",
    "boolean",
    "year",
    "smallint",
    "mediumint",
    "int",
    "integer",
    "bigint",
    "bit",
    "float",
    "double",
    "real",
    "decimal",
    "numeric",
    "dec",
    "fixed",
    "char",
    "varchar",
    "nchar",
    "nvarchar",
    "tinytext",
    "text",
    "mediumtext",
    "longtext",
    "enum",
    "set",
    "json",
    "uuid",
    "inet4",
    "inet6",
    "binary",
    "varbinary",
    "tinyblob",
    "blob",
    "mediumblob",
    "longblob",
    "date",
    "time",
    "datetime",
    "timestamp",
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
    "vector",
];

/// Names of types that [`declared_column`] knows.
pub fn declared_types() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// A column that is declared so (`decimal(12,2)`, `int unsigned`), as the catalogue would give it; `None` for a type that has no such
/// name, or whose numbers it does not take.
pub fn declared_column(name: impl Into<String>, declared: &str, nullable: bool) -> Option<Column> {
    let lower = declared.trim().to_ascii_lowercase();
    let Declared { base, numbers, .. } = Declared::of(&lower);
    let length = |most: u32| numbers.as_slice().first().is_some_and(|length| (1..=most).contains(length));
    let takes = match base {
        "varchar" | "nvarchar" | "varbinary" => length(65_535),
        "decimal" | "numeric" | "dec" | "fixed" => match numbers.as_slice() {
            [] => true,
            [precision] => (1..=65).contains(precision),
            [precision, scale] => (1..=65).contains(precision) && *scale <= 38 && scale <= precision,
            _ => false,
        },
        "char" | "nchar" | "binary" => numbers.is_empty() || length(255),
        "bit" => numbers.is_empty() || length(64),
        "enum" | "set" => lower.ends_with(')'),
        base => NAMES.contains(&base),
    };
    takes.then(|| column(name.into(), lower, nullable))
}

/// A column that is declared so, as the catalogue would give it.
pub(super) fn column(name: String, declared: String, nullable: bool) -> Column {
    let (data_type, canonical_text) = Family::of(&declared).arrow();
    Column { name, identity: None, declared, data_type, canonical_text, nullable, readable: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_by_their_spelling() {
        for (declared, family) in [
            ("tinyint(1)", Family::Int16),
            ("int(10) unsigned", Family::Int64),
            ("smallint(5) unsigned zerofill", Family::Int32),
            ("bigint(20) unsigned", Family::UInt64),
            ("decimal(65,30)", Family::Decimal { precision: 65, scale: 30 }),
            ("decimal(5,0)", Family::Decimal { precision: 5, scale: 0 }),
            ("enum('a unsigned','b)')", Family::Text),
            ("bit(9)", Family::Bits),
            ("timestamp(6)", Family::Timestamp),
            ("multipoint", Family::Geometry),
            ("vector(3)", Family::Other),
        ] {
            assert_eq!(Family::of(declared), family, "{declared}");
        }
        assert_eq!(Family::of("decimal(39,2)").arrow(), (DataType::Decimal256(39, 2), false));
    }

    #[test]
    fn columns_of_files_are_declared_as_those_of_tables() {
        assert!(declared_types().all(|name| {
            let numbers = if name.starts_with("var") || name == "nvarchar" { "(20)" } else { "" };
            let numbers = if matches!(name, "enum" | "set") { "('a')" } else { numbers };
            declared_column("c", &format!("{name}{numbers}"), true).is_some()
        }));
        for wrong in
            ["", "varchar", "varchar(0)", "decimal(66)", "decimal(5,6)", "integr", "text[]", "enum", "timestamptz"]
        {
            assert!(declared_column("c", wrong, true).is_none(), "{wrong}");
        }
        let wide = declared_column("c", "Varchar(300)", true).unwrap();
        assert_eq!((wide.declared.as_str(), wide.data_type), ("varchar(300)", DataType::Utf8));
    }

    #[test]
    fn another_type_in_the_answer_is_another_column() {
        let told = |declared: &str, told: &str| Family::of(declared).is_told_by(declared, told);
        assert!(told("int(11)", "INT") && !told("int(11)", "BIGINT") && !told("int(11)", "INT UNSIGNED"));
        assert!(told("tinyint(1)", "BOOLEAN") && told("year(4)", "YEAR") && told("bit(3)", "BIGINT UNSIGNED"));
        assert!(told("varchar(20)", "VARCHAR") && told("varchar(20)", "TEXT") && !told("varchar(20)", "INT"));
        assert!(!told("datetime", "TIMESTAMP"));
    }
}
