//! Faults of processes, disks and clocks, brought about in the program itself: `strace` kills it and fails its system calls, limits take its
//! disk and its memory away, `libfaketime` turns its clock.

use super::agent::{Agent, Database, ORDERS, is_settled};
use super::{Collector, until};
use crate::journeys::program;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How often rules were evaluated.
const EVALUATIONS: &str = "fieldmark_rule_evaluations_total";

/// What the configuration of a quick agent of this name says beside its source, which reports to a collector elsewhere.
fn reporting(name: &str, address: &str, more: &str) -> String {
    format!(
        "agent: {{ name: {name}, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s{more} }}\n\
         collector: {{ url: '{address}', token_file: token }}"
    )
}

/// With its token.
fn enrolled<'a>(collector: &Collector, name: &str) -> impl Fn(&Path) + 'a {
    let token = collector.enrol(name, "agent");
    move |folder| std::fs::write(folder.join("token"), &token).unwrap()
}

/// Nothing is stored twice, and nothing that was numbered is missing but what is told as lost.
fn holds(collector: &Collector, agent: &str) -> usize {
    let store = collector.store();
    let mut statement =
        store.prepare("SELECT sequence, body FROM observations WHERE agent = ?1 ORDER BY sequence").unwrap();
    let rows = statement.query_map([agent], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
    let rows: Vec<(i64, Value)> =
        rows.map(Result::unwrap).map(|(number, body)| (number, serde_json::from_str(&body).unwrap())).collect();
    let numbers: Vec<i64> = rows.iter().map(|(number, _)| *number).collect();
    let there: BTreeSet<i64> = numbers.iter().copied().collect();
    assert_eq!(there.len(), numbers.len(), "each once: {numbers:?}");
    let lost = |number: i64| {
        rows.iter().any(|(_, body)| {
            let loss = &body["loss"];
            loss["first"].as_i64().is_some_and(|first| (first..=loss["last"].as_i64().unwrap()).contains(&number))
        })
    };
    let missing: Vec<i64> = (1..numbers.last().copied().unwrap_or_default())
        .filter(|number| !there.contains(number) && !lost(*number))
        .collect();
    assert!(missing.is_empty(), "missing, and not told as lost: {missing:?}");
    numbers.len()
}

/// All that was evaluated by now comes to be there, once.
async fn arrives(collector: &Collector, agent: &Agent) {
    let evaluated = agent.told_metric(EVALUATIONS).await;
    until("there", async || holds(collector, "db-1"), |stored| *stored as f64 >= evaluated).await;
}

fn is_well(status: &Value) -> bool {
    status["degraded"] == json!([]) && status["sources"][0]["checked"] == true
}

/// A program under `strace`, or one that it is attached to.
struct Traced(Child);

impl Traced {
    /// Starts a command of the program in a folder; its system calls of these kinds are written to a file, and this is done to them.
    fn program(folder: &Path, command: &str, calls: &str, inject: Option<&str>, written: &Path) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(written).arg("-e").arg(format!("trace={calls}"));
        if let Some(inject) = inject {
            strace.arg("-e").arg(format!("inject={calls}:{inject}"));
        }
        strace
            .arg(program())
            .arg(command)
            .current_dir(folder)
            .env_clear()
            .env("HOME", folder)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        Self(strace.spawn().unwrap_or_else(|error| panic!("strace is needed (tests/run installs it): {error}")))
    }

    /// Does this to the system calls of an agent that runs.
    fn attached(agent: &Agent, calls: &str, inject: &str) -> Self {
        Self::failing_at(agent, calls, inject, &[], Path::new("/dev/null"))
    }

    /// The same of those calls only that have to do with one of these files; the calls are written to another.
    fn failing_at(agent: &Agent, calls: &str, inject: &str, files: &[&str], written: &Path) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(written).arg("-e").arg(format!("trace={calls}"));
        strace.args(files.iter().flat_map(|file| ["-P", file]));
        strace
            .arg("-e")
            .arg(format!("inject={calls}:{inject}"))
            .arg("-p")
            .arg(agent.pid().as_raw_nonzero().to_string());
        let traced = Self(strace.stdin(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap());
        let status = format!("/proc/{}/status", agent.pid().as_raw_nonzero());
        let begun = Instant::now();
        while std::fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n") {
            assert!(begun.elapsed() < super::DEADLINE, "strace is not attached");
            std::thread::sleep(Duration::from_millis(20));
        }
        traced
    }

    /// Waits until it was killed, or until more than this is stored; whether it was killed.
    fn is_killed_before(&mut self, collector: &Collector, stored: usize) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                // `strace` ends as what it traces did
                assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "it ended by itself");
                return true;
            }
            if holds(collector, "db-1") > stored {
                return false;
            }
            assert!(begun.elapsed() < super::DEADLINE, "neither killed nor at work");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Kills a command of the program at one of its calls of these kinds, several times, each time at another of those that it makes until
