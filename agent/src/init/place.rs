//! Where the files go, and the configuration's text.

use super::document::Document;
use crate::cli::{Common, Init, USAGE};
use crate::command::Ended;
use crate::config::{DEFAULT_FILE, Environment};
use fieldmark_profile::yaml::scalar;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use url::Url;

/// The folder of rules, beside the configuration.
const RULES: &str = "rules";

/// The state folder, beside the configuration: two projects that call a source by one name do not share what is remembered of it.
const STATE: &str = ".fieldmark";

/// Where the configuration and the rules go.
pub(super) struct Place {
    file: PathBuf,
    /// The configuration to be written; `None` where there is one already.
    pub(super) text: Option<String>,
    /// A variable that will have to hold the address, and the address itself, for this run.
    variable: Option<(String, String)>,
    /// The folder of rules, beside the configuration.
    rules: PathBuf,
    /// The variable, where nothing sets it yet.
    pub(super) to_set: Option<String>,
}

/// What was written.
pub(super) struct Written {
    pub(super) files: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
}

impl Place {
    /// From the command line: an address, or the configuration that is there.
    ///
    /// # Errors
    /// Neither is there, or both are.
    pub(super) fn of(common: &Common, arguments: &Init) -> Result<Self, Ended> {
        let file = common.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
        let there = file.exists();
        let usage = |why: String| Err(Ended::Because(USAGE, why));
        let url = match (&arguments.url, &arguments.url_env) {
            (Some(url), None) => Some(url.expose().to_owned()),
            (None, Some(name)) => match std::env::var(name) {
                Ok(url) if !url.is_empty() => Some(url),
                _ => return usage(format!("the environment variable {name} holds no address")),
            },
            (_, _) => None,
        };
        let Some(url) = url else {
            if there {
                return Ok(Self { file, text: None, variable: None, rules: PathBuf::from(RULES), to_set: None });
            }
            return usage(format!(
                "there is no {} yet: which database? `fieldmark init postgres://user@host/database`, or sqlite:path",
                file.display()
            ));
        };
        if there && !arguments.force {
            return usage(format!(
                "{} is there already; without an address `fieldmark init` proposes rules for its sources, with --force \
                 it is written anew",
                file.display()
            ));
        }
        let name = arguments.name.clone().unwrap_or_else(|| source_name(&url));
        let (line, variable, to_set) = match &arguments.url_env {
            Some(variable) => (format!("url_env: {}", scalar(variable)), Some(variable.clone()), None),
            None if has_password(&url) => {
                let variable = variable_of(&name);
                (format!("url_env: {variable}"), Some(variable.clone()), Some(variable))
            }
            None => (format!("url: {}", scalar(&relative(&url, &file))), None, None),
        };
        let text = configuration(&name, &line);
        let variable = variable.map(|variable| (variable, url));
        Ok(Self { file, text: Some(text), variable, rules: PathBuf::from(RULES), to_set })
    }

    pub(super) fn name(&self) -> String {
        self.file.display().to_string()
    }

    /// The configuration's folder, as the user named it.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// The environment of this run.
    pub(super) fn environment(&self) -> Environment {
        let own = Environment::of_process();
        match &self.variable {
            Some((name, value)) => own.with(name, value),
            None => own,
        }
    }

    /// The same with the folder of rules in which these patterns of the configuration look first.
    pub(super) fn with_rules_by(self, patterns: &[String]) -> Self {
        let whole = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let folder = |pattern: &String| {
            let path = Path::new(pattern);
            let is_file = path.components().all(|part| whole(&part));
            let folders: PathBuf = path.components().take_while(whole).collect();
            if is_file { path.parent().map(Path::to_owned).unwrap_or_default() } else { folders }
        };
        let rules = patterns.first().map_or_else(|| PathBuf::from(RULES), folder);
        Self { rules, ..self }
    }

    /// The path of a rule file.
    pub(super) fn of_file(&self, file: &str) -> PathBuf {
        self.folder().join(&self.rules).join(file)
    }

