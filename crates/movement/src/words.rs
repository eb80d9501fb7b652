//! Sentences about hosts and accounts.

use std::fmt;

use crabwalk_activity::{AccountId, Activity, HostId};

/// A piece of a sentence. Hosts and accounts appear by id: whoever prints the sentence knows their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// As it stands.
    Text(String),
    /// Id of a host.
    Host(String),
    /// Id of an account.
    Account(String),
}

impl Word {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn host(activity: &Activity<'_>, id: HostId) -> Self {
        Self::Host(activity.hosts.key(id).to_owned())
    }

    pub(crate) fn account(activity: &Activity<'_>, id: AccountId) -> Self {
        let key = activity.accounts.info(id).map(|one| one.key.clone());
        key.map_or_else(|| Self::text("?"), Self::Account)
    }
}

/// A sentence, or a part of one. It displays ids where it names hosts and accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sentence {
    /// It names nobody. Most do not, and every piece of evidence has one, so it takes no list.
    Plain(String),
    /// It names hosts or accounts.
    Named(Vec<Word>),
}

impl Sentence {
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.push(Word::text(text));
        self
    }

    pub(crate) fn host(mut self, activity: &Activity<'_>, id: HostId) -> Self {
        self.push(Word::host(activity, id));
        self
    }

    /// The account, or `unknown` in its place.
    pub(crate) fn account(
        mut self,
        activity: &Activity<'_>,
        id: Option<AccountId>,
        unknown: &str,
    ) -> Self {
        self.push(id.map_or_else(|| Word::text(unknown), |id| Word::account(activity, id)));
        self
    }

    /// Goes on with another.
    pub(crate) fn then(&mut self, rest: impl Into<Self>) {
        match rest.into() {
            Self::Plain(text) => self.push(Word::Text(text)),
            Self::Named(words) => words.into_iter().for_each(|word| self.push(word)),
        }
    }

    fn push(&mut self, word: Word) {
        let before = match self {
            Self::Named(words) => return words.push(word),
            Self::Plain(own) => match &word {
                Word::Text(text) => return own.push_str(text),
                Word::Host(_) | Word::Account(_) => std::mem::take(own),
            },
        };
        let before = Some(before).filter(|text| !text.is_empty());
        *self = Self::Named(before.map(Word::Text).into_iter().chain([word]).collect());
    }
}

impl Default for Sentence {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Named(words) => words.iter().try_for_each(|word| match word {
                Word::Text(text) | Word::Host(text) | Word::Account(text) => f.write_str(text),
            }),
        }
    }
}
