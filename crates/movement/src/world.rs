//! What techniques and the assembly query: the activity, and movement's own additions to it.

use std::ops::{Deref, DerefMut};

use crabwalk_activity::{
    AccountId, Activity, HostId, Place, SECOND, facts, for_each, is_refused, ports_of_class,
    service_of,
};
use hashbrown::HashMap;

use crate::history::History;
use crate::pipes::{self, Opened};
use crate::roles::Roles;

/// A ticket for a host that a domain controller issued to a user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    pub time: i64,
    pub src: Place,
    pub used: Option<AccountId>,
    pub reference: u64,
}

/// A ticket for a service that a sensor saw issued to a user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub time: i64,
    pub class: &'a str,
    /// As the client named it.
    pub service: &'a str,
    pub used: AccountId,
}

/// A user who became another, perhaps to move on to a further machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Became<'a> {
    pub host: HostId,
    pub time: i64,
    pub from: &'a str,
    pub to: &'a str,
}

/// Everything that techniques and the assembly query.
pub(crate) struct World<'a> {
    pub activity: Activity<'a>,
    /// Tickets for each host, by time.
    pub tickets: HashMap<HostId, Vec<Ticket>>,
    /// Pipes of services that clients opened, by host and time.
    pub opened: Vec<Opened>,
    /// Who used which roles of servers.
    pub roles: Roles<'a>,
    /// How hosts and accounts usually work.
    pub history: History,
    /// Number of movements not reported because they are how hosts usually work.
    pub left_out: usize,
    /// Who authenticated in a connection that a sensor saw, by its `uid`; `None` if several did.
    authenticated: HashMap<&'a str, Option<AccountId>>,
    /// Which user became which, with su, or with sudo to run an SSH client or a shell, by host and time.
    pub became: Vec<Became<'a>>,
    /// Tickets that a sensor saw, by client and server.
    asked: HashMap<(HostId, HostId), Vec<Asked<'a>>>,
}

impl<'a> World<'a> {
    pub fn new(mut activity: Activity<'a>) -> Self {
        let roles = Roles::read(&mut activity);
        let history = History::new(&mut activity, &roles);
        let opened = pipes::read(&mut activity);
        let mut world = Self {
            activity,
            tickets: HashMap::new(),
            opened,
            roles,
            history,
            left_out: 0,
            authenticated: HashMap::new(),
            became: Vec::new(),
            asked: HashMap::new(),
        };
        world.read_sensor();
        world.read_sudo();
        world
    }

    fn read_sudo(&mut self) {
        let catalog = self.activity.catalog;
        for_each(catalog, facts::SudoCommand, |row| {
            let program = row.command().split_whitespace().next().unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or(program);
            if row.action() != "failure"
                && matches!(
                    program,
                    "ssh" | "scp" | "sftp" | "rsync" | "su" | "bash" | "sh" | "zsh"
                )
            {
                self.became.push(Became {
                    host: self.activity.hosts.writer(row.host),
                    time: row.time,
                    from: row.src_user(),
                    to: row.user(),
                });
            }
        });
        for_each(catalog, facts::UserSwitch, |row| {
            if row.action() == "success" {
                self.became.push(Became {
                    host: self.activity.hosts.writer(row.host),
                    time: row.time,
                    from: row.src_user(),
                    to: row.user(),
                });
            }
        });
        self.became.sort_unstable();
    }

    /// Who the sensor saw logging on and getting tickets.
    fn read_sensor(&mut self) {
        let catalog = self.activity.catalog;
        let (activity, authenticated) = (&mut self.activity, &mut self.authenticated);
        for_each(catalog, facts::ZeekNtlm, |row| {
            let uid = row.uid();
            if uid.is_empty() || is_refused(row.success()) {
                return;
            }
            let (domain, name) = (row.domain_name(), row.user_name());
            let Some(user) = activity.accounts.get("", domain, name) else {
                return;
            };
            authenticated
                .entry(uid)
                .and_modify(|own| *own = own.filter(|own| *own == user))
                .or_insert(Some(user));
        });
        let nobody = HostId(u32::MAX);
        let asked = &mut self.asked;
        for_each(catalog, facts::ZeekKerberos, |row| {
            let (Some((class, server)), Some(client)) = (service_of(row.service()), row.orig_h())
            else {
                return;
            };
            if row.request_type() != "TGS" || is_refused(row.success()) {
                return;
            }
            let (name, realm) = row.client().split_once('/').unwrap_or_default();
            let user = activity.accounts.get("", realm, name);
            let src = activity.hosts.at(client, row.time);
            if let Some(used) = user.filter(|id| activity.accounts.is_user(*id))
                && let Place::Host(dst) = activity.hosts.place(server, nobody, row.time)
            {
                asked.entry((src, dst)).or_default().push(Asked {
                    time: row.time,
                    class,
                    service: row.service(),
                    used,
                });
            }
        });
        for given in self.asked.values_mut() {
            given.sort_unstable_by_key(|one| (one.time, one.used, one.service));
        }
    }

    /// Openings of a service's pipe on a host within a span of time.
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

    /// Who authenticated in a connection, by the sensor's `uid` for it.
    pub fn user_of(&self, uid: &str) -> Option<AccountId> {
        let user = self.authenticated.get(uid).copied().flatten()?;
        self.accounts.is_user(user).then_some(user)
    }

    /// The ticket a client used at a port of a server: one that it had just got, for a service of that port as far as
    /// the ticket's service is known.
    pub fn ticket_for(
        &self,
        src: HostId,
        dst: HostId,
        port: u16,
        time: i64,
    ) -> Option<(AccountId, String)> {
        const BEFORE: i64 = 3 * SECOND;
        const AFTER: i64 = SECOND / 2;
        let near = |own: i64| own <= time + AFTER && time - own <= BEFORE;
        let seen = self.asked.get(&(src, dst)).into_iter().flatten();
        let seen = seen
            .rev()
            .find(|one| near(one.time) && ports_of_class(one.class).contains(&port))
            .map(|one| (one.used, one.service.to_owned()));
        seen.or_else(|| {
            let given = self.tickets.get(&dst)?;
            let end = given.partition_point(|one| one.time <= time + AFTER);
            given
                .get(..end)?
                .iter()
                .rev()
                .take_while(|one| near(one.time))
                .find(|one| one.src == Place::Host(src))
                .and_then(|one| Some((one.used?, self.hosts.key(dst).to_owned())))
        })
    }
}

impl<'a> World<'a> {
    /// The activity alone.
    pub fn into_activity(self) -> Activity<'a> {
        self.activity
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
