//! A private server, made from the programs on this machine: it listens on a socket in a folder of its own, and goes when we do.

use super::{ShadowError, plain};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

const PREFIX: &str = "fieldmark-shadow-";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const ROLE: &str = "fieldmark";
/// The role that owns what is made in it.
const PLAIN: &str = "fieldmark_plain";
/// PostgreSQL does not run as root: then it runs as `nobody`.
const NOBODY: u32 = 65_534;

pub(super) struct Private {
    pub(super) major: u32,
    server: Child,
    // after the server, which is in it
    _folder: TempDir,
}

impl Private {
    /// Starts one, of this major version where it is there, else of the latest.
    pub(super) async fn start(major: Option<u32>) -> Result<(Self, PgConnection), ShadowError> {
        let found = programs();
        let best =
            found.iter().find(|(own, _)| Some(*own) == major).or_else(|| found.iter().max_by_key(|(own, _)| *own));
        let (major, programs) = best.ok_or(ShadowError::NoPrograms)?;
        sweep();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(beneath())?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let data = folder.path().join("data");
        let mut made = setpriv(&programs.join("initdb"))?;
        made.arg("-D").arg(&data).args(["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        let made = tokio::task::spawn_blocking(move || made.output()).await;
        let made = made.map_err(|_| ShadowError::NotStarted("it was given up".to_owned()))??;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).lines().last().unwrap_or_default().to_owned();
            return Err(ShadowError::NotStarted(format!("initdb: {said}")));
        }
        let mut server = setpriv(&programs.join("postgres"))?;
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "autovacuum=off",
            "shared_buffers=16MB",
            "max_connections=5",
            "max_locks_per_transaction=4096",
            "wal_level=minimal",
            "max_wal_senders=0",
            "log_statement=none",
        ] {
            server.args(["-c", setting]);
        }
        let server = Self { major: *major, server: server.spawn()?, _folder: folder };
        server.answered().await
    }

    /// Waits until it answers. What is run in it is run as a role that may do nothing but what its tables are: whatever functions and
    /// defaults of scripts do, they reach no file and no program of this machine.
    async fn answered(self) -> Result<(Self, PgConnection), ShadowError> {
        let (own, mut first) = self.answers_to(ROLE).await?;
        let failed = |error: sqlx::Error| ShadowError::NotStarted(plain(&error));
        let role = format!(
            "CREATE ROLE {PLAIN} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION; ALTER DATABASE postgres OWNER TO {PLAIN}; \
             ALTER SCHEMA public OWNER TO {PLAIN}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(role)).execute(&mut first).await.map_err(failed)?;
        first.close().await.ok();
        own.answers_to(PLAIN).await
    }

    async fn answers_to(mut self, role: &str) -> Result<(Self, PgConnection), ShadowError> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self._folder.path())
            .port(5432)
            .username(role)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable)
            .statement_cache_capacity(0)
            .disable_statement_logging();
        let began = Instant::now();
        loop {
            let why = match PgConnection::connect_with(&options).await {
                Ok(connection) => return Ok((self, connection)),
                Err(error) => plain(&error),
            };
            if let Some(status) = self.server.try_wait()? {
                return Err(ShadowError::NotStarted(format!("it ended: {status}")));
            }
            if began.elapsed() > PATIENCE {
                return Err(ShadowError::NotStarted(format!("no answer within {} s: {why}", PATIENCE.as_secs())));
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let pid = i32::try_from(self.server.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // it may have ended by itself
            rustix::process::kill_process(pid, rustix::process::Signal::QUIT).ok();
        }
        let began = Instant::now();
        while matches!(self.server.try_wait(), Ok(None)) {
            if began.elapsed() > Duration::from_secs(5) {
                self.server.kill().ok();
                self.server.wait().ok();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A program that ends when we do, however we end, and that is not run as root.
fn setpriv(program: &Path) -> Result<Command, ShadowError> {
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].iter().map(Path::new).find(|path| path.exists());
    let mut command = Command::new(setpriv.ok_or(ShadowError::NoPrograms)?);
    command.args(["--pdeathsig", "QUIT"]);
    if rustix::process::geteuid().is_root() {
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
    }
    // what is said to us is not said to it, nor to whoever else runs as its user
    command.env_clear().env("LC_ALL", "C");
    for name in ["PATH", "TZ"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.arg("--").arg(program).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// The server programs that are there, by major version.
fn programs() -> Vec<(u32, PathBuf)> {
    let mut found = Vec::new();
    for pattern in ["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"] {
        found.extend(glob::glob(pattern).into_iter().flatten().flatten());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    found.retain(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    let mut known: Vec<(u32, PathBuf)> = Vec::new();
    for folder in found {
        let Ok(said) = Command::new(folder.join("postgres")).arg("--version").output() else { continue };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let Some(major) = major_of(&said).filter(|major| *major >= 14) else { continue };
        if !known.iter().any(|(own, _)| *own == major) {
            known.push((major, folder));
        }
    }
    known
}

/// `postgres (PostgreSQL) 15.8 (Debian …)`.
pub(crate) fn major_of(said: &str) -> Option<u32> {
    let at = said.find(|c: char| c.is_ascii_digit())?;
    said.get(at..)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Where its folder is: somewhere that its user gets to, with a path short enough for a socket's name.
fn beneath() -> PathBuf {
    const LONGEST_PATH: usize = 60;
    let own = std::env::temp_dir();
    let fits = own.as_os_str().len() <= LONGEST_PATH && !rustix::process::geteuid().is_root();
    if fits { own } else { PathBuf::from("/tmp") }
}

/// Removes the folders of servers that are no more: whoever made them was killed.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(beneath()) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let old = |modified: SystemTime| modified.elapsed().is_ok_and(|age| age > PATIENCE * 2);
        let is_old = entry.metadata().and_then(|own| own.modified()).is_ok_and(old);
        if !name.to_string_lossy().starts_with(PREFIX) || !is_old {
            continue;
        }
        let pid = std::fs::read_to_string(path.join("data/postmaster.pid"));
        let pid = pid.ok().and_then(|text| text.lines().next()?.trim().parse().ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let alive = pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
        if !alive {
            std::fs::remove_dir_all(&path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_version_is_read_from_what_the_program_says() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 17devel"), Some(17));
        assert_eq!(major_of("nothing"), None);
    }
}
