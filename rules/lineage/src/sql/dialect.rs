//! The languages that statements come in.

use crate::catalogue::Part;
use sqlparser::ast::Ident;
use sqlparser::dialect::{
    AnsiDialect, BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect as Grammar, DuckDbDialect,
    GenericDialect, HiveDialect, MsSqlDialect, MySqlDialect, OracleDialect, PostgreSqlDialect, RedshiftSqlDialect,
    SQLiteDialect, SnowflakeDialect, SparkSqlDialect, TeradataDialect,
};

/// A language of statements, by what differs for the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// SQLite.
    Sqlite,
    /// DataFusion.
    Datafusion,
    /// One that is none of these: read by the grammar that is nearest, names as most databases have them.
    Other(Nearest),
}

/// A grammar of a database that is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// What is common to most.
    Generic,
    /// ANSI SQL.
    Ansi,
    /// `BigQuery`.
    Bigquery,
    /// `ClickHouse`.
    Clickhouse,
    /// Databricks.
    Databricks,
    /// `DuckDB`.
    Duckdb,
    /// Hive.
    Hive,
    /// Microsoft SQL Server.
    Mssql,
    /// Oracle.
    Oracle,
    /// Amazon Redshift.
    Redshift,
    /// Snowflake.
    Snowflake,
    /// Spark SQL.
    Spark,
    /// Teradata.
    Teradata,
}

impl Nearest {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Ansi => "ansi",
            Self::Bigquery => "bigquery",
            Self::Clickhouse => "clickhouse",
            Self::Databricks => "databricks",
            Self::Duckdb => "duckdb",
            Self::Hive => "hive",
            Self::Mssql => "mssql",
            Self::Oracle => "oracle",
            Self::Redshift => "redshift",
            Self::Snowflake => "snowflake",
            Self::Spark => "spark",
            Self::Teradata => "teradata",
        }
    }
}

impl Dialect {
    /// The words of those that are spoken.
    pub const SPOKEN: [&str; 5] = ["postgres", "mysql", "mariadb", "sqlite", "datafusion"];

