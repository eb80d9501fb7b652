//! The processes that hosts logged, and their parents.

use hashbrown::{HashMap, HashSet};

use super::Activity;
use crate::facts;
use crate::grouped::Grouped;
use crate::identity::{AccountId, HostId};
use crate::processes::{Process, ProcessKey};
use crate::row::{count, for_each};
use crate::sessions::{is_service_logon, logon_time};
use crate::text::{SECOND, base_name, number};

/// The action of a process, and for whom.
struct Done<'a> {
    time: i64,
    image: &'a str,
    logon_id: u64,
    user: Option<AccountId>,
}

impl<'a> Activity<'a> {
    pub(super) fn read_processes(&mut self) {
        let catalog = self.catalog;
        let (hosts, accounts, processes) =
            (&mut self.hosts, &mut self.accounts, &mut self.processes);
        let most = count(catalog, facts::SysmonProcess) + count(catalog, facts::ProcessCreation);
        processes.reserve_exact(most);
        for_each(catalog, facts::SysmonProcess, |row| {
            processes.push(Process {
                host: hosts.writer(row.host),
                time: row.time,
                ended: None,
                guid: row.process_guid(),
                pid: row.process_id(),
                parent_guid: row.parent_process_guid(),
                parent_pid: row.parent_process_id(),
                image: row.image(),
                command: row.command_line(),
                parent_image: row.parent_image(),
                parent_command: row.parent_command_line(),
                original_name: row.original_file_name(),
                user: accounts.of_text(row.user()),
                logon_id: row.logon_id(),
                logon_time: logon_time(row.logon_guid()).map(|time| catalog.common(row.host, time)),
                creator_logon: 0,
                own_session: true,
                desktop: row.terminal_session_id().parse().ok(),
                sysmon: true,
                reference: row.reference,
            });
        });
        for_each(catalog, facts::ProcessCreation, |row| {
            let target = number(row.target_logon_id());
            let subject = row.subject_logon_id();
            let user = if target != 0 {
                accounts.get(
                    row.target_user_sid(),
                    row.target_domain_name(),
                    row.target_user_name(),
                )
            } else {
                accounts.get(
                    row.subject_user_sid(),
                    row.subject_domain_name(),
                    row.subject_user_name(),
                )
            };
            processes.push(Process {
                host: hosts.writer(row.host),
                time: row.time,
                ended: None,
                guid: "",
                pid: row.new_process_id(),
                parent_guid: "",
                parent_pid: row.process_id(),
                image: row.new_process_name(),
                command: row.command_line(),
                parent_image: row.parent_process_name(),
                parent_command: "",
                original_name: "",
                user,
                logon_id: if target != 0 { target } else { subject },
                logon_time: None,
                creator_logon: subject,
                own_session: !row.target_logon_id().is_empty() || !is_service_logon(subject),
                desktop: None,
                sysmon: false,
                reference: row.reference,
            });
        });
        processes.sort_by(|a, b| {
            (a.time, a.host, a.pid, a.sysmon, a.image)
                .cmp(&(b.time, b.host, b.pid, b.sysmon, b.image))
        });
        for (at, one) in processes.iter().enumerate() {
            if !one.guid.is_empty() {
                self.by_guid.entry(one.guid).or_insert(at);
            }
        }
        let all = || processes.iter().zip(0..);
        // Number 0 is the idle process, which starts nothing; here it stands for a number that was not logged.
        let numbered = all().filter(|(one, _)| one.pid != 0);
        self.by_pid = Grouped::new(numbered.map(|(one, at)| ((one.host, one.pid), at)));
        self.processes_of_host = Grouped::new(all().map(|(one, at)| (one.host, at)));
        let places = 0..self.processes.len();
        self.children = Grouped::new(places.filter_map(|at| Some((self.parent(at)?, at))));
        self.read_ends();
        self.complete_old_starts();
        // Older Windows does not name the parent: take the last start under that number.
        for at in 0..self.processes.len() {
            let Some(one) = self.processes.get(at) else {
                continue;
            };
            if one.parent_image.is_empty()
                && let Some(parent) = self.parent(at)
                && let Some(image) = self.processes.get(parent).map(|parent| parent.image)
                && let Some(one) = self.processes.get_mut(at)
            {
                one.parent_image = image;
            }
        }
    }

