//! The program `fieldmark`.

use fieldmark_agent::{cli, command, signals::Signals};
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    // help is printed before the flags are known
    let unwanted = std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--no-color");
    let unwanted = unwanted || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = std::io::stdout().is_terminal() && !unwanted;
    let cli = match cli::parse(std::env::args_os(), colours) {
        Ok(cli) => cli,
        Err(ended) => {
            let written = if ended.to_stderr {
                std::io::stderr().write_all(ended.text.as_bytes())
            } else {
                std::io::stdout().write_all(ended.text.as_bytes())
            };
            // a reader that has gone away is no failure
            written.ok();
            return ExitCode::from(ended.code);
        }
    };
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("fieldmark: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: cli::Cli) -> anyhow::Result<u8> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        anyhow::bail!("a TLS provider is installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let signals = Signals::listen()?;
    Ok(runtime.block_on(command::run(cli, &signals)))
}