/// something new is stored; how often it was killed by one.
fn killed_at_calls(collector: &Collector, folder: &Path, command: &str, calls: &str, times: u64) -> u64 {
    let written = tempfile::NamedTempFile::new().unwrap();
    let at_work = |inject: Option<&str>| {
        let stored = holds(collector, "db-1") + 3;
        Traced::program(folder, command, calls, inject, written.path()).is_killed_before(collector, stored)
    };
    assert!(!at_work(None), "nobody kills it here");
    // `strace` counts each thread's calls for themselves: `<thread> <call>(…`
    let told = std::fs::read_to_string(written.path()).unwrap();
    let mut made = BTreeMap::new();
    for line in told.lines().filter(|line| !line.contains(" resumed>") && line.contains('(')) {
        *made.entry(line.split(' ').next().unwrap()).or_insert(0_u64) += 1;
    }
    let most = made.into_values().max().unwrap_or_else(|| panic!("{command} makes no call of {calls}"));
    (0..times).map(|time| u64::from(at_work(Some(&format!("signal=KILL:when={}", 1 + most * time / times))))).sum()
}

impl Drop for Traced {
    /// Ends it, and waits until what it started is gone as well, which may take a moment on a busy disk; what it was attached to
    /// goes on.
    fn drop(&mut self) {
        kill_process_group(Pid::from_child(&self.0), Signal::KILL).ok();
        self.0.wait().ok();
        let begun = Instant::now();
        while runs_in_group(self.0.id()) && begun.elapsed() < super::DEADLINE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a process of this group runs: one that nobody has waited for yet does no more.
fn runs_in_group(group: u32) -> bool {
    let group = group.to_string();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `<pid> (<name>) <state> <parent> <group> …`
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let (state, of) = (fields.next(), fields.nth(1));
        of == Some(group.as_str()) && state != Some("Z") && state != Some("X")
    })
}

/// Killed at a system call, again and again: at another call, and another number of it, each time.
#[tokio::test(flavor = "multi_thread")]
async fn k1_killed_at_any_system_call_nothing_durable_is_lost() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let more = reporting("db-1", &collector.address, "");
    let mut agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    agent.until("settled", is_settled).await;
    let mut folder = agent.kill();
    let mut killed = 0;
    for calls in ["write", "fdatasync", "fsync", "openat", "rename,renameat,renameat2", "unlink,unlinkat,ftruncate"] {
        killed += killed_at_calls(&collector, folder.path(), "agent", calls, 3);
        agent = Agent::resume(folder);
        agent.until("well", is_well).await;
        folder = agent.kill();
    }
    assert!(killed >= 9, "{killed} of 18 were killed by a call");
    agent = Agent::resume(folder);
    agent.until("well", is_well).await;
    let (code, _, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    let folder = agent.into_folder();
    let left: Vec<String> = left_over(folder.path());
    let agent = Agent::resume(folder);
    agent.until("well", is_well).await;
    assert!(holds(&collector, "db-1") > 20);
    assert!(left.is_empty(), "{left:?}");
}

/// The collector is killed at a system call, again and again, while an agent reports: before it has committed, after it has and before it has
/// answered, while it begins.
#[tokio::test(flavor = "multi_thread")]
async fn k3_the_collector_killed_at_any_system_call_stores_each_observation_once() {
    let database = Database::new(ORDERS).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut collector =
        Collector::with(&format!("{{ listen: '127.0.0.1:{port}' }}"), |_| {}, reqwest::Client::builder());
    let more = reporting("db-1", &collector.address, ", marks_every: 0s");
    let agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    agent.until("well", is_well).await;
    collector.process.kill().unwrap();
    collector.process.wait().unwrap();
    let mut killed = 0;
    for calls in ["pwrite64", "fsync,fdatasync", "writev,sendto", "openat", "recvfrom,read"] {
        killed += killed_at_calls(&collector, collector.folder.path(), "collector", calls, 3);
    }
    assert!(killed >= 8, "{killed} of 15 were killed by a call");
    (collector.process, collector.address) = Collector::process(&collector.folder);
    agent.until("well", is_well).await;
    arrives(&collector, &agent).await;
    let whole: String = collector.store().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}

