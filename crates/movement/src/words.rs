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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sentence(pub Vec<Word>);

impl Sentence {
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Word::text(text));
        self
    }

    pub(crate) fn host(mut self, activity: &Activity<'_>, id: HostId) -> Self {
        self.0.push(Word::host(activity, id));
        self
    }

    /// The account, or `unknown` in its place.
    pub(crate) fn account(
        mut self,
        activity: &Activity<'_>,
        id: Option<AccountId>,
        unknown: &str,
    ) -> Self {
        self.0
            .push(id.map_or_else(|| Word::text(unknown), |id| Word::account(activity, id)));
        self
    }

    /// Goes on with another.
    pub(crate) fn then(&mut self, rest: impl Into<Self>) {
        self.0.extend(rest.into().0);
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self(vec![Word::Text(text)])
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| match word {
            Word::Text(text) | Word::Host(text) | Word::Account(text) => f.write_str(text),
        })
    }
}
