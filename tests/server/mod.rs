//! Servers that the tests start for themselves: on a free loopback port, in a temporary folder, with whatever version is installed. A
//! shell watches over each: when the test process ends, however it ends, the pipe to the shell closes, and the shell stops the server
//! and removes the folder.

pub(crate) mod alertmanager;
pub(crate) mod hook;
pub(crate) mod mariadb;
pub(crate) mod otlp;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod prometheus;
pub(crate) mod s3;
pub(crate) mod smtp;
pub(crate) mod standby;
pub(crate) mod turnout;

use anyhow::{Context as _, bail};
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that runs as long as this process does.
struct Watched {
    port: u16,
    folder: PathBuf,
    /// Holds the pipe that keeps the server alive.
    _watch: Child,
}

/// What a shell does for a server: it starts one in the folder `$1` on the port `$2`, says `ready`, waits for the end of its input, and
/// stops it. Files of the folder whose names end in `log` tell what went wrong.
struct Watch<'a> {
    name: &'a str,
    script: &'a str,
    /// `$3` and so on.
    more: &'a [&'a OsStr],
    /// Files of the folder, and what is in them.
    files: &'a [(&'a str, &'a str)],
}

/// The shell's work for a server that says itself over HTTP whether it is ready: `$3` and what follows are its program and its words.
const UNTIL_READY: &str = r#"
trap '' INT TERM HUP PIPE
cd "$1" || exit 1
folder=$1 address=127.0.0.1:$2
shift 2
"$@" --web.listen-address="$address" --log.level=warn >>log 2>&1 </dev/null &
server=$!
is_ready() { curl --silent --fail --output /dev/null "http://$address/-/ready"; }
i=0
while [ $i -lt 500 ] && kill -0 $server 2>/dev/null; do
  if is_ready; then break; fi
  sleep 0.05; i=$((i + 1))
done
if is_ready; then echo ready; else echo failed; fi
cat >/dev/null
kill $server; wait $server
cd / && rm -rf "$folder"
"#;

impl<'a> Watch<'a> {
    /// Of Prometheus, or of a program that is told and asked as it is: `words` are the program and what it is told beside its address.
    fn until_ready(name: &'a str, words: &'a [&'a OsStr], files: &'a [(&'a str, &'a str)]) -> Self {
        Self { name, script: UNTIL_READY, more: words, files }
    }
}

impl Watch<'_> {
    fn start(&self) -> anyhow::Result<Watched> {
        // the port may have been taken since it was found free
        let mut last = self.attempt();
        for _ in 0..3 {
            if last.is_ok() {
                break;
            }
            last = self.attempt();
        }
        last
    }

    fn attempt(&self) -> anyhow::Result<Watched> {
        let folder = tempfile::Builder::new().prefix(&format!("fieldmark-{}-", self.name)).tempdir()?.keep();
        for (name, text) in self.files {
            std::fs::write(folder.join(name), text)?;
        }
        // the account that runs the server has to pass through to its folder
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut watch = Command::new("sh")
            .args(["-c", self.script, "watch"])
            .arg(&folder)
            .arg(port.to_string())
            .args(self.more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut answer = String::new();
        BufReader::new(watch.stdout.take().context("no output")?).read_line(&mut answer)?;
        if answer.trim() != "ready" {
            let logs = logs(&folder);
            drop(watch.stdin.take());
            watch.wait()?;
            bail!("{} does not start: {logs}", self.name);
        }
        Ok(Watched { port, folder, _watch: watch })
    }
}

fn logs(folder: &Path) -> String {
    let is_log = |path: &PathBuf| path.to_string_lossy().ends_with("log");
    let of =
        |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let logs = of(folder).chain(of(&folder.join("data"))).filter(is_log);
    logs.map(|log| std::fs::read_to_string(log).unwrap_or_default()).collect()
}
