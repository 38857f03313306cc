//! Why a read did not succeed. Messages name places and codes, never a row's value or a secret.

use fieldmark_model::NotEvaluated;
use fieldmark_model::code::{Meaning, meaning_of};
use fieldmark_model::outcome::Nature;
use thiserror::Error;

/// Why a source did not answer.
#[derive(Debug, Error)]
pub enum Error {
    /// No connection could be made.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// Where, without secrets.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The database refused user or password.
    #[error("{address} refused the login ({code})")]
    LoginRefused {
        /// Where, without secrets.
        address: String,
        /// The database's code.
        code: String,
    },
    /// The server has no database of that name.
    #[error("{address} has no such database ({code})")]
    NoDatabase {
        /// Where, without secrets.
        address: String,
        /// The database's code.
        code: String,
    },
    /// The configured address makes no sense.
    #[error("{reason}")]
    Address {
        /// What is wrong with it; never the address itself, which may hold a password.
        reason: String,
    },
    /// The connection broke off.
    #[error("the connection was lost ({code})")]
    ConnectionLost {
        /// The database's code, or the system's word.
        code: String,
    },
    /// After a lost connection another server answers.
    #[error("the server failed over in the middle of the read")]
    FailedOver,
    /// A replica does not show yet what is to be read.
    #[error("the replica has not replayed what its primary had when the migration was over")]
    StaleReplica,
    /// It was said to be one.
    #[error("the server is no standby of the one that `replica_of` names")]
    NoReplica,
    /// The statement ran into its time limit, or somebody else cancelled it.
    #[error("the statement's time was up, or somebody on the server cancelled it")]
    Timeout,
    /// The rule's own time was up.
    #[error("the rule's timeout was over before it had its answer")]
    RuleTimeout,
    /// The database ended the statement so that others, who waited for it while it waited for them, could go on.
    #[error("the database ended the statement to resolve a deadlock ({code})")]
    Deadlock {
        /// The database's code.
        code: String,
    },
    /// A lock could not be had at once: somebody changes the table.
    #[error("the table is locked by somebody who changes it")]
    Locked,
    /// Ended by our own watchdog.
    #[error("gave way to somebody who waits for the table")]
    GaveWay,
    /// The snapshot that a pass went by is gone.
    #[error("{}", if *.gave_way { "the pass's snapshot gave way to somebody who waits for it" } else { "the pass's snapshot was lost" })]
    SnapshotEnded {
        /// Ended by our own watchdog.
        gave_way: bool,
    },
    /// Cancelled through the handle.
    #[error("cancelled")]
    Cancelled,
    /// The source's budget is spent for now.
    #[error("the source's budget of server time is spent for this hour")]
    BudgetSpent,
    /// The role may not read it.
    #[error("permission denied ({code})")]
    PermissionDenied {
        /// The database's code.
        code: String,
    },
    /// The role may read a table through its parent alone, and rows are to be drawn from its partitions.
    #[error("rows are drawn from partitions, which the role may not read (42501)")]
    PartitionsDenied,
    /// An object store refused who asks.
    #[error("{file}: the store refused the request ({code})")]
    StoreRefused {
        /// The object, or the pattern of objects.
        file: String,
        /// The status of the answer.
        code: String,
    },
    /// Row security would hide rows.
    #[error("row security hides rows from this role")]
    CoverageLimited,
    /// Table or column is not there any more, or another type.
    #[error("the schema changed under the read ({code})")]
    SchemaChanged {
        /// The database's code.
        code: String,
    },
    /// A file that cannot be read as what it is.
    #[error("{file}: {what}")]
    Malformed {
        /// Its path, or the pattern of it.
        file: String,
        /// What is wrong with it, and where; no value of it.
        what: String,
    },
    /// This kind of source cannot do that.
    #[error("{what} is not possible on this source")]
    Unsupported {
        /// What was asked.
        what: &'static str,
    },
    /// Any other refusal of the database.
    #[error("the database answered with error {code}")]
    Database {
        /// The database's code.
        code: String,
    },
    /// Bytes that do not follow the database's own protocol, or a fault of ours.
    #[error("internal error: {what}")]
    Internal {
        /// What happened.
        what: String,
    },
}

/// What may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The same again, later.
    Retry,
    /// A person has to do this.
    Operator(&'static str),
    /// A fault of ours: report it.
    Bug,
}

