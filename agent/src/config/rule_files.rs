//! Finds the rule files that the configuration's patterns mean, and reads them.
//!
//! A pattern is relative to the configuration file's folder: `*` and `?` stay within a folder's name, `**` is any number of
//! folders, `[ab]` is a choice. Hidden files are met only by a pattern that says so. `_defaults.yaml` is no rule file of its
//! own: it gives what the rule files of its folder and of those below it leave out. Nor is a fixture (`*.test.yaml`), whatever
//! pattern fits it.

use super::origin::nowhere;
use fieldmark_document::{Limits, Place, Placed, Problem, Problems, nearest};
use fieldmark_engine::language;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Names of the files that hold defaults.
pub const DEFAULTS: [&str; 2] = ["_defaults.yaml", "_defaults.yml"];

/// Endings of the names of fixtures, on which `fieldmark test` tries rules.
pub const FIXTURES: [&str; 2] = [".test.yaml", ".test.yml"];

/// The rule files of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleFiles {
    /// Rule files, in order of path, each once.
    pub files: Vec<RuleFile>,
    /// `_defaults.yaml` files of the folders in which those lie, and of the folders above, up to the configuration file's.
    pub defaults: Vec<RuleFile>,
    /// Folders in which patterns have met a file, in order.
    pub folders: Vec<PathBuf>,
}

/// A file with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// Its path.
    pub path: PathBuf,
    /// The path as problems name it.
    pub name: Arc<str>,
    /// What is in it.
    pub text: String,
}

impl RuleFiles {
    /// Rule files, then defaults, as the rule language's parser takes them: it knows the ones by their names.
    pub fn for_parser(&self) -> Vec<language::RuleFile> {
        let file = |file: &RuleFile| language::RuleFile { path: file.name.to_string(), text: file.text.clone() };
        self.files.iter().chain(&self.defaults).map(file).collect()
    }

    /// Paths of the fixtures beside the rule files, in order. A folder that cannot be read is a problem.
    pub fn fixtures(&self, problems: &mut Problems) -> Vec<PathBuf> {
        let mut found = BTreeSet::new();
        for folder in &self.folders {
            let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let entries = match std::fs::read_dir(shown) {
                Ok(entries) => entries,
                Err(error) => {
                    let problem = Problem::new("the folder cannot be searched for fixtures", &nowhere(&name_of(shown)));
                    problems.push(problem.help(reason(&error)));
                    continue;
                }
            };
            let paths = entries.filter_map(|entry| Some(folder.join(entry.ok()?.file_name())));
            found.extend(paths.filter(|path| is_fixture(path) && !path.is_dir()));
        }
        found.into_iter().collect()
    }
}

/// Whether a file's name is that of a fixture. A hidden one is none.
fn is_fixture(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.starts_with('.') && FIXTURES.iter().any(|ending| name.ends_with(ending))
}

/// Expands patterns and reads what they mean. A pattern without a match is a warning, an unreadable file a problem.
pub(super) fn find(
    folder: &Path,
    patterns: &[Placed<String>],
    problems: &mut Problems,
    warnings: &mut Problems,
) -> RuleFiles {
    let mut paths: BTreeMap<PathBuf, &Placed<String>> = BTreeMap::new();
    for pattern in patterns {
        let matched = expand(folder, pattern, problems);
        let Some(matched) = matched else { continue };
        if matched.is_empty() {
            let shown = format!("`{}`", pattern.value.escape_debug());
            let problem = Problem::new("no file matches the pattern", &pattern.place).value(shown);
            warnings.push(problem.help("patterns are relative to the configuration file's folder"));
        }
        for path in matched {
            paths.entry(path).or_insert(pattern);
        }
    }
    let mut found = RuleFiles::default();
    let mut folders: BTreeMap<PathBuf, &Placed<String>> = BTreeMap::new();
    let mut seen: BTreeSet<PathBuf> = BTreeSet::new();
    let beside: BTreeSet<PathBuf> = paths.keys().filter_map(|path| path.parent().map(Path::to_owned)).collect();
    found.folders.extend(beside);
    paths.retain(|path, _| !is_fixture(path));
    for (path, pattern) in &paths {
        let inside = path
            .strip_prefix(folder)
            .is_ok_and(|rest| rest.is_relative() && !rest.components().any(|part| part == Component::ParentDir));
        let mut at = path.parent();
        while let Some(own) = at {
            folders.entry(own.to_owned()).or_insert(pattern);
            at = own.parent().filter(|_| inside && own != folder);
        }
        // a link to a file that is met anyway
        let same = path.canonicalize().unwrap_or_else(|_| path.clone());
        let is_defaults = path.file_name().is_some_and(|name| DEFAULTS.iter().any(|defaults| name == *defaults));
        if !is_defaults && seen.insert(same) {
            found.files.extend(read(path, pattern, problems));
        }
    }
    for (own, pattern) in &folders {
        for path in DEFAULTS.iter().map(|name| own.join(name)).filter(|path| path.is_file()) {
            found.defaults.extend(read(&path, pattern, problems));
        }
    }
    found
}

