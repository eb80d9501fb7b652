//! What techniques and the assembly ask: the activity, and what movement itself adds to it.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use crabwalk_activity::{AccountId, Activity, HostId, Place};

use crate::history::History;
use crate::pipes::{self, Opened};

/// A ticket for a host that a domain controller gave to a user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    pub time: i64,
    pub src: Place,
    pub used: Option<AccountId>,
    pub reference: u64,
}

/// Everything that techniques and the assembly ask.
pub(crate) struct World<'a> {
    pub activity: Activity<'a>,
    /// Tickets for each host, by time.
    pub tickets: HashMap<HostId, Vec<Ticket>>,
    /// Pipes of services that clients opened, by host and time.
    pub opened: Vec<Opened>,
    /// How hosts and accounts usually work.
    pub history: History,
}

impl<'a> World<'a> {
    pub fn new(mut activity: Activity<'a>) -> Self {
        let history = History::new(&mut activity);
        let opened = pipes::read(&mut activity);
        Self {
            activity,
            tickets: HashMap::new(),
            opened,
            history,
        }
    }

    /// Openings of a service's pipe on a host in a span of time.
    pub fn opened_between(
        &self,
        host: HostId,
        pipe: &str,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = &Opened> {
        let start = self
            .opened
            .partition_point(|one| (one.host, one.time) < (host, from));
        self.opened
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(move |one| (one.host, one.time) <= (host, to))
            .filter(move |one| one.pipe == pipe)
    }
}

impl<'a> Deref for World<'a> {
    type Target = Activity<'a>;

    fn deref(&self) -> &Activity<'a> {
        &self.activity
    }
}

impl<'a> DerefMut for World<'a> {
    fn deref_mut(&mut self) -> &mut Activity<'a> {
        &mut self.activity
    }
}