/// Files that were begun and never finished.
fn left_over(folder: &Path) -> Vec<String> {
    let (mut folders, mut left) = (vec![folder.join("state")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "tmp") {
                left.push(path.display().to_string());
            }
        }
    }
    left
}

/// A disk that takes nothing, and then does again: what is promised goes on in memory, it is said, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn d1_d3_a_disk_that_takes_nothing_for_a_while_costs_nothing() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let more = reporting("db-1", &collector.address, ", marks_every: 0s");
    let agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    agent.until("well", is_well).await;
    limit(&agent, "--fsize=16");
    let full = |status: &Value| status["degraded"].to_string().contains("spool: ");
    agent.until("degraded", full).await;
    let ready = agent.client.get(format!("{}/readyz", agent.address)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    agent.goes_on(EVALUATIONS, 6.0).await;
    until("told", async || agent.told_metric("fieldmark_degraded").await, |degraded| *degraded >= 1.0).await;
    limit(&agent, "--fsize=unlimited");
    let well = agent.until("well again", is_well).await;
    assert_eq!(well["spool"]["lost"], 0);
    arrives(&collector, &agent).await;
}

/// Changes a limit of a process that runs; the hard one stays.
fn limit(agent: &Agent, limit: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.arg("--pid").arg(agent.pid().as_raw_nonzero().to_string()).arg(format!("{limit}:"));
    assert!(prlimit.status().unwrap().success());
}

/// A sync that fails, and the next that says it went well: what was written before the first is not trusted.
#[tokio::test(flavor = "multi_thread")]
async fn d5_a_sync_that_failed_is_not_made_good_by_the_next() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let more = reporting("db-1", &collector.address, ", marks_every: 0s");
    let mut agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    agent.until("well", is_well).await;
    for number in [1, 2] {
        let traced = Traced::attached(&agent, "fdatasync", &format!("error=EIO:when={number}"));
        agent.goes_on(EVALUATIONS, 8.0).await;
        drop(traced);
        agent.until("well", is_well).await;
    }
    let (code, _, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    let folder = agent.into_folder();
    let agent = Agent::resume(folder);
    let well = agent.until("well", is_well).await;
    assert_eq!(well["spool"]["lost"], 0);
    assert!(holds(&collector, "db-1") > 8);
}

/// A disk whose syncs take minutes: sources are checked all the same.
#[tokio::test(flavor = "multi_thread")]
async fn d6_a_slow_disk_keeps_no_check_waiting() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let more = reporting("db-1", &collector.address, ", marks_every: 0s");
    let agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    agent.until("well", is_well).await;
    let traced = Traced::attached(&agent, "fdatasync", "delay_enter=300000000");
    agent.goes_on(EVALUATIONS, 10.0).await;
    drop(traced);
    agent.until("well", is_well).await;
    arrives(&collector, &agent).await;
}

/// In a quarter of a gigabyte of memory of its own, with marks and all.
#[tokio::test(flavor = "multi_thread")]
async fn k5_it_lives_within_a_bound_of_memory() {
    let database = Database::new(
        "create table orders (id bigint primary key, status text, total numeric(12,2), note text);
         insert into orders select i, 'paid', i, repeat('note of an order ', 12) from generate_series(1, 200000) i; analyze orders",
    )
    .await;
    let collector = Collector::start();
    let more = reporting("db-1", &collector.address, ", marks_every: 2s");
    let agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    limit(&agent, "--data=268435456");
    agent.until("settled", is_settled).await;
    agent.goes_on(EVALUATIONS, 10.0).await;
    let taken = async || {
        agent.told_metric("fieldmark_task_duration_seconds_count{result=\"done\",source=\"shop\",task=\"mark\"}").await
    };
    until("marked again", taken, |marks| *marks >= 3.0).await;
    assert!(agent.told_metric("process_memory_usage_bytes").await < 200e6);
    holds(&collector, "db-1");
}

