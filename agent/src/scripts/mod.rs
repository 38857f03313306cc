//! The scripts of a migration tool: a folder of them, or one file, as the statements that go forward, in the order in which they run.
//!
//! Layouts that are known, by the names and the marks in them: numbered files (sqlx, goose, dbmate, Atlas, Drizzle, plain SQL), `.up.sql` and
//! `.down.sql` (golang-migrate, sqlx), a folder a revision with `up.sql` (Diesel) or `migration.sql` (Prisma), `V…__`, `U…__` and `R__`
//! (Flyway, refinery), `deploy/` after the order of `sqitch.plan`. What goes back is left out.

mod applied;
mod forward;

pub(crate) use applied::{Applied, applied};

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Scripts that are read, at most, and the bytes of each.
const MOST: usize = 20_000;
const LONGEST: u64 = 1 << 20;

/// One script: what goes forward of it, each line where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// The file, from the folder on.
    pub(crate) name: String,
    /// What its tool knows it by; nothing of what is run whenever it changes.
    pub(crate) version: Option<String>,
    pub(crate) text: String,
    /// Where what takes it back is, from the folder on.
    pub(crate) way_back: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptsError {
    #[error("{path}: {error}")]
    Io { path: String, error: std::io::Error },
    #[error("{path}: {why}")]
    Unfit { path: String, why: String },
}

/// Reads a folder of scripts, or one.
///
/// # Errors
/// What cannot be read, and where there is nothing to be read.
pub(crate) fn read(path: &Path) -> Result<Vec<Script>, ScriptsError> {
    let io = |path: &Path| {
        let path = path.display().to_string();
        move |error| ScriptsError::Io { path, error }
    };
    let unfit = |path: &Path, why: String| ScriptsError::Unfit { path: path.display().to_string(), why };
    if std::fs::metadata(path).map_err(io(path))?.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let version = version_of(&name).map(|(_, version)| version);
        return Ok(vec![script(name, version, &text_of(path)?)]);
    }
    let plan = path.join("sqitch.plan");
    let mut scripts = Vec::new();
    if plan.is_file() {
        for name in forward::planned(&text_of(&plan)?) {
            let file = path.join("deploy").join(format!("{name}.sql"));
            let back = format!("revert/{name}.sql");
            let way_back = path.join(&back).is_file().then_some(back);
            let text = text_of(&file)?;
            scripts.push(Script { text, name: format!("deploy/{name}.sql"), version: Some(name), way_back });
        }
    } else {
        let mut files = files_in(path, 2).map_err(io(path))?;
        files.retain(|file| file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("sql")));
        if files.len() > MOST {
            return Err(unfit(path, format!("{} scripts are more than the {MOST} that are read", files.len())));
        }
        let mut back = BTreeMap::new();
        for file in files {
            let name = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().into_owned();
            let Some((goes, version)) = version_of(&name) else { continue };
            let version = match goes {
                Goes::Back => {
                    back.insert(version, name);
                    continue;
                }
                Goes::Forward => Some(version),
                Goes::Again => None,
            };
            scripts.push(script(name, version, &text_of(&file)?));
        }
        for script in &mut scripts {
            let own = script.version.as_ref().and_then(|version| back.remove(version));
            script.way_back = own.or(script.way_back.take());
        }
        // `V3__cool_down.sql` goes back from nothing: that is its name
        for name in back.into_values() {
            if let Some((Goes::Forward, version)) = named_down(&name).then(|| goes(&name, false)).flatten() {
                let text = text_of(&path.join(&name))?;
                scripts.push(script(name, Some(version), &text));
            }
        }
        // what is run whenever it changes comes last
        scripts.sort_by(|one, other| {
            let again = one.version.is_none().cmp(&other.version.is_none());
            again.then_with(|| by_number(&one.name, &other.name))
        });
    }
    if scripts.is_empty() {
        return Err(unfit(
            path,
            "no script that goes forward is in it (0001_name.sql, 0001_name.up.sql, V1__name.sql)".into(),
        ));
    }
    Ok(scripts)
}

/// A file that may hold both ways.
fn script(name: String, version: Option<String>, text: &str) -> Script {
    let way_back = forward::goes_back(text).then(|| name.clone());
    Script { version, text: forward::forward(text), way_back, name }
}

