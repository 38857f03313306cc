//! Progress of long work, on standard error: rows and how fast they come.
//!
//! Nothing is drawn where standard error is no terminal, with `--quiet`, or before a task has run for [`PATIENCE`].

use crate::report::words;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Tasks shorter than this are not shown: they would only flicker.
pub const PATIENCE: Duration = Duration::from_millis(400);

/// Where tasks show themselves. Cheap to clone; all clones share one place on the screen.
#[derive(Clone, Debug)]
pub struct Progress {
    lines: MultiProgress,
    visible: bool,
}

impl Progress {
    /// Progress on standard error, unless that is no terminal or quiet is wanted.
    pub fn new(quiet: bool) -> Self {
        let visible = !quiet && io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { lines: MultiProgress::with_draw_target(target), visible }
    }

    /// Begins a task; `rows` is how many there will be, where that is known.
    ///
    /// The label is shown as it is: a name out of a database is to be one that its owner could print.
    pub fn task(&self, label: impl Into<String>, rows: Option<u64>) -> Task {
        let bar = ProgressBar::with_draw_target(rows, ProgressDrawTarget::hidden());
        bar.set_style(style(rows.is_some()));
        let label: String = label.into();
        bar.set_message(label.chars().filter(|c| !c.is_control()).collect::<String>());
        Task { bar, lines: self.lines.clone(), visible: self.visible, begun: Instant::now(), shown: Once::new() }
    }

    /// Runs something that writes to the terminal, with the lines of progress out of its way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.lines.suspend(write)
    }
}

/// One piece of long work. Its line goes away when it is finished or dropped.
#[derive(Debug)]
pub struct Task {
    bar: ProgressBar,
    lines: MultiProgress,
    visible: bool,
    begun: Instant,
    shown: Once,
}

impl Task {
    /// So many more rows are done. Never blocks on anything but the terminal, which is drawn a few times a second at most.
    pub fn advance(&self, rows: u64) {
        self.bar.inc(rows);
        if self.visible && self.begun.elapsed() >= PATIENCE {
            self.shown.call_once(|| {
                self.lines.add(self.bar.clone());
                self.bar.enable_steady_tick(Duration::from_millis(120));
            });
        }
    }

    /// Rows done so far.
    pub fn rows(&self) -> u64 {
        self.bar.position()
    }

    /// The work is done.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.lines.remove(&self.bar);
    }
}

const KNOWN: &str = "{spinner} {msg} {wide_bar} {done}/{all} rows · {pace}/s · {left}";
const UNKNOWN: &str = "{spinner} {msg} · {done} rows · {pace}/s";

/// `⠋ checking public.orders ━━━━━━╸────── 4 000/10 000 rows · 1 200/s · 5 s`.
fn style(total_known: bool) -> ProgressStyle {
    ProgressStyle::with_template(if total_known { KNOWN } else { UNKNOWN })
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
        .with_key("done", |state: &ProgressState, out: &mut dyn Write| show(out, &rows(state.pos())))
        .with_key("all", |state: &ProgressState, out: &mut dyn Write| {
            show(out, &rows(state.len().unwrap_or_else(|| state.pos())));
        })
        .with_key("pace", |state: &ProgressState, out: &mut dyn Write| {
            // a float cast saturates
            show(out, &rows(state.per_sec().round() as u64));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            show(out, &words::plain(&words::duration(state.eta().as_secs_f64().round())));
        })
}

fn rows(n: u64) -> String {
    words::plain(&words::count(n))
}

/// Writes into a line of progress; a line that cannot be written is not worth an error.
fn show(out: &mut dyn Write, text: &str) {
    out.write_str(text).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_rows_whether_it_is_seen_or_not() {
        let progress = Progress::new(true);
        let task = progress.task("checking public.orders", Some(10));
        task.advance(3);
        task.advance(4);
        assert_eq!(task.rows(), 7);
        task.finish();
    }

    #[test]
    fn is_shared_between_threads() {
        let progress = Progress::new(true);
        let task = progress.task("checking", None);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| task.advance(1)));
            }
        });
        assert_eq!(task.rows(), 400);
        assert_eq!(progress.aside(|| 5), 5);
    }

    #[test]
    fn templates_are_well_formed() {
        for template in [KNOWN, UNKNOWN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
