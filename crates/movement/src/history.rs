//! Habits of hosts and accounts, from the days on which they do the same.

use crabwalk_activity::{
    AccountId, AccountKind, Activity, HostId, Place, Session, facts, for_each, kind_of,
};
pub(crate) use crabwalk_vocabulary::time::{day, is_daily};
use hashbrown::{HashMap, HashSet};

use crate::family::Family;
use crate::roles::Roles;

/// Doing the same on this many other days makes a habit.
pub(crate) const HABIT: usize = 3;
/// In logs with fewer days, or spanning no more than these, nothing can be called new.
const LEAST_DAYS: usize = 3;

/// A set of days, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Days(Vec<i64>);

impl Days {
    /// Whether it is new.
    pub fn add(&mut self, day: i64) -> bool {
        match self.0.binary_search(&day) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, day);
                true
            }
        }
    }

    /// Adds the days of another set.
    pub fn extend(&mut self, others: &Self) {
        for day in others.all() {
            self.add(day);
        }
    }

    pub fn has(&self, day: i64) -> bool {
        self.0.binary_search(&day).is_ok()
    }

    pub fn all(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().copied()
    }

    /// Number of days other than this one.
    pub fn others(&self, day: i64) -> usize {
        self.0.len() - usize::from(self.has(day))
    }

    /// Whether there are enough days, not just extracts of single ones: they are most days from the first to the last.
    fn is_long(&self) -> bool {
        let reaches = |span: i64| usize::try_from(span).is_ok_and(|span| span >= LEAST_DAYS);
        let span = self.0.first().zip(self.0.last());
        span.is_some_and(|(first, last)| reaches(last - first)) && is_daily(self.all(), LEAST_DAYS)
    }
}

/// A movement with known source and account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub src: HostId,
    pub dst: HostId,
    pub used: AccountId,
    pub family: Family,
    pub time: i64,
}

/// Who came from where, on which days.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Remote logons of an account from a host, to any host.
    from: HashMap<(HostId, AccountId), Days>,
    /// Remote logons of an account from one host to another, of the kinds that make hops.
    edges: HashMap<(HostId, HostId, AccountId), Days>,
    /// Days on which an account was seen anywhere.
    accounts: HashMap<AccountId, Days>,
    /// Accounts that sat at a host.
    at_home: HashSet<(HostId, AccountId)>,
    /// Ways in which an account moves from a host.
    ways: HashMap<(HostId, AccountId, Family), Days>,
    /// Days on which an account came from a host to servers that keep such a record, long before the other logs begin.
    /// It does not
    /// count for what is usual: there is no more in it than that a role was used.
    came: HashMap<(HostId, AccountId), Days>,
    /// The same for an account, from any host that is known.
    used: HashMap<AccountId, Days>,
    /// Days on which each host logged logons or issued tickets.
    written: HashMap<HostId, Days>,
    /// The same for all together.
    days: Days,
}

impl History {
    /// What the logons tell, and the records of servers about their clients.
    pub fn new(world: &mut Activity<'_>, roles: &Roles<'_>) -> Self {
        let canonical = world.accounts.canonical();
        let mut all = Self::default();
        let mut last = (HostId(u32::MAX), i64::MIN);
        for_each(world.catalog, facts::Authenticated, |row| {
            let seen = (world.hosts.writer(row.host), day(row.time));
            if seen != last {
                all.written.entry(seen.0).or_default().add(seen.1);
                all.days.add(seen.1);
                last = seen;
            }
        });
        for session in &world.sessions {
            let Some(account) = session
                .account
                .filter(|_| session.kind == AccountKind::User)
            else {
                continue;
            };
            let account = canonical.get(account.place()).copied().unwrap_or(account);
            let today = day(session.time);
            all.accounts.entry(account).or_default().add(today);
            match session.from() {
                Some(src) if session.is_remote() => {
                    all.from.entry((src, account)).or_default().add(today);
                }
                _ => {}
            }
            // At the keyboard, from cached credentials, unlocking.
            if matches!(session.logon_type, 2 | 7 | 11) && session.from().is_none() {
                all.at_home.insert((session.host, account));
            }
        }
        // Whoever requests tickets at a host is there, whatever the host's own logs say.
        let catalog = world.catalog;
        for_each(catalog, facts::TicketRequest, |row| {
            let name = row.target_user_name();
            let sam = name.split('@').next().unwrap_or(name);
            if kind_of(sam, "") != AccountKind::User || !matches!(row.status(), "0x0" | "0" | "") {
                return;
            }
            let Place::Host(src) = world
                .hosts
                .place(row.ip_address(), HostId(u32::MAX), row.time)
            else {
                return;
            };
            let Some(account) =
                world
                    .accounts
                    .get(row.target_sid(), row.target_domain_name(), name)
            else {
                return;
            };
            let account = canonical.get(account.place()).copied().unwrap_or(account);
            let today = day(row.time);
            all.accounts.entry(account).or_default().add(today);
            all.from.entry((src, account)).or_default().add(today);
        });
        for (src, account, today) in &roles.came {
            let account = canonical.get(account.place()).copied().unwrap_or(*account);
            all.came.entry((*src, account)).or_default().add(*today);
            // An address without a name may be one that another host had by then, even the one that is asked about.
            let host = world.hosts.get(*src);
            if host.is_some_and(|host| host.logged || !host.names.is_empty()) {
                all.used.entry(account).or_default().add(*today);
            }
        }
        all
    }