/// `None` where the pattern itself is wrong.
fn expand(folder: &Path, pattern: &Placed<String>, problems: &mut Problems) -> Option<Vec<PathBuf>> {
    let shown = format!("`{}`", pattern.value.escape_debug());
    let wrong =
        |what: &str, help: String| Problem::new(what.to_owned(), &pattern.place).value(shown.clone()).help(help);
    if pattern.value.is_empty() || pattern.value.contains('\0') {
        problems.push(wrong("a pattern of rule files is empty", "such as `rules/**/*.yaml`".to_owned()));
        return None;
    }
    let full = if Path::new(&pattern.value).is_absolute() || folder.as_os_str().is_empty() {
        pattern.value.clone()
    } else {
        format!("{}/{}", glob::Pattern::escape(&folder.to_string_lossy()), pattern.value.trim_start_matches("./"))
    };
    let options =
        glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    let matches = match glob::glob_with(&full, options) {
        Ok(matches) => matches,
        Err(error) => {
            problems.push(wrong("the pattern of rule files cannot be understood", error.msg.to_owned()));
            return None;
        }
    };
    let mut paths = Vec::new();
    for matched in matches {
        match matched {
            Ok(path) if path.is_dir() => {}
            Ok(path) => paths.push(path),
            Err(error) => {
                let help = format!("`{}`: {}", error.path().display(), reason(error.error()));
                problems.push(wrong("a folder of rule files cannot be read", help));
            }
        }
    }
    Some(paths)
}

fn read(path: &Path, pattern: &Placed<String>, problems: &mut Problems) -> Option<RuleFile> {
    let name = name_of(path);
    // a pipe would be waited for, whoever writes into it
    let is_file = |metadata: std::fs::Metadata| {
        let other = io::Error::other("it is a pipe, a socket or a device");
        if metadata.is_file() { Ok(()) } else { Err(other) }
    };
    match std::fs::metadata(path).and_then(is_file).and_then(|()| read_text(path)) {
        Ok(text) => Some(RuleFile { path: path.to_owned(), name, text }),
        Err(error) => {
            problems.push(not_text("the rule file", &name, &error).unwrap_or_else(|| {
                let problem = Problem::new("the rule file cannot be read", &pattern.place);
                problem.value(format!("`{name}`")).help(reason(&error))
            }));
            None
        }
    }
}

/// The byte at which a file is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotText {
    byte: u8,
    line: u32,
    column: u32,
    offset: usize,
}

impl NotText {
    fn of(bytes: &[u8]) -> Self {
        let good = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let line = good.rsplit('\n').next().unwrap_or("");
        Self {
            byte: bytes.get(good.len()).copied().unwrap_or(0),
            line: number(good.matches('\n').count() + 1),
            column: number(line.chars().count() + 1),
            offset: good.len(),
        }
    }
}

impl fmt::Display for NotText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not UTF-8 text")
    }
}

impl std::error::Error for NotText {}

/// The problem of a file that is not UTF-8, at the byte that is not; `None` where that is not what is wrong.
pub(super) fn not_text(what: &str, name: &Arc<str>, error: &io::Error) -> Option<Problem> {
    let at = error.get_ref()?.downcast_ref::<NotText>()?;
    let place = Place { file: Arc::clone(name), line: at.line, column: at.column, offset: at.offset, length: 0 };
    let problem = Problem::new(format!("{what} is not UTF-8 text"), &place);
    Some(problem.value(format!("byte 0x{:02x}", at.byte)).help("save it as UTF-8"))
}

/// Reads a text file, and no more of it than the parser takes.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    read_text_within(path, Limits::default().bytes)
}

/// Reads a text file of at most so many bytes.
///
/// # Errors
/// The system's; `FileTooLarge` beyond the limit, `InvalidData` for what is no UTF-8.
pub(crate) fn read_text_within(path: &Path, most_bytes: usize) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let limit = u64::try_from(most_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > most_bytes {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, NotText::of(error.as_bytes())))
}

/// The path as it is shown: without `./` before it, control characters escaped.
pub(crate) fn name_of(path: &Path) -> Arc<str> {
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    let mut name = String::new();
    for c in plain.to_string_lossy().chars() {
        if c.is_control() {
            name.extend(c.escape_debug());
        } else {
            name.push(c);
        }
    }
    Arc::from(name)
}

/// Why a file cannot be read, in words that do not change with the system.
pub(crate) fn reason(error: &io::Error) -> String {
    const WORDS: [(io::ErrorKind, &str); 4] = [
        (io::ErrorKind::NotFound, "there is no such file"),
        (io::ErrorKind::PermissionDenied, "this user may not read it"),
        (io::ErrorKind::IsADirectory, "it is a folder"),
        (io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    ];
    if error.kind() == io::ErrorKind::FileTooLarge {
        return format!("it is larger than {} bytes", Limits::default().bytes);
    }
    let known = WORDS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_owned())
}

/// A file beside a missing one whose name is near to it.
pub(crate) fn nearest_file(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = path.file_name()?.to_str()?;
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .take(1000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    nearest(wanted, names.iter().map(String::as_str))
}
