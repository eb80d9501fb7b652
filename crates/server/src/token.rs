//! Tokens of senders: who may send, and what they may leave unsaid.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::listed::{ListError, Listed};
use crate::secret::{self, NoRandom};

/// A token. The secret itself is nowhere kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// SHA-256 of the secret.
    pub digest: String,
    /// The first letters of the secret, by which people tell it.
    pub begins: String,
    /// Nothing is taken with it while this is set.
    pub disabled: bool,
    /// Whether requests are acknowledged by a number that is asked for later, as Splunk's indexer acknowledgement.
    pub acknowledges: bool,
    /// Whether the token may stand in a URL (`?token=`), which proxies and shells write down.
    pub in_query: bool,
    /// Indexes that events may name; none: any.
    pub indexes: Vec<String>,
    /// Labels of events that name none.
    pub index: String,
    /// Likewise.
    pub source: String,
    /// Likewise.
    pub sourcetype: String,
    /// When it was made, microseconds since 1970-01-01 UTC.
    pub made: i64,
}

impl Token {
    /// Whether events may name this index.
    pub fn allows(&self, index: &str) -> bool {
        index.is_empty() || self.indexes.is_empty() || self.indexes.iter().any(|one| one == index)
    }
}

/// Why a token cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Names are how people tell them.
    #[error("a token named {0} already exists; choose another name, or remove that one first")]
    Exists(String),
    /// No such token.
    #[error("no token is named {0}")]
    Unknown(String),
    /// A name that would be hard to tell in a list or a log.
    #[error("{0:?} is not a valid token name: use at most 64 letters, digits, `-`, `_` and `.`")]
    Name(String),
    /// The file of tokens.
    #[error(transparent)]
    File(#[from] ListError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// All tokens. They can be changed from a terminal while a server runs.
pub struct Tokens(Listed<Token>);

impl Tokens {
    /// The tokens in a file; none where it is not there.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        Ok(Self(Listed::open(path)?))
    }

    /// All of them, by name.
    pub fn all(&self) -> Arc<Vec<Token>> {
        self.0.all()
    }

    /// The token with this secret. What is compared are hashes, in constant time.
    pub fn find(&self, secret: &str) -> Option<Token> {
        let digest = secret::digest(secret);
        let all = self.0.all();
        all.iter()
            .find(|token| secret::same(&digest, &token.digest))
            .cloned()
    }

    /// Keeps a new token, and answers its secret, which is told nowhere again. `secret` is one that senders have already;
    /// without one it is made at random.
    ///
    /// # Errors
    /// If the name is taken or none, or the file cannot be written.
    pub fn add(&self, token: Token, secret: Option<String>) -> Result<String, TokenError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if token.name.is_empty() || token.name.len() > 64 || !token.name.chars().all(is_name) {
            return Err(TokenError::Name(token.name));
        }
        let secret = match secret {
            Some(secret) => secret,
            None => secret::uuid()?,
        };
        let token = Token {
            digest: secret::digest(&secret),
            begins: secret.chars().take(8).collect(),
            made: jiff::Timestamp::now().as_microsecond(),
            ..token
        };
        self.0.change(|all| {
            if all
                .iter()
                .any(|one| one.name == token.name || one.digest == token.digest)
            {
                return Err(TokenError::Exists(token.name));
            }
            all.push(token);
            all.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(secret)
        })
    }

    /// Takes a token away: nothing is taken with it any more.
    ///
    /// # Errors
    /// If there is none with this name, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), TokenError> {
        self.0.change(|all| {
            let before = all.len();
            all.retain(|one| one.name != name);
            match all.len() < before {
                true => Ok(()),
                false => Err(TokenError::Unknown(name.to_owned())),
            }
        })
    }
}