/// Told to end in the middle of a pass over a large table, twice: it ends in time, and what it had seen is there.
#[tokio::test(flavor = "multi_thread")]
async fn k6_told_to_end_under_load_it_does_in_time() {
    let database = Database::new(
        "create table orders (id bigint primary key, status text, total numeric(12,2));
         insert into orders select i, 'paid', i from generate_series(1, 400000) i; analyze orders",
    )
    .await;
    let collector = Collector::start();
    let whole = |folder: &Path| {
        enrolled(&collector, "db-1")(folder);
        let rules = "version: 1\ntable: shop.orders\nsample: all\nrules:\n  - not_null: [status]\n  - unique: [status, id, total]\n";
        std::fs::write(folder.join("rules/orders.yaml"), rules).unwrap();
    };
    let mut agent = Agent::with(&database.url, &reporting("db-1", &collector.address, ", marks_every: 0s"), whole, &[]);
    agent.until("busy", |status| status["sources"][0]["busy"] == "check").await;
    kill_process(agent.pid(), Signal::TERM).unwrap();
    let (code, took, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let folder = agent.into_folder();
    let _agent = Agent::resume(folder);
    until("there", async || holds(&collector, "db-1"), |stored| *stored >= 3).await;
}

/// Many agents that are killed and started again and again, all of them beside one database.
#[tokio::test(flavor = "multi_thread")]
async fn k7_a_storm_of_restarts_loses_nothing_and_takes_no_more_connections() {
    const AGENTS: usize = 6;
    let (mut database, collector) = (Database::new(ORDERS).await, Collector::start());
    let names: Vec<String> = (0..AGENTS).map(|number| format!("db-{number}")).collect();
    let mut folders = Vec::new();
    for name in &names {
        let agent = Agent::with(
            &database.url,
            &reporting(name, &collector.address, ", marks_every: 0s"),
            enrolled(&collector, name),
            &[],
        );
        folders.push(agent.kill());
    }
    for _ in 0..5 {
        folders = folders.into_iter().map(Agent::resume).map(Agent::kill).collect();
    }
    let agents: Vec<Agent> = folders.into_iter().map(Agent::resume).collect();
    for (agent, name) in agents.iter().zip(&names) {
        agent.until("well", is_well).await;
        until("there", async || stored_of(&collector, name), |stored| *stored >= 3).await;
        holds(&collector, name);
    }
    // of each agent one that reads, one that looks, one that watches; whatever the killed ones had is given back
    let ours = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    assert!(database.count(ours).await <= 3 * AGENTS as i64);
}

fn stored_of(collector: &Collector, agent: &str) -> i64 {
    let sql = "SELECT count(*) FROM observations WHERE agent = ?1";
    collector.store().query_row(sql, [agent], |row| row.get(0)).unwrap()
}

/// A collector that takes requests and does not answer for a long time: one is on its way at a time, and sources are checked on.
#[tokio::test(flavor = "multi_thread")]
async fn n2_a_collector_that_does_not_answer_is_asked_once_at_a_time() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let (listener, target) =
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), collector.address.replace("http://", ""));
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (held, now, most) =
        (Arc::new(tokio::sync::Semaphore::new(0)), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (gate, in_flight, greatest) = (Arc::clone(&held), Arc::clone(&now), Arc::clone(&most));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (target, gate, now, most) =
                (target.clone(), Arc::clone(&gate), Arc::clone(&in_flight), Arc::clone(&greatest));
            tokio::spawn(async move {
                let mut onward = TcpStream::connect(target).await.unwrap();
                let (mut from, mut to) = stream.split();
                let (mut answers, mut asks) = onward.split();
                let asking = async {
                    let mut buffer = [0; 65_536];
                    while let Ok(read @ 1..) = from.read(&mut buffer).await {
                        if buffer.starts_with(b"POST") {
                            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        }
                        if asks.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                };
                let answering = async {
                    let mut buffer = [0; 65_536];
                    while let Ok(read @ 1..) = answers.read(&mut buffer).await {
                        drop(gate.acquire().await.unwrap());
                        if buffer.starts_with(b"HTTP") {
                            now.fetch_sub(1, Ordering::SeqCst);
                        }
                        if to.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                };
                tokio::select! { () = asking => {}, () = answering => {} }
            });
        }
    });
    let agent = Agent::with(
        &database.url,
        &reporting("db-1", &address, ", marks_every: 0s"),
        enrolled(&collector, "db-1"),
        &[],
    );
    agent.until("checked", |status| status["sources"][0]["checked"] == true).await;
    agent.goes_on(EVALUATIONS, 8.0).await;
    assert_eq!(now.load(Ordering::SeqCst), 1, "it waits for one answer");
    held.add_permits(1_000_000);
    agent.until("well", is_well).await;
    arrives(&collector, &agent).await;
    assert_eq!(most.load(Ordering::SeqCst), 1, "one at a time");
}

