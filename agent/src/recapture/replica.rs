//! A replica shows a migration when it has replayed it.

use crate::reader::Reader;
use fieldmark_source::{Error, Standing};
use std::time::Duration;

/// How often a replica is asked.
const EVERY: Duration = Duration::from_millis(100);

/// Waits at most so long until a replica has come as far as its primary was, or where nobody says how far that is, as what has arrived.
/// A source that is no replica, and of which nobody says so, is not waited for.
///
/// # Errors
/// [`Error::StaleReplica`] where it does not come so far, [`Error::NoReplica`] where it is none of that primary; the source's own.
pub(crate) async fn caught_up(reader: &mut Reader, primary: Option<Standing>, patience: Duration) -> Result<(), Error> {
    let first = reader.standing().await?;
    if let Some(primary) = &primary {
        let cluster = |standing: &Standing| standing.server.as_ref().map(|server| server.cluster.clone());
        let others = cluster(primary).zip(cluster(&first)).is_some_and(|(one, other)| one != other);
        if !first.replica || others {
            return Err(Error::NoReplica);
        }
    }
    let goal = primary.and_then(|primary| primary.position).or(first.arrived);
    let Some(goal) = goal.filter(|_| first.replica) else { return Ok(()) };
    let began = tokio::time::Instant::now();
    let mut position = first.position;
    while !position.is_some_and(|position| position.has_reached(&goal)) {
        if began.elapsed() > patience {
            return Err(Error::StaleReplica);
        }
        reader.pause(EVERY).await;
        position = reader.standing().await?.position;
    }
    Ok(())
}
