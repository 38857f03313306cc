//! Keeps observations: on disk before they count. Where the disk does not take them they wait in memory, and the daemon says so; what memory
//! does not hold either is counted as lost.

use super::warn;
use chrono::{DateTime, Utc};
use fieldmark_model::observation::{Body, Loss, Observation, ObservationId};
use fieldmark_spool::{Class, Disk, Folder, Losses, Record, Spool};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Observations that wait in memory for a disk at most, and their bytes.
const WAITING: usize = 20_000;
const WAITING_BYTES: usize = 16 << 20;
/// Bytes that are written at once.
const PIECE: usize = 256 << 10;
/// Time between two tries of a disk that takes nothing.
const AGAIN: Duration = Duration::from_millis(500);

/// An observation as it lies in the spool.
#[derive(Serialize, Deserialize)]
struct Kept {
    time: DateTime<Utc>,
    body: Box<RawValue>,
}

/// How the spool is.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) lost: u64,
    /// The same by why.
    pub(super) losses: Losses,
    /// What is wrong, in words.
    pub(super) trouble: Option<String>,
}

/// What is read of the spool, as it is sent.
pub(super) struct Outgoing {
    /// As JSON of the wire, in order.
    pub(super) observations: Vec<(ObservationId, String)>,
    /// The last sequence number among them.
    pub(super) last: u64,
}

enum Command {
    Record(DateTime<Utc>, Vec<Body>),
    Read {
        agent: String,
        records: usize,
        bytes: usize,
        answer: oneshot::Sender<Result<Outgoing, String>>,
    },
    Refused {
        sequence: u64,
    },
    Ack {
        up_to: u64,
        answer: oneshot::Sender<Result<(), String>>,
    },
    Flush(oneshot::Sender<()>),
    /// To be done once everything that came before is on the disk.
    Then(PathBuf, Box<dyn FnOnce() + Send>),
}

/// The one who writes to the spool. Clones are the same one.
#[derive(Clone)]
pub(super) struct Recorder {
    commands: mpsc::UnboundedSender<Command>,
    status: Arc<Mutex<Status>>,
    /// Told when there is something new.
    pub(super) fresh: Arc<tokio::sync::Notify>,
}

fn class_of(body: &Body) -> Class {
    match body {
        Body::Outcome(_) => Class::Outcome,
        Body::Heartbeat(_) => Class::Metric,
        Body::Mark(_) => Class::Detail,
        Body::Finding(_)
        | Body::Migration(_)
        | Body::State(_)
        | Body::Source(_)
        | Body::Unwell(_)
        | Body::Loss(_)
        | Body::Lineage(_) => Class::State,
    }
}

impl Recorder {
    pub(super) fn start(spool: Spool<Folder>) -> Self {
        let (commands, coming) = mpsc::unbounded_channel();
        let (status, fresh) = (Arc::<Mutex<Status>>::default(), Arc::new(tokio::sync::Notify::new()));
        let recorder = Self { commands, status: Arc::clone(&status), fresh: Arc::clone(&fresh) };
        let keeper =
            Keeper { spool, waiting: VecDeque::new(), bytes: 0, trouble: None, after: BTreeMap::new(), status, fresh };
        let thread = std::thread::Builder::new().name("fieldmark-spool".to_owned()).spawn(move || keeper.keep(coming));
        if thread.is_err() {
            let mut status = recorder.status.lock().unwrap_or_else(PoisonError::into_inner);
            status.trouble = Some("there is no thread for the spool".to_owned());
        }
        recorder
    }

    /// Keeps observations, without anything of a row.
    pub(super) fn record(&self, time: DateTime<Utc>, bodies: Vec<Body>) {
        if !bodies.is_empty() {
            // a thread that has ended is seen in the status
            self.commands.send(Command::Record(time, bodies)).ok();
        }
    }

    /// Has something done to a file once everything that was recorded before is on the disk; only the newest of each file is.
    pub(super) fn then(&self, file: PathBuf, what: impl FnOnce() + Send + 'static) {
        // a thread that has ended is seen in the status
        self.commands.send(Command::Then(file, Box::new(what))).ok();
    }