impl Error {
    /// What may help.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::ConnectionLost { .. }
            | Self::Timeout
            | Self::Deadlock { .. }
            | Self::Locked
            | Self::GaveWay
            | Self::Cancelled => Recovery::Retry,
            Self::Unreachable { address, .. } if address.starts_with("s3://") => Recovery::Operator(
                "AWS_ENDPOINT_URL and AWS_REGION say where the store is, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY who asks; \
                 profiles are not read",
            ),
            Self::Unreachable { .. } => Recovery::Operator("start the database, or correct the source's url"),
            Self::FailedOver => Recovery::Operator("run again: the next run reads the new server from the beginning"),
            Self::SnapshotEnded { .. } => Recovery::Operator("run again: the next pass takes a snapshot of its own"),
            Self::NoReplica => {
                Recovery::Operator("correct `replica_of`, or leave it out: only a physical standby is waited for")
            }
            Self::StaleReplica => Recovery::Operator("run `fieldmark after` when the replica has caught up"),
            Self::RuleTimeout => Recovery::Operator("raise the rule's timeout, or index what it looks up"),
            Self::BudgetSpent => Recovery::Operator("run again later, or raise budget.server_time of the source"),
            Self::LoginRefused { code, .. } if code == "42501" => {
                Recovery::Operator("GRANT CONNECT ON DATABASE … TO the role")
            }
            Self::LoginRefused { code, .. } if code == "1044" => Recovery::Operator(
                "GRANT SELECT on a table of the database TO the user, or correct the database in the source's url",
            ),
            Self::LoginRefused { .. } => Recovery::Operator("correct user and password of the source's url"),
            Self::NoDatabase { .. } => Recovery::Operator("create the database, or correct the source's url"),
            Self::Address { .. } => Recovery::Operator("correct the source's url"),
            Self::PermissionDenied { .. } => Recovery::Operator("grant SELECT to the role"),
            Self::StoreRefused { .. } => Recovery::Operator(
                "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of somebody who may list the bucket and read its objects",
            ),
            Self::PartitionsDenied => {
                Recovery::Operator("grant SELECT on the partitions to the role, or `sample: all`")
            }
            Self::CoverageLimited => Recovery::Operator("grant BYPASSRLS to the role, or leave the table out"),
            Self::SchemaChanged { .. } => Recovery::Operator("run again: the next run reads the new schema"),
            Self::Malformed { .. } => Recovery::Operator("correct the file, or its pattern under `files`"),
            Self::Unsupported { .. } => Recovery::Operator("check all rows with sample: all"),
            Self::Database { .. } => Recovery::Operator("look the code up in the database's documentation"),
            Self::Internal { .. } => Recovery::Bug,
        }
    }

    /// Whether nothing else can be read now either: the run was cancelled, the connection is gone, or leads to another server, whose rows
    /// do not go with those that were read.
    pub fn ends_reading(&self) -> bool {
        matches!(self, Self::Cancelled | Self::ConnectionLost { .. } | Self::FailedOver)
    }

    /// Whether waiting may help. A login that is refused, and a database that there is not, are put right by somebody.
    pub fn nature(&self) -> Nature {
        match (self, self.recovery()) {
            (Self::LoginRefused { .. } | Self::NoDatabase { .. } | Self::Address { .. }, _) => Nature::Permanent,
            (_, Recovery::Retry) => Nature::Transient,
            (Self::Database { code }, _) => match meaning_of(code) {
                Meaning::Passing | Meaning::Unknown => Nature::Transient,
                Meaning::Resource => Nature::Resource,
                Meaning::Table | Meaning::Source => Nature::Permanent,
            },
            (_, Recovery::Operator(_)) => self.not_evaluated().nature(),
            (_, Recovery::Bug) => Nature::Permanent,
        }
    }

    /// How an outcome calls it.
    pub fn not_evaluated(&self) -> NotEvaluated {
        match self {
            Self::Unreachable { .. }
            | Self::LoginRefused { .. }
            | Self::NoDatabase { .. }
            | Self::Address { .. }
            | Self::ConnectionLost { .. }
            | Self::FailedOver
            | Self::SnapshotEnded { gave_way: false } => NotEvaluated::ConnectionLost,
            Self::StaleReplica | Self::NoReplica => NotEvaluated::StaleReplica,
            Self::Timeout | Self::Deadlock { .. } | Self::RuleTimeout | Self::Cancelled => NotEvaluated::Timeout,
            Self::Locked | Self::GaveWay | Self::SnapshotEnded { gave_way: true } => NotEvaluated::YieldedToMigration,
            Self::BudgetSpent => NotEvaluated::BudgetSpent,
            Self::PermissionDenied { .. } | Self::PartitionsDenied | Self::StoreRefused { .. } => {
                NotEvaluated::PermissionDenied
            }
            Self::CoverageLimited => NotEvaluated::CoverageLimited,
            Self::SchemaChanged { .. } => NotEvaluated::ColumnMissing,
            Self::Unsupported { .. } => NotEvaluated::NotSampleable,
            Self::Database { .. } | Self::Malformed { .. } | Self::Internal { .. } => NotEvaluated::Internal,
        }
    }
}
