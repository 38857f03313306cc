//! Who asks: agents and people, each by a token of its own.

use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What somebody may do. Each may what those before it may, but an agent reports alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Report observations, as itself.
    Agent,
    /// Look.
    Viewer,
    /// Acknowledge and silence.
    Operator,
    /// Enrol and revoke.
    Admin,
}

impl Role {
    /// All of them, with their words.
    pub const WORDS: [(&str, Self); 4] =
        [("agent", Self::Agent), ("viewer", Self::Viewer), ("operator", Self::Operator), ("admin", Self::Admin)];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(own, _)| *own == word).map(|(_, role)| role)
    }

    /// Whether this role may what that one may.
    pub fn may(self, needed: Self) -> bool {
        match needed {
            Self::Agent => self == Self::Agent,
            Self::Viewer | Self::Operator | Self::Admin => self >= needed,
        }
    }
}

/// Somebody who was enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The name: an agent's own, or a person's.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// A secret of 256 random bits. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// What is kept of a token: SHA-256 of it. A secret of that many random bits needs no salt and no slow hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// The system gives no random numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoRandomness;

impl Token {
    const BEGIN: &str = "fieldmark_";

    /// A new one.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(format!("{}{}", Self::BEGIN, hexadecimal(&bytes))))
    }

    /// One that was given: without spaces and line breaks around it.
    pub fn given(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// What is kept of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_those_before_it_may_and_agents_report_alone() {
        for (at, (word, role)) in Role::WORDS.into_iter().enumerate() {
            assert_eq!((Role::of(word), role.as_str()), (Some(role), word));
            for (needed_at, (_, needed)) in Role::WORDS.into_iter().enumerate() {
                let may = if needed == Role::Agent { at == 0 } else { at >= needed_at };
                assert_eq!(role.may(needed), may, "{word} {needed:?}");
            }
        }
        assert_eq!(Role::of("root"), None);
    }

    #[test]
    fn a_token_is_long_random_and_not_shown() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(one.expose().len(), 10 + 64);
        assert_ne!(one, other);
        assert_eq!(Token::given(&format!(" {}\n", one.expose())).hash(), one.hash());
        assert_eq!(format!("{one:?}"), "Token(***)");
    }
}
