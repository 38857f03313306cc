//! What the process itself uses, as Linux tells it.

use crate::record::{Count as _, Measure as _};
use fieldmark_model::metric::{HEARTBEAT, PROCESS_MEMORY, PROCESS_TIME};

/// Ticks of a processor in a second, as Linux counts them for `/proc` on every platform (`USER_HZ`).
const TICKS: f64 = 100.0;

/// The process goes round: says so, and what it uses.
pub fn goes_round() {
    HEARTBEAT.set([], chrono::Utc::now().timestamp_millis() as f64 / 1e3);
    if let Some(bytes) = memory() {
        PROCESS_MEMORY.set([], bytes);
    }
    if let Some(seconds) = time() {
        PROCESS_TIME.reach_seconds([], seconds);
    }
}

fn memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}

fn time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the name before it may hold anything
    let (_, fields) = stat.rsplit_once(')')?;
    // proc(5): utime and stime are the 14th and 15th field, and the second ends with the name
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?);
    Some((user + system) / TICKS)
}
