//! A replica shows a migration when it has replayed it.

use crate::reader::Reader;
use fieldmark_source::Error;
use std::time::Duration;

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(100);

/// Waits at most so long until a replica has come as far as its primary was, or where nobody says how far that is, as what has arrived.
/// A source that is no replica is not waited for.
///
/// # Errors
/// [`Error::StaleReplica`] where it does not come so far; the source's own.
pub(crate) async fn caught_up(reader: &mut Reader, primary: Option<u64>, patience: Duration) -> Result<(), Error> {
    let first = reader.standing().await?;
    let Some(goal) = primary.or(first.arrived).filter(|_| first.replica) else { return Ok(()) };
    let began = tokio::time::Instant::now();
    let mut position = first.position;
    while position.is_none_or(|position| position < goal) {
        if began.elapsed() > patience {
            return Err(Error::StaleReplica);
        }
        reader.pause(EVERY).await;
        position = reader.standing().await?.position;
    }
    Ok(())
}