    /// Windows before 10 and Server 2016 records neither the parent of a process nor its session, only its creator's
    /// session; for a service host's child started for a client, that is the service's. The session then follows from
    /// the process's own later actions, and the parent's name from the parent's.
    fn complete_old_starts(&mut self) {
        /// A process reveals its session by an action within this time.
        const TELLS: i64 = 5 * SECOND;
        /// A process number belongs to one process for about this long.
        const NUMBERED: i64 = 60 * SECOND;
        let mut asked: HashSet<(HostId, u64)> = HashSet::new();
        for one in self.processes.iter().filter(|one| !one.sysmon) {
            if !one.own_session {
                asked.insert((one.host, one.pid));
            }
            if one.parent_image.is_empty() {
                asked.insert((one.host, one.parent_pid));
            }
        }
        if asked.is_empty() {
            return;
        }
        let (catalog, hosts, accounts) = (self.catalog, &mut self.hosts, &mut self.accounts);
        let mut done: HashMap<(HostId, u64), Vec<Done<'a>>> = HashMap::new();
        for_each(catalog, facts::ObjectUse, |row| {
            let key = (hosts.writer(row.host), row.process_id());
            if asked.contains(&key) {
                done.entry(key).or_default().push(Done {
                    time: row.time,
                    image: row.process_name(),
                    logon_id: row.subject_logon_id(),
                    user: accounts.get(
                        row.subject_user_sid(),
                        row.subject_domain_name(),
                        row.subject_user_name(),
                    ),
                });
            }
        });
        let mut found = Vec::new();
        for (at, one) in self.processes.iter().enumerate() {
            if one.sysmon || one.own_session && !one.parent_image.is_empty() {
                continue;
            }
            let began = self
                .children
                .get(&at)
                .iter()
                .filter_map(|child| self.processes.get(*child as usize))
                .filter(|child| child.time - one.time <= TELLS)
                .map(|child| (child.creator_logon, child.user));
            let did = done
                .get(&(one.host, one.pid))
                .into_iter()
                .flatten()
                .filter(|did| (0..=TELLS).contains(&(did.time - one.time)))
                .map(|did| (did.logon_id, did.user));
            let sessions: HashSet<(u64, Option<AccountId>)> = began.chain(did).collect();
            let session = match (one.own_session, sessions.len()) {
                (false, 1) => sessions
                    .into_iter()
                    .next()
                    .filter(|(logon, _)| !is_service_logon(*logon)),
                _ => None,
            };
            let parents: HashSet<&'a str> = done
                .get(&(one.host, one.parent_pid))
                .into_iter()
                .flatten()
                .filter(|did| (did.time - one.time).abs() <= NUMBERED)
                .map(|did| did.image)
                .filter(|image| !image.is_empty() && *image != "-")
                .collect();
            let parent = match parents.len() {
                1 if one.parent_image.is_empty() => parents.into_iter().next(),
                _ => None,
            };
            if session.is_some() || parent.is_some() {
                found.push((at, session, parent));
            }
        }
        for (at, session, parent) in found {
            let Some(one) = self.processes.get_mut(at) else {
                continue;
            };
            if let Some((logon, user)) = session {
                one.logon_id = logon;
                one.user = user;
                one.own_session = true;
            }
            if let Some(parent) = parent {
                one.parent_image = parent;
            }
        }
    }

    /// Reads when processes ended. Either log may have the end of a process whose start only the other has.
    fn read_ends(&mut self) {
        let (catalog, hosts) = (self.catalog, &mut self.hosts);
        let (by_guid, processes) = (&self.by_guid, &mut self.processes);
        for_each(catalog, facts::SysmonProcessEnd, |row| {
            let at = by_guid.get(row.process_guid());
            if let Some(one) = at.and_then(|at| processes.get_mut(*at)) {
                one.ended = Some(row.time);
            }
        });
        let mut ends = Vec::new();
        for_each(catalog, facts::ProcessExit, |row| {
            let host = hosts.writer(row.host);
            ends.push((
                host,
                row.process_id(),
                row.time,
                base_name(row.process_name()),
            ));
        });
        for (host, pid, time, name) in ends {
            let at = self.process_of_pid(host, pid, time);
            if let Some(one) = at.and_then(|at| self.processes.get_mut(at))
                && base_name(one.image).eq_ignore_ascii_case(name)
            {
                one.ended.get_or_insert(time);
            }
        }
    }