fn files_in(folder: &Path, depth: usize) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() {
            if depth > 1 && !hidden {
                files.extend(files_in(&path, depth - 1)?);
            }
        } else if !hidden {
            files.push(path);
        }
    }
    Ok(files)
}

fn text_of(path: &Path) -> Result<String, ScriptsError> {
    let shown = || path.display().to_string();
    let size = std::fs::metadata(path).map_err(|error| ScriptsError::Io { path: shown(), error })?.len();
    if size > LONGEST {
        let why = format!("{size} bytes are more than the {LONGEST} that are read");
        return Err(ScriptsError::Unfit { path: shown(), why });
    }
    let bytes = std::fs::read(path).map_err(|error| ScriptsError::Io { path: shown(), error })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        ScriptsError::Unfit { path: shown(), why: format!("byte {} is no UTF-8", at + 1) }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    Forward,
    Back,
    /// Whenever it changes.
    Again,
}

/// Whether a file is held to go back by the end of its name alone.
fn named_down(name: &str) -> bool {
    name.to_lowercase().ends_with("_down.sql")
}

/// Whither a file goes by its name, and what its tool knows it by; `None`: it is no script of a migration.
fn version_of(name: &str) -> Option<(Goes, String)> {
    goes(name, true)
}

/// The same; `down` says whether `_down` at the end of a name is of its direction.
fn goes(name: &str, down: bool) -> Option<(Goes, String)> {
    let lower = name.to_lowercase();
    let path = Path::new(&lower);
    let file = path.file_name()?.to_str()?;
    let stem = file.strip_suffix(".sql")?;
    let parent = path.parent().and_then(Path::file_name).and_then(|parent| parent.to_str());
    // a folder a revision
    match (parent, stem) {
        (Some(parent), "up" | "migration") => return Some((Goes::Forward, parent.to_owned())),
        (Some(parent), "down") => return Some((Goes::Back, parent.to_owned())),
        _ => {}
    }
    if let Some(stem) = stem.strip_suffix(".down").or_else(|| stem.strip_suffix("_down").filter(|_| down)) {
        return Some((Goes::Back, stem.to_owned()));
    }
    let stem = stem.strip_suffix(".up").or_else(|| stem.strip_suffix("_up")).unwrap_or(stem);
    if let Some((before, _)) = stem.split_once("__") {
        let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        match before.split_at_checked(1) {
            Some(("v", version)) if numbered(version) => return Some((Goes::Forward, version.to_owned())),
            Some(("u", version)) if numbered(version) => return Some((Goes::Back, version.to_owned())),
            // where a database that is new begins: no way forward of its own, and none back
            Some(("b", version)) if numbered(version) => return None,
            Some(("r", "")) => return Some((Goes::Again, String::new())),
            _ => {}
        }
    }
    Some((Goes::Forward, stem.to_owned()))
}

