//! Senders' tokens: who may send, and the defaults for their events.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::listed::{ListError, Listed};
use crate::secret::{self, NoRandom};

/// A token. The secret itself is not stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// What people call it.
    pub name: String,
    /// SHA-256 of the secret.
    pub digest: String,
    /// The first letters of the secret, by which people recognise it.
    pub begins: String,
    /// While set, the server rejects the token.
    pub disabled: bool,
    /// Whether requests get an id whose acknowledgement is queried later, like Splunk's indexer acknowledgement.
    pub acknowledges: bool,
    /// Whether the token may be in a URL (`?token=`), which proxies and shells record.
    pub in_query: bool,
    /// Indexes that events may name; empty for any.
    pub indexes: Vec<String>,
    /// Default labels of events.
    pub index: String,
    /// Likewise.
    pub source: String,
    /// Likewise.
    pub sourcetype: String,
    /// When it was created, in microseconds since 1970-01-01 UTC.
    pub made: i64,
}

impl Token {
    /// Whether events may name this index.
    pub fn allows(&self, index: &str) -> bool {
        index.is_empty() || self.indexes.is_empty() || self.indexes.iter().any(|one| one == index)
    }
}

/// Why a token cannot be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Names must be unique.
    #[error("a token named {0} already exists; choose another name, or remove that one first")]
    Exists(String),
    /// No such token.
    #[error("no token is named {0}")]
    Unknown(String),
    /// A name that would be unclear in a list or a log.
    #[error("{0:?} is not a valid token name: use at most 64 letters, digits, `-`, `_` and `.`")]
    Name(String),
    /// The file of tokens.
    #[error(transparent)]
    File(#[from] ListError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandom),
}

/// All tokens. They can be changed from a terminal while a server is running.
pub struct Tokens(Listed<Token>);

impl Tokens {
    /// The tokens in a file; none if the file does not exist.
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

    /// The token with this secret. Hashes are compared, in constant time.
    pub fn find(&self, secret: &str) -> Option<Token> {
        let digest = secret::digest(secret);
        let all = self.0.all();
        all.iter()
            .find(|token| secret::same(&digest, &token.digest))
            .cloned()
    }

    /// Stores a new token and returns its secret, which is never shown again. `secret` is one that senders already
    /// have; by default one is generated.
    ///
    /// # Errors
    /// If the name is taken or invalid, or the file cannot be written.
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

    /// Removes a token: it is no longer accepted.
    ///
    /// # Errors
    /// If no token has this name, or the file cannot be written.
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