    /// The last process of a kind that was started with a number until a time. Starts are in the order of time.
    fn last_with(
        &self,
        host: HostId,
        pid: u64,
        time: i64,
        fits: impl Fn(&Process<'a>) -> bool,
    ) -> Option<usize> {
        let same = self.by_pid.get(&(host, pid));
        let of = |at: &u32| self.processes.get(*at as usize);
        let end = same.partition_point(|at| of(at).is_some_and(|one| one.time <= time));
        let mut until = same.get(..end)?.iter().rev();
        let found = until.find(|at| of(at).is_some_and(&fits))?;
        Some(*found as usize)
    }

    /// The process that started a process, if its start was logged.
    ///
    /// Without Sysmon's ProcessGuid, that is the last one started with the parent's number in the same log. Numbers are
    /// reused, and not every start is logged: if the event names the parent's program, it must be that one's.
    pub fn parent(&self, at: usize) -> Option<usize> {
        let one = self.processes.get(at)?;
        if !one.parent_guid.is_empty()
            && let Some(parent) = self.by_guid.get(one.parent_guid)
        {
            return Some(*parent).filter(|parent| *parent != at);
        }
        let log =
            |parent: &Process<'a>| parent.sysmon == one.sysmon && parent.reference != one.reference;
        let parent = self.last_with(one.host, one.parent_pid, one.time, log)?;
        let name = base_name(one.parent_image);
        let is_same = |parent: &Process<'a>| base_name(parent.image).eq_ignore_ascii_case(name);
        (name.is_empty() || self.processes.get(parent).is_some_and(is_same)).then_some(parent)
    }

    /// Where a process lies in [`processes`](Self::processes).
    pub fn process_at(&self, key: &ProcessKey) -> Option<usize> {
        let order = |one: &Process<'_>| (one.time, one.host, one.pid);
        let own = (key.time, key.host, key.pid);
        let start = self.processes.partition_point(|one| order(one) < own);
        let same = self.processes.get(start..)?.iter();
        let mut same = same.take_while(|one| order(one) == own);
        same.position(|one| one.reference == key.reference)
            .map(|place| start + place)
    }

    /// The process with a key.
    pub fn process_of(&self, key: &ProcessKey) -> Option<&Process<'a>> {
        self.processes.get(self.process_at(key)?)
    }

    /// The key of a process at a place in [`processes`](Self::processes).
    pub fn process_key(&self, at: impl Into<Option<usize>>) -> Option<ProcessKey> {
        self.processes.get(at.into()?).map(Process::key)
    }

    /// Processes started on a host within a span of time.
    pub fn processes_between(
        &self,
        host: HostId,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (usize, &Process<'a>)> {
        let all = self.processes_of_host.get(&host);
        let of = |at: &u32| self.processes.get(*at as usize);
        let start = all.partition_point(|at| of(at).is_some_and(|one| one.time < from));
        all.get(start..)
            .unwrap_or_default()
            .iter()
            .filter_map(move |at| Some((*at as usize, of(at)?)))
            .take_while(move |(_, one)| one.time <= to)
    }

    /// The descendants of a process, with their distance from it; at most `most` of them.
    pub fn descendants(&self, start: usize, most: usize) -> Vec<(usize, usize)> {
        let mut all: Vec<(usize, usize)> = Vec::new();
        let mut seen: HashSet<usize> = HashSet::from([start]);
        // The list is its own queue: closer descendants come first.
        let mut next = Some((start, 0));
        let mut done = 0;
        while let Some((at, depth)) = next {
            for child in self.children.get(&at) {
                let child = *child as usize;
                if all.len() < most && seen.insert(child) {
                    all.push((child, depth + 1));
                }
            }
            next = all.get(done).copied();
            done += 1;
        }
        all
    }

    /// The process with this Sysmon ProcessGuid.
    pub fn process_of_guid(&self, guid: &str) -> Option<usize> {
        if guid.is_empty() {
            None
        } else {
            self.by_guid.get(guid).copied()
        }
    }

    /// The process that had this number at a time.
    pub fn process_of_pid(&self, host: HostId, pid: u64, time: i64) -> Option<usize> {
        self.last_with(host, pid, time + SECOND, |_| true)
    }
}