    /// Adds the hops, and the days on which the same was done. Some logs have no logons.
    pub fn add(
        &mut self,
        hops: impl Iterator<Item = Moved>,
        sessions: &[Session],
        canonical: &[AccountId],
    ) {
        for hop in hops {
            let today = day(hop.time);
            self.days.add(today);
            self.edges
                .entry((hop.src, hop.dst, hop.used))
                .or_default()
                .add(today);
            self.ways
                .entry((hop.src, hop.used, hop.family))
                .or_default()
                .add(today);
        }
        for session in sessions {
            let (true, Some(src), Some(account)) =
                (session.is_remote(), session.from(), session.account)
            else {
                continue;
            };
            let account = canonical.get(account.place()).copied().unwrap_or(account);
            if let Some(days) = self.edges.get_mut(&(src, session.host, account)) {
                days.add(day(session.time));
            }
        }
    }

    /// Days on which an account came from a host, according to logons and tickets.
    pub fn from(&self) -> &HashMap<(HostId, AccountId), Days> {
        &self.from
    }

    /// Days on which an account was seen anywhere.
    pub fn accounts(&self) -> &HashMap<AccountId, Days> {
        &self.accounts
    }

    /// Whether the logs are long enough to show what is new.
    pub fn is_long(&self) -> bool {
        self.days.is_long()
    }

    /// Whether one host's log is long enough to show what is new there.
    pub fn is_long_at(&self, host: HostId) -> bool {
        self.written.get(&host).is_some_and(Days::is_long)
    }

    /// Whether the logs of logons reach a time, as far as there are any: no more than a day beyond their ends.
    pub fn reaches(&self, time: i64) -> bool {
        let span = self.days.0.first().zip(self.days.0.last());
        span.is_none_or(|(first, last)| (first - 1..=last + 1).contains(&day(time)))
    }

    /// Whether a host's log has logons or tickets of the day of a time.
    pub fn logs_logons(&self, host: HostId, time: i64) -> bool {
        let today = day(time);
        let own = self.written.get(&host);
        own.is_some_and(|days| days.has(today))
    }

    /// Whether the account makes such a hop on other days too: to the same host, or in the same way to others.
    pub fn is_habit(&self, hop: Moved) -> bool {
        let today = day(hop.time);
        let often = |days: Option<&Days>| days.is_some_and(|days| days.others(today) >= HABIT);
        often(self.ways.get(&(hop.src, hop.used, hop.family)))
            || often(self.edges.get(&(hop.src, hop.dst, hop.used)))
    }

    /// Whether an account was on no other day at or from a host, although it was elsewhere.
    pub fn is_new_from(&self, src: HostId, account: AccountId, time: i64) -> bool {
        self.is_long() && self.is_only_then_from(src, account, time)
    }

    /// The same, without checking that all logs together are long, for callers who know that one host's log is.
    pub fn is_only_then_from(&self, src: HostId, account: AccountId, time: i64) -> bool {
        let today = day(time);
        let others = |days: Option<&Days>| days.map_or(0, |days| days.others(today));
        let edge = (src, account);
        !self.at_home.contains(&edge)
            && others(self.from.get(&edge)) + others(self.came.get(&edge)) == 0
            && others(self.accounts.get(&account)) + others(self.used.get(&account)) > 0
    }
}
