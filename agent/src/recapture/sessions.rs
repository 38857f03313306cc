//! The migration's own transactions, seen while its command runs.
//!
//! A transaction that begins and ends between two looks is not seen. What it wrote then counts as written by somebody unknown, and
//! the control test has the word.

use crate::reader::Reader;
use fieldmark_source::{Error, Sessions};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Time between two looks: shorter than a statement takes that changes enough rows to be seen among the marked ones. A look is one small
/// statement that touches no table.
const EVERY: Duration = Duration::from_millis(3);

/// Looks at sessions until it is told to end.
#[derive(Debug)]
pub struct SessionWatch {
    looking: JoinHandle<BTreeSet<u64>>,
    end: CancellationToken,
}

impl SessionWatch {
    /// Begins to look for transactions of these sessions.
    pub fn begin(mut reader: Reader, sessions: Vec<Sessions>) -> Self {
        let end = CancellationToken::new();
        let ended = end.clone();
        let looking = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while !ended.is_cancelled() {
                match reader.transactions(&sessions).await {
                    Ok(transactions) => seen.extend(transactions),
                    // a migration may take locks that a look does not wait for
                    Err(Error::Locked | Error::Timeout | Error::Deadlock { .. }) => {}
                    // of ids seen until then it could not be told that the others are somebody else's
                    Err(_) => return BTreeSet::new(),
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = ended.cancelled() => {}
                }
            }
            seen
        });
        Self { looking, end }
    }

    /// Ends looking: every transaction id that was seen.
    pub async fn end(self) -> BTreeSet<u64> {
        self.end.cancel();
        self.looking.await.unwrap_or_default()
    }
}