    /// The dialect of that word; of a word that nobody knows, what is common to most.
    pub fn named(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "postgres" | "postgresql" | "pg" => Self::Postgres,
            "mysql" => Self::Mysql,
            "mariadb" => Self::Mariadb,
            "sqlite" => Self::Sqlite,
            "datafusion" => Self::Datafusion,
            "ansi" => Self::Other(Nearest::Ansi),
            "bigquery" => Self::Other(Nearest::Bigquery),
            "clickhouse" => Self::Other(Nearest::Clickhouse),
            "databricks" => Self::Other(Nearest::Databricks),
            "duckdb" => Self::Other(Nearest::Duckdb),
            "hive" => Self::Other(Nearest::Hive),
            "mssql" | "tsql" | "sqlserver" | "synapse" | "fabric" => Self::Other(Nearest::Mssql),
            "oracle" | "plsql" => Self::Other(Nearest::Oracle),
            "redshift" => Self::Other(Nearest::Redshift),
            "snowflake" => Self::Other(Nearest::Snowflake),
            "spark" | "sparksql" | "spark2" | "spark3" => Self::Other(Nearest::Spark),
            "teradata" => Self::Other(Nearest::Teradata),
            "greenplum" | "materialize" | "risingwave" | "cockroach" | "cockroachdb" => Self::Postgres,
            "doris" | "starrocks" | "tidb" | "singlestore" => Self::Mysql,
            _ => Self::Other(Nearest::Generic),
        }
    }

    /// Its word, where it is spoken.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
            Self::Sqlite => "sqlite",
            Self::Datafusion => "datafusion",
            Self::Other(nearest) => nearest.as_str(),
        }
    }

    pub(crate) fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Postgres => &PostgreSqlDialect {},
            Self::Mysql | Self::Mariadb => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
            Self::Datafusion | Self::Other(Nearest::Generic) => &GenericDialect,
            Self::Other(Nearest::Ansi) => &AnsiDialect {},
            Self::Other(Nearest::Bigquery) => &BigQueryDialect,
            Self::Other(Nearest::Clickhouse) => &ClickHouseDialect {},
            Self::Other(Nearest::Databricks) => &DatabricksDialect,
            Self::Other(Nearest::Duckdb) => &DuckDbDialect {},
            Self::Other(Nearest::Hive) => &HiveDialect {},
            Self::Other(Nearest::Mssql) => &MsSqlDialect {},
            Self::Other(Nearest::Oracle) => &OracleDialect {},
            Self::Other(Nearest::Redshift) => &RedshiftSqlDialect {},
            Self::Other(Nearest::Snowflake) => &SnowflakeDialect,
            Self::Other(Nearest::Spark) => &SparkSqlDialect {},
            Self::Other(Nearest::Teradata) => &TeradataDialect {},
        }
    }

    /// Whether capitals of a name in quotes count.
    fn quotes_count(self) -> bool {
        match self {
            Self::Postgres | Self::Datafusion => true,
            Self::Mysql | Self::Mariadb | Self::Sqlite | Self::Other(_) => false,
        }
    }

    /// A name as it is looked up.
    pub(crate) fn part(self, name: &Ident) -> Part<'_> {
        Part { text: &name.value, exact: name.quote_style.is_some() && self.quotes_count() }
    }

    /// A name as a new column or table has it.
    pub(crate) fn spelled(self, name: &Ident) -> String {
        match self {
            Self::Postgres | Self::Datafusion if name.quote_style.is_none() => name.value.to_lowercase(),
            Self::Postgres | Self::Datafusion | Self::Mysql | Self::Mariadb | Self::Sqlite | Self::Other(_) => {
                name.value.clone()
            }
        }
    }

    /// Whether two names of one statement mean the same.
    pub(crate) fn same(self, one: &Ident, spelled: &str) -> bool {
        self.part(one).names(spelled)
    }

    /// Whether an expression may name a column of the same list that comes before it.
    pub(crate) fn has_lateral_aliases(self) -> bool {
        match self {
            Self::Other(nearest) => match nearest {
                Nearest::Clickhouse
                | Nearest::Databricks
                | Nearest::Duckdb
                | Nearest::Redshift
                | Nearest::Snowflake
                | Nearest::Spark
                | Nearest::Teradata => true,
                Nearest::Generic
                | Nearest::Ansi
                | Nearest::Bigquery
                | Nearest::Hive
                | Nearest::Mssql
                | Nearest::Oracle => false,
            },
            Self::Postgres | Self::Mysql | Self::Mariadb | Self::Sqlite | Self::Datafusion => false,
        }
    }

    /// Whether WHERE may name a column of the list that is selected.
    pub(crate) fn has_aliases_in_where(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres | Self::Mysql | Self::Mariadb | Self::Datafusion => false,
            Self::Other(_) => self.has_lateral_aliases(),
        }
    }

    /// Whether HAVING may name a column of the list that is selected.
    pub(crate) fn has_aliases_in_having(self) -> bool {
        match self {
            Self::Postgres | Self::Other(Nearest::Ansi | Nearest::Mssql | Nearest::Oracle) => false,
            Self::Mysql | Self::Mariadb | Self::Sqlite | Self::Datafusion | Self::Other(_) => true,
        }
    }

    /// Whether a name with a dot may be a part of a value, without brackets around the value.
    pub(crate) fn has_plain_fields(self) -> bool {
        match self {
            Self::Datafusion | Self::Other(_) => true,
            Self::Postgres | Self::Mysql | Self::Mariadb | Self::Sqlite => false,
        }
    }

    /// Whether a name in double quotes that names no column is a text.
    pub(crate) fn has_texts_in_double_quotes(self) -> bool {
        self == Self::Sqlite
    }

    /// Whether a name may be a table's, and mean its rows.
    pub(crate) fn has_whole_rows(self) -> bool {
        match self {
            Self::Postgres | Self::Other(_) => true,
            Self::Mysql | Self::Mariadb | Self::Sqlite | Self::Datafusion => false,
        }
    }

    pub(crate) fn is_mysql(self) -> bool {
        match self {
            Self::Mysql | Self::Mariadb => true,
            Self::Postgres | Self::Sqlite | Self::Datafusion | Self::Other(_) => false,
        }
    }

    /// Columns that a table has besides those that were declared, and that come from nowhere.
    pub(crate) fn is_system_column(self, name: &str) -> bool {
        let of: &[&str] = match self {
            Self::Postgres => &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"],
            Self::Sqlite => &["rowid", "_rowid_", "oid"],
            Self::Other(Nearest::Oracle) => &["rownum", "rowid", "level"],
            Self::Other(Nearest::Duckdb) => &["rowid"],
            Self::Other(Nearest::Bigquery) => &["_partitiontime", "_partitiondate", "_table_suffix", "_file_name"],
            Self::Mysql | Self::Mariadb | Self::Datafusion | Self::Other(_) => &[],
        };
        of.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}
