//! What each kind of record adds to a host.

use std::collections::BTreeMap;

use crabwalk_activity::tasks::actions;
use crabwalk_activity::{Reported, Row, facts, given, number, qualified, source_serves};
use crabwalk_vocabulary::account::is_windows_own;
use crabwalk_vocabulary::number::number as parsed_number;

use super::super::document::*;
use super::super::index::{Index, address};
use super::super::program::{base, runs, starts_something};
use super::{Draft, Found, Gathered, LOOK_BACK, MOST_PROCESSES, SAME, change, done_to_task, shown};
use crate::build::time;

impl Gathered<'_> {
    pub(super) fn logon(&mut self, row: &Row<'_, '_, facts::Logon>, index: &Index) {
        let logon_type = row.logon_type().map(u32::from);
        let Some(name) = qualified(row.target_domain_name(), row.target_user_name()) else {
            return;
        };
        if matches!(logon_type, Some(0 | 5)) || is_windows_own(&name, row.target_user_sid()) {
            return;
        }
        let address = address(row.ip_address()).map(|ip| ip.to_string());
        let value = Authentication {
            direction: "in".to_owned(),
            account: index
                .account(row.target_user_sid())
                .or_else(|| index.account(&name)),
            name: Some(name),
            logon_type,
            peer: Peer {
                host: address.as_deref().and_then(|ip| index.host(ip)),
                address,
                name: given(row.workstation_name()).map(str::to_owned),
            },
            result: "success".to_owned(),
            session: shown(row.target_logon_id()),
            ..Authentication::default()
        };
        let mut draft = Draft::new(row, value);
        draft.session = row.target_logon_id();
        if let Some(span) = self.relations.opened(row.reference) {
            draft.opened_by = Some(row.reference);
            draft.value.privileged = span.elevated;
            if let Some(lasted) = span.lasted {
                draft.value.ended = time(row.time + lasted);
                #[expect(clippy::cast_precision_loss, reason = "microseconds of a session")]
                let seconds = lasted as f64 / 1e6;
                draft.value.seconds = Some(seconds);
            }
        }
        self.authentication.push(draft);
    }

    pub(super) fn refused(&mut self, row: &Row<'_, '_, facts::LogonFailure>, index: &Index) {
        let Some(name) = qualified(row.target_domain_name(), row.target_user_name()) else {
            return;
        };
        let address = address(row.ip_address()).map(|ip| ip.to_string());
        let status = given(row.sub_status())
            .filter(|status| parsed_number(status) != Some(0))
            .or(given(row.status()));
        let value = Authentication {
            direction: "in".to_owned(),
            account: index.account(&name),
            name: Some(name),
            logon_type: row.logon_type().map(u32::from),
            peer: Peer {
                host: address.as_deref().and_then(|ip| index.host(ip)),
                address,
                name: given(row.workstation_name()).map(str::to_owned),
            },
            result: "failure".to_owned(),
            status: status.map(str::to_owned),
            ..Authentication::default()
        };
        self.authentication.push(Draft::new(row, value));
    }

    pub(super) fn explicit(
        &mut self,
        row: &Row<'_, '_, facts::ExplicitCredentials>,
        index: &Index,
    ) {
        let target = row.target_server_name();
        let name = qualified(row.target_domain_name(), row.target_user_name());
        if target.is_empty() || target.eq_ignore_ascii_case("localhost") {
            return;
        }
        let by = qualified(row.subject_domain_name(), row.subject_user_name());
        let mut did = Vec::new();
        if let Some(by) = by {
            let with = given(row.process_name()).map(base);
            did.push(match with {
                Some(with) => format!("credentials given by {by} to {with}"),
                None => format!("credentials given by {by}"),
            });
        }
        let value = Authentication {
            direction: "out".to_owned(),
            account: name.as_deref().and_then(|name| index.account(name)),
            name,
            peer: Peer {
                host: index.host(target),
                address: address(target).map(|ip| ip.to_string()),
                name: Some(target.to_owned()),
            },
            result: "success".to_owned(),
            did,
            ..Authentication::default()
        };
        self.authentication.push(Draft::new(row, value));
    }

    pub(super) fn sysmon_process(&mut self, row: &Row<'_, '_, facts::SysmonProcess>) {
        let pid = row.process_id();
        let mut hashes = BTreeMap::new();
        for part in row.hashes().split(',') {
            if let Some((name, value)) = part.split_once('=') {
                hashes.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
        let found = Found {
            parent_image: row.parent_image().to_owned(),
            process: Process {
                image: row.image().to_owned(),
                command_line: given(row.command_line()).map(str::to_owned),
                account: given(row.user()).map(str::to_owned),
                pid: u32::try_from(pid).unwrap_or(0),
                original_name: given(row.original_file_name()).map(str::to_owned),
                hashes,
                ..Process::default()
            },
            ..Found::default()
        };
        let session = row.logon_id();
        let draft = Draft::new(row, found).in_session(session, row, self.relations);
        if let Some(at) = self.add(pid, draft) {
            self.by_guid.insert(row.process_guid().to_owned(), at);
        }
    }

    pub(super) fn security_process(&mut self, row: &Row<'_, '_, facts::ProcessCreation>) {
        let pid = row.new_process_id();
        let image = row.new_process_name();
        // Sysmon told of it already.
        let known = self.by_pid.get(&pid).and_then(|all| {
            all.iter().copied().find(|at| {
                self.processes.get(*at).is_some_and(|one| {
                    (one.at - row.time).abs() <= SAME
                        && base(&one.value.process.image) == base(image)
                        && one.references.len() == 1
                })
            })
        });
        if let Some(one) = known.and_then(|at| self.processes.get_mut(at)) {
            one.references.push(row.reference);
            return;
        }
        let other = Some(number(row.target_logon_id()))
            .filter(|id| *id != 0)
            .filter(|_| given(row.target_user_name()).is_some());
        let (session, account) = match other {
            Some(id) => (
                id,
                qualified(row.target_domain_name(), row.target_user_name()),
            ),
            None => (
                row.subject_logon_id(),
                qualified(row.subject_domain_name(), row.subject_user_name()),
            ),
        };
        let account = if session == 0x3e7 {
            Some("NT AUTHORITY\\SYSTEM".to_owned())
        } else {
            account
        };
        let found = Found {
            parent_image: row.parent_process_name().to_owned(),
            process: Process {
                image: image.to_owned(),
                command_line: given(row.command_line()).map(str::to_owned),
                account,
                pid: u32::try_from(pid).unwrap_or(0),
                ..Process::default()
            },
            ..Found::default()
        };
        let draft = Draft::new(row, found).in_session(session, row, self.relations);
        self.add(pid, draft);
    }

    /// Adds a process, unless there are too many.
    pub(super) fn add(&mut self, pid: u64, draft: Draft<Found>) -> Option<usize> {
        let at = self.processes.len();
        if at >= MOST_PROCESSES {
            *self.dropped.entry("processes").or_default() += 1;
            return None;
        }
        self.processes.push(draft);
        self.by_pid.entry(pid).or_default().push(at);
        Some(at)
    }

    pub(super) fn signature(&mut self, row: &Row<'_, '_, facts::ImageLoad>) {
        if !row.image_loaded().eq_ignore_ascii_case(row.image()) {
            return;
        }
        let Some(one) = self
            .by_guid
            .get(row.process_guid())
            .and_then(|at| self.processes.get_mut(*at))
        else {
            return;
        };
        if row.signed().eq_ignore_ascii_case("false") {
            // Sysmon reports this also for files that were gone before it could check.
            one.value.unsigned = Some(row.signature_status().eq_ignore_ascii_case("unavailable"));
        } else if let Some(who) = row.signature() {
            let status = given(row.signature_status())
                .filter(|status| !status.eq_ignore_ascii_case("valid"));
            one.value.process.signature = Some(match status {
                Some(status) => format!("{who} ({status})"),
                None => who.to_owned(),
            });
        }
    }

    pub(super) fn service(&mut self, row: &Row<'_, '_, facts::ServiceAudit>, index: &Index) {
        let (name, image) = (row.service_name(), row.service_file_name());
        let by = qualified(row.subject_domain_name(), row.subject_user_name())
            .map(|name| index.account(&name).unwrap_or(name));
        let session = row.subject_logon_id();
        let span = self.relations.session(row.host, session, row.time);
        let opened_by = span.map(|span| span.reference);
        // System 7045 has the display name, Security 4697 the key's name.
        if let Some(one) = self.services.iter_mut().rev().take(LOOK_BACK).find(|one| {
            (one.at - row.time).abs() <= SAME
                && (one.value.name == name || one.value.image == image)
                && one.references.len() == 1
        }) {
            one.references.push(row.reference);
            one.session = session;
            one.opened_by = opened_by;
            one.value.by = by.or_else(|| one.value.by.take());
            return;
        }
        let value = ServiceEntry {
            name: name.to_owned(),
            image: image.to_owned(),
            account: row.service_account().map(str::to_owned),
            by,
            ..ServiceEntry::default()
        };
        let mut draft = Draft::new(row, value);
        (draft.session, draft.opened_by) = (session, opened_by);
        self.services.push(draft);
    }

    /// Adds what was done to a task; both logs tell of it.
    pub(super) fn task<F>(&mut self, row: &Row<'_, '_, F>, session: u64, value: TaskEntry) {
        if let Some(one) = self.tasks.iter_mut().rev().take(LOOK_BACK).find(|one| {
            (one.at - row.time).abs() <= SAME
                && one.value.what == value.what
                && one.value.name.eq_ignore_ascii_case(&value.name)
        }) {
            one.references.push(row.reference);
            one.value.command = one.value.command.take().or(value.command);
            if one.session == 0 {
                let span = self.relations.session(row.host, session, row.time);
                one.session = session;
                one.opened_by = span.map(|span| span.reference);
            }
            return;
        }
        let draft = Draft::new(row, value).in_session(session, row, self.relations);
        self.tasks.push(draft);
    }

    pub(super) fn wmi<F>(
        &mut self,
        row: &Row<'_, '_, F>,
        kind: &str,
        name: &str,
        operation: &str,
        what: &str,
        by: Option<&str>,
    ) {
        let operation = operation.to_lowercase();
        let value = WmiEntry {
            name: unquoted(name),
            what: format!("{kind} {operation}: {}", unquoted(what)),
            by: by.map(str::to_owned),
            ..WmiEntry::default()
        };
        self.wmi.push(Draft::new(row, value));
    }

    /// Adds a service, as the service control manager tells of it.
    pub(super) fn installed(
        &mut self,
        row: &Row<'_, '_, facts::ServiceInstallation>,
        index: &Index,
    ) {
        let value = ServiceEntry {
            name: row.service_name().to_owned(),
            image: row.image_path().to_owned(),
            account: given(row.account_name()).map(str::to_owned),
            by: given(row.user_id())
                .map(|sid| index.account(sid).unwrap_or_else(|| sid.to_owned())),
            ..ServiceEntry::default()
        };
        self.services.push(Draft::new(row, value));
    }

    pub(super) fn audited_task(&mut self, row: &Row<'_, '_, facts::TaskAudit>, index: &Index) {
        let actions = actions(row.task_content());
        let actions: Vec<String> = actions.iter().map(ToString::to_string).collect();
        let value = TaskEntry {
            what: done_to_task(row.event_id).to_owned(),
            name: row.task_name().to_owned(),
            command: (!actions.is_empty()).then(|| actions.join("; ")),
            by: qualified(row.subject_domain_name(), row.subject_user_name())
                .map(|name| index.account(&name).unwrap_or(name)),
            ..TaskEntry::default()
        };
        self.task(row, row.subject_logon_id(), value);
    }

    pub(super) fn changed_task(&mut self, row: &Row<'_, '_, facts::TaskChange>, index: &Index) {
        let value = TaskEntry {
            what: done_to_task(row.event_id).to_owned(),
            name: row.task_name().to_owned(),
            by: given(row.by()).map(|name| index.account(name).unwrap_or_else(|| name.to_owned())),
            ..TaskEntry::default()
        };
        self.task(row, 0, value);
    }

    pub(super) fn wmi_filter(&mut self, row: &Row<'_, '_, facts::WmiFilter>) {
        let (name, by) = (row.name(), row.user());
        self.wmi(row, "filter", name, row.operation(), row.query(), by);
    }

    pub(super) fn wmi_consumer(&mut self, row: &Row<'_, '_, facts::WmiConsumer>) {
        let (name, by) = (row.name(), given(row.user()));
        self.wmi(
            row,
            "consumer",
            name,
            row.operation(),
            row.destination(),
            by,
        );
    }

    pub(super) fn wmi_binding(&mut self, row: &Row<'_, '_, facts::WmiBinding>) {
        let (name, by) = (row.consumer(), row.user());
        self.wmi(row, "binding", name, row.operation(), row.filter(), by);
    }

    /// Adds a binding, as WMI's own log tells of it.
    pub(super) fn wmi_subscription(&mut self, row: &Row<'_, '_, facts::WmiSubscription>) {
        // Forwarders that drop an event's UserData keep its content in the message.
        let part = |value: Option<&str>, from: &str, to: &str| {
            let said = || {
                let (_, rest) = row.message().split_once(from)?;
                Some(rest.split_once(to).map_or(rest, |(value, _)| value))
            };
            value.or_else(said).unwrap_or_default().to_owned()
        };
        let value = WmiEntry {
            name: part(given(row.consumer()), "; Consumer = ", "; PossibleCause"),
            what: format!(
                "binding created: {}: {}",
                part(row.filter(), "Eventfilter = ", " (refer"),
                part(given(row.possible_cause()), "; PossibleCause = ", "\u{0}")
            ),
            ..WmiEntry::default()
        };
        self.wmi.push(Draft::new(row, value));
    }

    /// Adds a value that Sysmon saw set, if it starts something.
    pub(super) fn run_key(&mut self, row: &Row<'_, '_, facts::RegistryValue>) {
        let key = row.target_object();
        if starts_something(key) {
            let value = RunKey {
                key: key.to_owned(),
                value: row.details().to_owned(),
                by: given(row.user()).or(given(row.image())).map(str::to_owned),
                ..RunKey::default()
            };
            self.run_keys.push(Draft::new(row, value));
        }
    }

    /// Adds a key that was given a name under which it starts something.
    pub(super) fn renamed_run_key(&mut self, row: &Row<'_, '_, facts::RegistryRename>) {
        let key = row.new_name();
        if starts_something(key) {
            let value = RunKey {
                key: key.to_owned(),
                value: format!("renamed from {}", row.target_object()),
                by: given(row.user()).or(given(row.image())).map(str::to_owned),
                ..RunKey::default()
            };
            self.run_keys.push(Draft::new(row, value));
        }
    }

    /// Adds a value that the audit saw set, if it starts something.
    pub(super) fn audited_run_key(&mut self, row: &Row<'_, '_, facts::RegistryValueChange>) {
        let key = format!("{}\\{}", row.object_name(), row.object_value_name());
        if starts_something(&key) {
            let value = RunKey {
                key,
                value: row.new_value().to_owned(),
                by: qualified(row.subject_domain_name(), row.subject_user_name()),
                ..RunKey::default()
            };
            let session = row.subject_logon_id();
            let draft = Draft::new(row, value).in_session(session, row, self.relations);
            self.run_keys.push(draft);
        }
    }

    pub(super) fn changed_account(&mut self, row: &Row<'_, '_, facts::AccountChange>) {
        let value = change(row);
        let session = row.subject_logon_id();
        let draft = Draft::new(row, value).in_session(session, row, self.relations);
        self.changes.push(draft);
    }

    pub(super) fn file(&mut self, row: &Row<'_, '_, facts::FileCreation>) {
        let path = row.target_filename();
        let image = row.image();
        // The kernel writes files that arrive over the network.
        if !runs(path) && !image.eq_ignore_ascii_case("system") {
            return;
        }
        let value = FileEntry {
            path: path.to_owned(),
            by: given(row.user()).or(given(row.image())).map(str::to_owned),
            ..FileEntry::default()
        };
        self.files.push(Draft::new(row, value));
    }

    pub(super) fn remote_file(&mut self, row: &Row<'_, '_, facts::ShareFile>, index: &Index) {
        /// Rights to write or append data.
        const WRITE: u64 = 0x2 | 0x4;
        let share = row.share_name();
        let mask = row.access_mask();
        let own = base(share);
        if mask & WRITE == 0 || ["ipc$", "sysvol", "netlogon"].contains(&own.as_str()) {
            return;
        }
        let path = row.relative_target_name();
        if path.is_empty() || path == "\\" {
            return;
        }
        let ip = address(row.ip_address()).map(|ip| ip.to_string());
        let from = ip
            .as_deref()
            .and_then(|ip| index.host(ip))
            .or_else(|| ip.clone());
        let session = row.subject_logon_id();
        let value = FileEntry {
            path: path.to_owned(),
            share: Some(share.to_owned()),
            by: qualified(row.subject_domain_name(), row.subject_user_name()),
            from,
            ..FileEntry::default()
        };
        // One copy opens the file several times.
        if self.files.iter().rev().take(20).any(|one| {
            one.session == session
                && one.value.path == value.path
                && (one.at - row.time).abs() <= SAME
        }) {
            return;
        }
        let draft = Draft::new(row, value).in_session(session, row, self.relations);
        self.files.push(draft);
    }

    pub(super) fn connection<F>(
        &mut self,
        row: &Row<'_, '_, F>,
        reported: Reported<'_>,
        index: &Index,
    ) {
        let text = |(ip, port): (&str, &str)| format!("{ip}:{port}");
        let (source, destination) = (text(reported.source), text(reported.destination));
        let outbound = reported.initiated;
        let local_first = outbound
            || reported.ends().is_some_and(|(source, destination)| {
                source_serves(|ip| index.holds(&self.id, ip), source, destination)
            });
        let (local, remote) = if local_first {
            (source, destination)
        } else {
            (destination, source)
        };
        let direction = if outbound { "out" } else { "in" };
        let server = if outbound { &remote } else { &local };
        let port = server
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let value = Connection {
            direction: direction.to_owned(),
            local,
            remote,
            port,
            image: given(reported.image).map(str::to_owned),
            account: given(reported.user).map(str::to_owned),
            ..Connection::default()
        };
        // The filtering platform and Sysmon record the same connection.
        if let Some(one) = self
            .connections
            .iter_mut()
            .rev()
            .take(LOOK_BACK)
            .find(|one| {
                one.value.local == value.local
                    && one.value.remote == value.remote
                    && (one.at - row.time).abs() <= SAME
            })
        {
            one.references.push(row.reference);
            return;
        }
        self.connections.push(Draft::new(row, value));
    }
}

/// A text without the quoting that Sysmon applies to WMI texts (`"a\\b \"c\""`).
fn unquoted(text: &str) -> String {
    let Some(inside) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(c) = letters.next() {
        match c {
            '\\' => out.push(letters.next().unwrap_or('\\')),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_wmi() {
        for (text, plain) in [
            ("\"Bot\"", "Bot"),
            ("\"c:\\\\a.exe\"", "c:\\a.exe"),
            ("\"X.Name=\\\"b\\\"\"", "X.Name=\"b\""),
            ("no quotes", "no quotes"),
            ("\"", "\""),
            ("\"cut\\\"", "cut\\"),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), plain, "{text}");
        }
    }
}