/// Names in the order that people number them in: runs of digits by their value.
fn by_number<'t>(one: &'t str, other: &'t str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        match (digits(one), digits(other)) {
            (0, _) | (_, 0) => match (one.chars().next(), other.chars().next()) {
                (Some(a), Some(b)) if a == b => {
                    let rest = |text: &'t str| text.get(a.len_utf8()..).unwrap_or_default();
                    (one, other) = (rest(one), rest(other));
                }
                (a, b) => return a.cmp(&b),
            },
            (mine, theirs) => {
                let ((a, after_a), (b, after_b)) = (one.split_at(mine), other.split_at(theirs));
                let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                let order = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
                if order.is_ne() {
                    return order;
                }
                (one, other) = (after_a, after_b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(files: &[(&str, &str)]) -> Result<Vec<Script>, ScriptsError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        read(folder.path())
    }

    fn names(files: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        read_all(files).unwrap().into_iter().map(|script| (script.name, script.version)).collect()
    }

    fn of(all: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let version = |version: &str| (!version.is_empty()).then(|| version.to_owned());
        all.iter().map(|(name, own)| ((*name).to_owned(), version(own))).collect()
    }

    #[test]
    fn scripts_of_each_tool_are_read_in_their_order_without_those_that_go_back() {
        let numbered = [("10_b.sql", ""), ("9_a.sql", ""), ("README.md", ""), (".hidden.sql", "")];
        assert_eq!(names(&numbered), of(&[("9_a.sql", "9_a"), ("10_b.sql", "10_b")]));
        let pairs = [("2_b.up.sql", ""), ("2_b.down.sql", ""), ("1_a.up.sql", ""), ("1_a.down.sql", "")];
        assert_eq!(names(&pairs), of(&[("1_a.up.sql", "1_a"), ("2_b.up.sql", "2_b")]));
        let folders = [("2024_b/up.sql", ""), ("2024_b/down.sql", ""), ("2023_a/migration.sql", "")];
        assert_eq!(names(&folders), of(&[("2023_a/migration.sql", "2023_a"), ("2024_b/up.sql", "2024_b")]));
        let flyway = [("V1.10__b.sql", ""), ("V1.2__a.sql", ""), ("U1.2__a.sql", ""), ("R__views.sql", "")];
        assert_eq!(names(&flyway), of(&[("V1.2__a.sql", "1.2"), ("V1.10__b.sql", "1.10"), ("R__views.sql", "")]));
        let cool = [("V3__cool_down.sql", ""), ("V4__a.sql", "")];
        assert_eq!(names(&cool), of(&[("V3__cool_down.sql", "3"), ("V4__a.sql", "4")]));
        let plan = "%syntax-version=1.0.0\n%project=shop\n\nusers 2020-01-01T00:00:00Z A <a@b> # note\norders [users] 2020-01-02T00:00:00Z A <a@b>\n\
                    @v1 2020-01-03T00:00:00Z A <a@b>\n";
        let sqitch =
            [("sqitch.plan", plan), ("deploy/orders.sql", ""), ("deploy/users.sql", ""), ("revert/users.sql", "")];
        assert_eq!(names(&sqitch), of(&[("deploy/users.sql", "users"), ("deploy/orders.sql", "orders")]));
    }

    #[test]
    fn what_takes_a_script_back_is_found() {
        let back = |files: &[(&str, &str)]| {
            let all = read_all(files).unwrap().into_iter();
            all.map(|script| script.way_back.unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(back(&[("1_a.up.sql", ""), ("1_a.down.sql", ""), ("2_b.up.sql", "")]), ["1_a.down.sql", ""]);
        assert_eq!(back(&[("1_a/up.sql", ""), ("1_a/down.sql", ""), ("2_b/up.sql", "")]), ["1_a/down.sql", ""]);
        assert_eq!(
            back(&[("V1__a.sql", ""), ("U1__a.sql", ""), ("B1__a.sql", ""), ("R__v.sql", "")]),
            ["U1__a.sql", ""]
        );
        assert_eq!(back(&[("1.sql", "-- +goose Up\nA;\n-- +goose Down\nB;"), ("2.sql", "A;")]), ["1.sql", ""]);
        let plan = "a 2020-01-01T00:00:00Z A <a@b>\nb 2020-01-02T00:00:00Z A <a@b>\n";
        let sqitch = [("sqitch.plan", plan), ("deploy/a.sql", ""), ("deploy/b.sql", ""), ("revert/b.sql", "")];
        assert_eq!(back(&sqitch), ["", "revert/b.sql"]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let wrong = |files: &[(&str, &str)]| read_all(files).unwrap_err().to_string();
        assert!(wrong(&[("README.md", "")]).contains("no script that goes forward"));
        assert!(wrong(&[("sqitch.plan", "users 2020-01-01T00:00:00Z A <a@b>")]).contains("users.sql"));
        let long = "x".repeat(2 << 20);
        assert!(wrong(&[("1.sql", &long)]).contains("2097152 bytes are more than"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("1.sql"), b"SELECT '\xff'").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().ends_with("byte 9 is no UTF-8"));
        assert!(read(Path::new("/nowhere/at/all")).unwrap_err().to_string().starts_with("/nowhere/at/all: "));
        // one file is what it is, whatever it is called
        let one = folder.path().join("change.SQL");
        std::fs::write(&one, "SELECT 1").unwrap();
        assert_eq!(read(&one).unwrap()[0].name, "change.SQL");
    }
}