    /// Writes configuration and rules.
    ///
    /// # Errors
    /// One of the files is there already: nothing is written. Or it cannot be written.
    pub(super) fn write(&self, documents: &[Document], force: bool) -> Result<Written, Ended> {
        let mut written = Written { files: Vec::new(), notes: Vec::new() };
        let mut texts: Vec<(PathBuf, String)> =
            self.text.iter().map(|text| (self.file.clone(), text.clone())).collect();
        for document in documents {
            let path = self.of_file(&document.file);
            // rules that somebody has written are not touched, and are no reason not to propose others
            if path.exists() && !force {
                written.notes.push(format!("{} is there already and was left as it is (--force)", path.display()));
                continue;
            }
            texts.push((path, document.text()));
        }
        for (path, text) in texts {
            put(&path, &text, force).map_err(|error| Ended::Because(2, format!("{}: {error}", path.display())))?;
            written.files.push(path);
        }
        Ok(written)
    }
}

fn put(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn configuration(name: &str, line: &str) -> String {
    format!(
        "# Written by `fieldmark init`. `fieldmark config` prints what is in force, and where it comes from.\n\
         version: 1\n\
         state_dir: {STATE}         # what is remembered between two checks, and marks; it keeps itself out of git\n\
         sources:\n  {}:\n    {line}\n\
         \x20   # schemas: [public]            # which schemas to look at; default: the connection's own\n\
         \x20   # sample: {{ rows: 10000 }}      # rows read of a table at first; more where they do not decide\n\
         \x20   # detect: 0.1%                 # failing fraction that a sampled pass has to rule out\n\
         \x20   # budget: {{ server_time: 5% }}  # what checks may cost over an hour\n\
         \x20   # examples: keys               # what reports show of failing rows: none | keys | redacted | values\n\
         \x20   # sql: deny                    # whether rules in the database's own SQL may run\n\
         rules: [\"{RULES}/**/*.yaml\"]\n",
        scalar(name)
    )
}

/// A name for the source: its database's.
fn source_name(url: &str) -> String {
    let last = match Url::parse(url) {
        Ok(parsed) if !url.starts_with("sqlite:") => parsed.path().rsplit('/').next().unwrap_or_default().to_owned(),
        _ => {
            let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
            Path::new(path).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        }
    };
    let name: String = last.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    let name = name.trim_matches('_').to_owned();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { "main".to_owned() }
}

fn variable_of(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("{name}_URL")
}

/// Whether there is, or may be, a password in it.
fn has_password(url: &str) -> bool {
    if url.starts_with("sqlite:") {
        return false;
    }
    Url::parse(url).map_or(true, |parsed| {
        parsed.password().is_some() || parsed.query().is_some_and(|query| query.contains("pass"))
    })
}

/// The address as the configuration has it: paths there are relative to its folder, those of a command line to where it is run.
fn relative(url: &str, file: &Path) -> String {
    let beside = file.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder == Path::new("."));
    match url.strip_prefix("sqlite:") {
        Some(path) if !beside && Path::new(path).is_relative() => {
            let whole = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
            format!("sqlite:{}", whole.display())
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_called_as_its_database() {
        for (url, name) in [
            ("postgres://fm@db:5432/shop?sslmode=require", "shop"),
            ("postgres://fm@db", "main"),
            ("sqlite:data/web-shop.db", "web_shop"),
            ("sqlite:/srv/2024.db", "main"),
        ] {
            assert_eq!(source_name(url), name, "{url}");
        }
        assert_eq!(variable_of("web_shop"), "WEB_SHOP_URL");
    }

    #[test]
    fn passwords_are_seen_wherever_they_stand() {
        assert!(has_password("postgres://fm:x@db/shop") && has_password("postgres://fm@db/shop?password=x"));
        assert!(has_password("no address at all"));
        assert!(!has_password("postgres://fm@db/shop?sslmode=require") && !has_password("sqlite:a:b@c.db"));
    }

    #[test]
    fn a_path_means_the_same_file_from_elsewhere() {
        assert_eq!(relative("sqlite:a.db", Path::new("fieldmark.yaml")), "sqlite:a.db");
        assert_eq!(relative("sqlite:a.db", Path::new("./fieldmark.yaml")), "sqlite:a.db");
        assert!(relative("sqlite:a.db", Path::new("etc/fieldmark.yaml")).starts_with("sqlite:/"));
    }
}