    /// The next observations that nobody has taken.
    pub(super) async fn read(&self, agent: &str, records: usize, bytes: usize) -> Result<Outgoing, String> {
        let (answer, told) = oneshot::channel();
        let command = Command::Read { agent: agent.to_owned(), records, bytes, answer };
        self.commands.send(command).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// The collector refuses this one for good.
    pub(super) fn refused(&self, sequence: u64) {
        // a thread that has ended is seen in the status
        self.commands.send(Command::Refused { sequence }).ok();
    }

    /// The collector has them up to this number.
    pub(super) async fn ack(&self, up_to: u64) -> Result<(), String> {
        let (answer, told) = oneshot::channel();
        self.commands.send(Command::Ack { up_to, answer }).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Everything that was recorded so far is on the disk, or cannot be.
    pub(super) async fn flush(&self) {
        let (answer, told) = oneshot::channel();
        if self.commands.send(Command::Flush(answer)).is_ok() {
            told.await.ok();
        }
    }

    pub(super) fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn gone() -> String {
    "the spool's thread has ended".to_owned()
}

/// The thread's own.
struct Keeper<D: Disk> {
    spool: Spool<D>,
    waiting: VecDeque<(Class, Vec<u8>)>,
    bytes: usize,
    trouble: Option<String>,
    /// What is to be done when nothing waits any more.
    after: BTreeMap<PathBuf, Box<dyn FnOnce() + Send>>,
    status: Arc<Mutex<Status>>,
    fresh: Arc<tokio::sync::Notify>,
}

impl<D: Disk> Keeper<D> {
    fn keep(mut self, mut coming: mpsc::UnboundedReceiver<Command>) {
        self.tell();
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
        loop {
            let command = if self.waiting.is_empty() {
                coming.blocking_recv()
            } else {
                let next = runtime.block_on(async { tokio::time::timeout(AGAIN, coming.recv()).await });
                match next {
                    Ok(command) => command,
                    Err(_) => {
                        self.write();
                        self.tell();
                        continue;
                    }
                }
            };
            let Some(command) = command else { return };
            match command {
                Command::Record(time, bodies) => {
                    self.take(time, bodies);
                    // what waits together is synced together
                    let mut other = None;
                    while let Ok(next) = coming.try_recv() {
                        match next {
                            Command::Record(time, bodies) => self.take(time, bodies),
                            next @ (Command::Read { .. }
                            | Command::Refused { .. }
                            | Command::Ack { .. }
                            | Command::Flush(_)
                            | Command::Then(..)) => {
                                other = Some(next);
                                break;
                            }
                        }
                    }
                    self.write();
                    if let Some(other) = other {
                        self.answer(other);
                    }
                }
                other @ (Command::Read { .. }
                | Command::Refused { .. }
                | Command::Ack { .. }
                | Command::Flush(_)
                | Command::Then(..)) => self.answer(other),
            }
            self.tell();
        }
    }

    fn answer(&mut self, command: Command) {
        match command {
            Command::Record(time, bodies) => self.take(time, bodies),
            Command::Refused { sequence } => self.spool.refused(sequence),
            Command::Read { agent, records, bytes, answer } => {
                let read = self.spool.read(0, records, bytes).map_err(|error| error.to_string());
                answer.send(read.map(|records| outgoing(&agent, &records))).ok();
            }
            Command::Ack { up_to, answer } => {
                let acked = self.spool.ack(up_to).map_err(|error| error.to_string());
                answer.send(acked).ok();
            }
            Command::Flush(answer) => {
                self.write();
                answer.send(()).ok();
            }
            Command::Then(file, what) => {
                self.after.insert(file, what);
                self.write();
            }
        }
    }

    fn take(&mut self, time: DateTime<Utc>, bodies: Vec<Body>) {
        for body in bodies {
            let class = class_of(&body);
            let text = serde_json::to_string(&body.without_rows()).and_then(RawValue::from_string);
            let Ok(bytes) = text.and_then(|body| serde_json::to_vec(&Kept { time, body })) else { continue };
            self.bytes += bytes.len();
            self.waiting.push_back((class, bytes));
        }
    }

    /// Writes what waits; what cannot be written waits on, as far as there is room for it.
    fn write(&mut self) {
        while !self.waiting.is_empty() {
            let piece = piece(&self.waiting);
            let is_kept = piece.first().is_some_and(|(class, _)| class.is_kept());
            match self.spool.append(&piece) {
                Ok(taken) => {
                    let taken = usize::try_from(taken.end() - taken.start() + 1).unwrap_or(usize::MAX);
                    for (_, payload) in self.waiting.drain(..taken.min(self.waiting.len())) {
                        self.bytes -= payload.len();
                    }
                    self.trouble = None;
                    self.fresh.notify_one();
                }
                Err(fieldmark_spool::Error::TooLarge { bytes }) => {
                    warn(&format!("an observation of {bytes} bytes is too large to be kept, and lost"));
                    self.lose_oldest(|payload| payload.len() > Record::MOST_BYTES);
                }
                // changes of state have room of their own, whatever came before them
                Err(fieldmark_spool::Error::Full)
                    if !is_kept && self.waiting.iter().any(|(class, _)| class.is_kept()) =>
                {
                    self.waiting.make_contiguous().sort_by_key(|(class, _)| !class.is_kept());
                }
                Err(error) => {
                    self.trouble = Some(error.to_string());
                    while self.waiting.len() > WAITING || self.bytes > WAITING_BYTES {
                        self.lose_oldest(|_| true);
                    }
                    return;
                }
            }
        }
        std::mem::take(&mut self.after).into_values().for_each(|what| what());
    }

    /// Gives one of those that wait up: of what is to go first the oldest.
    fn lose_oldest(&mut self, which: impl Fn(&[u8]) -> bool) {
        let candidates = self.waiting.iter().enumerate().filter(|(_, (_, payload))| which(payload));
        let Some((at, _)) = candidates.min_by_key(|(at, (class, _))| (*class, *at)) else { return };
        if let Some((_, payload)) = self.waiting.remove(at) {
            self.bytes -= payload.len();
            self.spool.lost(1, payload.len() as u64);
        }
    }

    fn tell(&self) {
        let losses = self.spool.losses();
        let status = Status {
            records: self.spool.records() + self.waiting.len() as u64,
            bytes: self.spool.bytes(),
            lost: losses.values().sum(),
            losses,
            trouble: self.trouble.clone(),
        };
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

/// The next records to be written together: of one kind of room, and not too many.
fn piece(waiting: &VecDeque<(Class, Vec<u8>)>) -> Vec<(Class, &[u8])> {
    let (mut piece, mut bytes) = (Vec::<(Class, &[u8])>::new(), 0);
    for (class, payload) in waiting {
        let other = piece.first().is_some_and(|(first, _)| first.is_kept() != class.is_kept());
        bytes += payload.len();
        if other || (!piece.is_empty() && bytes > PIECE) {
            break;
        }
        piece.push((*class, payload.as_slice()));
    }
    piece
}

/// Records as the wire has them.
fn outgoing(agent: &str, records: &[Record]) -> Outgoing {
    let observations = records.iter().filter_map(|record| {
        let id = ObservationId { agent: agent.to_owned(), incarnation: record.incarnation, sequence: record.sequence };
        let json = match record.loss() {
            Some(loss) => {
                let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let body = Body::Loss(Loss {
                    why: loss.why.as_str().to_owned(),
                    class: loss.class.and_then(|class| serde_json::to_value(class).ok()).map(word),
                    first: loss.first,
                    last: loss.last,
                    records: loss.records,
                });
                // a loss has no time of its own, and has to be the same whenever it is sent
                serde_json::to_string(&Observation { id: id.clone(), time: DateTime::UNIX_EPOCH, body }).ok()
            }
            None => {
                let kept: Kept = serde_json::from_slice(&record.payload).ok()?;
                let id_json = serde_json::to_string(&id).ok()?;
                let (open, time) = (id_json.strip_suffix('}')?, serde_json::to_string(&kept.time).ok()?);
                Some(format!("{open},\"time\":{time},\"body\":{}}}", kept.body.get()))
            }
        };
        Some((id, json?))
    });
    Outgoing { observations: observations.collect(), last: records.last().map_or(0, |record| record.sequence) }
}
