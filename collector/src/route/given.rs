//! What a configuration says of a route of a kind: each key of it, as it was read.

use reqwest::Url;
use std::collections::BTreeMap;
use std::fmt;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// An address, `https://…`; `http://` on this machine, or where `private` is said. It can be in a variable or a file, as a secret is.
    Url,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A secret: `…_env` names an environment variable, `…_file` a file.
    Secret,
    /// `true` or `false`.
    Flag,
}

/// A key of a kind of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub value: Value,
    /// Whether it has to be there.
    pub required: bool,
    /// What it is for, in a line.
    pub what: &'static str,
}

impl Key {
    /// One that has to be there.
    pub const fn required(name: &'static str, value: Value, what: &'static str) -> Self {
        Self { name, value, required: true, what }
    }

    /// One that may be.
    pub const fn optional(name: &'static str, value: Value, what: &'static str) -> Self {
        Self { name, value, required: false, what }
    }
}

/// Whether receivers may be in private networks, which every kind that asks an address may say.
pub(super) const PRIVATE: Key =
    Key::optional("private", Value::Flag, "the receiver may be in a private network, or be asked without TLS");

/// What is given. Shows no secret.
#[derive(Clone, Default, PartialEq)]
pub struct Given {
    texts: BTreeMap<&'static str, Vec<String>>,
    urls: BTreeMap<&'static str, Url>,
    flags: BTreeMap<&'static str, bool>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.texts.keys().chain(self.urls.keys()).chain(self.flags.keys());
        f.debug_set().entries(keys).finish()
    }
}

impl Given {
    /// Gives a text or a secret.
    pub fn text(&mut self, key: &'static str, text: String) {
        self.texts.insert(key, vec![text]);
    }

    /// Gives several.
    pub fn texts(&mut self, key: &'static str, texts: Vec<String>) {
        self.texts.insert(key, texts);
    }

    /// Gives an address.
    pub fn url(&mut self, key: &'static str, url: Url) {
        self.urls.insert(key, url);
    }

    /// Gives a flag.
    pub fn flag(&mut self, key: &'static str, flag: bool) {
        self.flags.insert(key, flag);
    }

    pub(super) fn all(&self, key: &str) -> &[String] {
        self.texts.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn one(&self, key: &str) -> Option<&str> {
        self.all(key).first().map(String::as_str)
    }

    pub(super) fn need(&self, key: &str) -> Result<&str, String> {
        self.one(key).ok_or_else(|| format!("`{key}` is missing"))
    }

    pub(super) fn address(&self, key: &str) -> Option<&Url> {
        self.urls.get(key)
    }

    pub(super) fn is(&self, key: &str) -> bool {
        self.flags.get(key).copied().unwrap_or_default()
    }
}