/// The collector's name cannot be looked up when its connection is made anew: without the files that names are looked up by, no name is known.
#[tokio::test(flavor = "multi_thread")]
async fn n8_a_name_that_is_not_found_is_looked_up_again_at_each_connection() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let database = Database::new(ORDERS).await;
    let mut collector =
        Collector::with(&format!("{{ listen: '127.0.0.1:{port}' }}"), |_| {}, reqwest::Client::builder());
    let more = reporting("db-1", &format!("http://localhost:{port}"), "");
    let agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &[]);
    until("told by name", async || holds(&collector, "db-1"), |stored| *stored > 0).await;
    let files = ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"];
    let looked_up = tempfile::NamedTempFile::new().unwrap();
    let nameless = Traced::failing_at(&agent, "openat", "error=ENOENT", &files, looked_up.path());
    collector.kill_and_restart();
    let before = holds(&collector, "db-1");
    let away = |status: &Value| status["degraded"].to_string().contains("collector: it cannot be reached");
    agent.until("without a name", away).await;
    let begun = Instant::now();
    let lookups = || std::fs::read_to_string(looked_up.path()).unwrap().matches("/etc/hosts").count();
    let (first, checked) = (lookups(), agent.told_metric(EVALUATIONS).await);
    until("looked up again", async || lookups(), |now| *now >= first + 3).await;
    until("checked on", async || agent.told_metric(EVALUATIONS).await, |now| *now >= checked + 6.0).await;
    assert_eq!(holds(&collector, "db-1"), before, "nothing comes without a name");
    let (lookups, seconds) = (lookups() - first, begun.elapsed().as_secs_f64());
    assert!((lookups as f64) < 10.0 * seconds + 10.0, "{lookups} lookups in {seconds} s");
    drop(nameless);
    until("told again", async || holds(&collector, "db-1"), |stored| *stored > before + 3).await;
    agent.until("well", is_well).await;
}

/// The library that turns a program's clock.
fn faketime() -> PathBuf {
    let found = glob::glob("/usr/lib/*/faketime/libfaketimeMT.so.1").unwrap().next();
    found.expect("faketime is needed (tests/run installs it)").unwrap()
}

/// An agent's clock that jumps forth and back: no state changes, nothing is thrown away, and the collector sees it.
#[tokio::test(flavor = "multi_thread")]
async fn t1_a_clock_that_jumps_makes_nothing_stale_and_is_seen() {
    let (mut database, collector) = (Database::new(ORDERS).await, Collector::start());
    // suspected when the clock jumps: by that clock it lasts for days
    database.sql("update orders set status = null where id = 7").await;
    let clock = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(clock.path(), "+0d").unwrap();
    let (library, file) = (faketime().display().to_string(), clock.path().display().to_string());
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", &file),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let more = reporting("db-1", &collector.address, ", marks_every: 1m, patience: 10m");
    let agent = Agent::with(&database.url, &more, enrolled(&collector, "db-1"), &environment);
    let viewer = collector.enrol("ann", "viewer");
    let suspected =
        |status: &Value| is_settled(status) && status["sources"][0]["states"].to_string().contains("suspect");
    let settled = agent.until("settled, and suspected", suspected).await;
    let mark = settled["sources"][0]["mark"].clone();
    let ahead = async || {
        let metrics = collector.get(&viewer, "/metrics").send().await.unwrap().text().await.unwrap();
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("fieldmark_agent_clock_ahead_seconds{agent=\"db-1\"} "));
        line.map_or(f64::NAN, |value| value.parse().unwrap())
    };
    for (jump, seconds) in [("+10d", 864_000.0), ("-1h", -3_600.0)] {
        std::fs::write(clock.path(), jump).unwrap();
        until("seen", ahead, |ahead| (ahead - seconds).abs() < 60.0).await;
        agent.goes_on(EVALUATIONS, 8.0).await;
    }
    let status = agent.status().await;
    assert_eq!((&status["sources"][0]["mark"], &status["degraded"]), (&mark, &json!([])), "{status:#}");
    let states = collector.told(&viewer, "/v1/states").await;
    let told: Vec<&Value> = states.as_array().unwrap().iter().map(|seen| &seen["body"]["state"]["to"]).collect();
    assert_eq!(told, [&json!("suspect")], "{states:#}");
    assert_eq!(collector.told(&viewer, "/v1/incidents").await, json!([]));
    let rules = collector.told(&viewer, "/v1/rules").await;
    assert!(rules.as_array().unwrap().iter().all(|rule| rule["outcome"]["status"] != "not_evaluated"), "{rules:#}");
    holds(&collector, "db-1");
}
