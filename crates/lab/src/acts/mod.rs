//! The traces of remote acts on both ends and on the domain controllers, in the form that Windows gives them: one file
//! per way, for all worlds. This module has what they share: how somebody logs on over a connection.

mod dcom;
mod desktop;
mod directory;
mod psexec;
mod remoting;
mod service;
mod smb;
mod ssh;
mod task;
mod wmi;

use crate::evtx_writer::{Body, Value, guid};
use crate::sim::{
    Account, Channel, Logon, Package, Process, SECOND, SYSTEM_SID, Session, Sim, luid, s, sid,
    sysmon_guid,
};

pub(crate) use desktop::Desktop;
pub(crate) use service::Service;

/// A process that has run since the host started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// `svchost -k DcomLaunch`: starts COM servers.
    DcomLaunch,
    /// `svchost -k RPCSS`: listens on 135, and asks there.
    RpcSs,
    /// `svchost … -s Winmgmt`.
    Winmgmt,
    /// OpenSSH's server.
    Sshd,
}

/// How the client's address appears in the destination's 4624.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// With the port of the connection.
    Full,
    /// With port 0, as before a remote desktop session.
    NoPort,
    /// Not at all, as for a connection accepted by http.sys.
    Hidden,
}

/// Who goes where with which credentials, for any way.
#[derive(Clone, Copy)]
pub(crate) struct Approach<'a> {
    /// When, in µs since 1970 UTC.
    pub(crate) time: i64,
    /// The requesting process on the source.
    pub(crate) client: &'a Process,
    /// Its session.
    pub(crate) actor: &'a Session,
    /// The destination.
    pub(crate) dst: usize,
    /// Who logs on there.
    pub(crate) account: &'a Account,
    /// How the logon is authenticated.
    pub(crate) package: Package,
    /// Whether a domain controller issues a new ticket; otherwise it is in the cache.
    pub(crate) ticket: bool,
    /// Whether the credentials are given to the tool, instead of being the session's.
    pub(crate) explicit: bool,
    /// Whether the tool implements the protocol itself: then Windows on the source knows only the connection.
    pub(crate) foreign: bool,
}

/// One logon over one connection.
struct Entry<'a> {
    time: i64,
    client: &'a Process,
    server: &'a Process,
    dst: usize,
    account: &'a Account,
    port: u16,
    package: Package,
    ticket: Option<[u8; 16]>,
    address: Address,
    /// The name that the client claims; NTLM only.
    workstation: String,
    guid: [u8; 16],
}

/// A logon on the destination.
pub(crate) struct Entered {
    pub(crate) session: Session,
    pub(crate) port: u16,
}

/// What a way has started on the destination.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) session: Session,
}

/// A program to start.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    pub(crate) image: &'a str,
    pub(crate) original: &'a str,
    pub(crate) command: &'a str,
}

/// The service that Zeek reports for a connection to a port.
fn service(port: u16) -> &'static str {
    match port {
        135 | 49_664.. => "dce_rpc",
        445 => "smb",
        3389 => "rdp",
        5985 => "http",
        _ => "-",
    }
}

impl Sim {
    /// Sets a field of a logged event.
    pub(crate) fn amend(&mut self, index: usize, name: &str, value: Value) {
        let Some(pending) = self.pending.get_mut(index) else {
            return;
        };
        let (Body::EventData(fields) | Body::UserData { fields, .. }) = &mut pending.event.body;
        if let Some((_, own)) = fields.iter_mut().find(|(field, _)| field == name) {
            *own = value;
        }
    }

    /// A process that has run since the host started.
    pub(crate) fn part(&self, host: usize, part: Part) -> Process {
        let machine = &self.hosts[host];
        let svchost = "C:\\Windows\\System32\\svchost.exe";
        let (image, command, offset, user) = match part {
            Part::DcomLaunch => (
                svchost,
                "C:\\Windows\\system32\\svchost.exe -k DcomLaunch -p",
                32,
                "NT AUTHORITY\\SYSTEM",
            ),
            Part::RpcSs => (
                svchost,
                "C:\\Windows\\system32\\svchost.exe -k RPCSS -p",
                36,
                "NT AUTHORITY\\NETWORK SERVICE",
            ),
            Part::Winmgmt => (
                svchost,
                "C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s Winmgmt",
                52,
                "NT AUTHORITY\\SYSTEM",
            ),
            Part::Sshd => (
                "C:\\Windows\\System32\\OpenSSH\\sshd.exe",
                "C:\\Windows\\System32\\OpenSSH\\sshd.exe",
                72,
                "NT AUTHORITY\\SYSTEM",
            ),
        };
        let pid = machine.services.pid + offset;
        Process {
            host,
            pid,
            guid: sysmon_guid(
                machine.machine,
                machine.boot + 5 * SECOND + machine.skew,
                u64::from(pid) << 16 | 2,
            ),
            image: image.into(),
            command: command.into(),
            user: user.into(),
        }
    }

    /// A port on which a host answers procedure calls, the same from boot to boot.
    fn rpc_port(host: usize, which: u16) -> u16 {
        49_664 + which * 3 + u16::try_from(host % 3).unwrap_or(0)
    }

    /// Starts a process whose parent has another token: the creator's session is the parent's.
    pub(crate) fn spawn_as(
        &mut self,
        time: i64,
        parent: &Process,
        session: &Session,
        program: Program<'_>,
    ) -> Process {
        let process = self.spawn(
            time,
            parent,
            session,
            program.image,
            program.original,
            program.command,
        );
        if self.hosts[parent.host].process_audit && session.luid != 0x3e7 {
            let index = self.pending.len() - 1;
            let (creator, id, name) = if parent.user.ends_with("NETWORK SERVICE") {
                (
                    "S-1-5-20",
                    0x3e4,
                    format!("{}$", self.hosts[parent.host].name),
                )
            } else {
                (
                    SYSTEM_SID,
                    0x3e7,
                    format!("{}$", self.hosts[parent.host].name),
                )
            };
            self.amend(index, "SubjectUserSid", sid(creator));
            self.amend(index, "SubjectUserName", s(name));
            self.amend(index, "SubjectDomainName", s(self.domain.netbios.clone()));
            self.amend(index, "SubjectLogonId", luid(id));
            self.amend(index, "TargetUserName", s(session.name.clone()));
            self.amend(index, "TargetDomainName", s(session.domain.clone()));
            self.amend(index, "TargetLogonId", luid(session.luid));
        }
        process
    }

    /// Given credentials that are not the session's: 4648 on the source.
    pub(crate) fn explicit(
        &mut self,
        time: i64,
        actor: &Session,
        process: (&str, u32),
        account: &Account,
        target: (&str, String),
        ticket: [u8; 16],
    ) {
        self.log(
            actor.host,
            Channel::Security,
            time,
            (4648, 0, 12_544),
            vec![
                ("SubjectUserSid", sid(&actor.sid)),
                ("SubjectUserName", s(actor.name.clone())),
                ("SubjectDomainName", s(actor.domain.clone())),
                ("SubjectLogonId", luid(actor.luid)),
                ("LogonGuid", Value::Guid([0; 16])),
                ("TargetUserName", s(account.name.clone())),
                ("TargetDomainName", s(self.domain.netbios.clone())),
                ("TargetLogonGuid", Value::Guid(ticket)),
                ("TargetServerName", s(target.0)),
                ("TargetInfo", s(target.1)),
                ("ProcessId", Value::Hex64(u64::from(process.1))),
                ("ProcessName", s(process.0)),
                ("IpAddress", s("-")),
                ("IpPort", s("-")),
            ],
        );
    }

    /// One logon over one connection, as seen by the source, the domain controllers and the destination.
    fn enter(&mut self, entry: &Entry<'_>) -> Entered {
        let src = entry.client.host;
        let (time, dst, account) = (entry.time, entry.dst, entry.account);
        match (entry.package, entry.ticket) {
            (Package::Kerberos, Some(key)) => {
                let target = self.machine_account(dst);
                let lsass = self.hosts[src].lsass.clone();
                let before = time - 20_000 - self.random.span(60_000);
                let index = self.ticket(before, &lsass, account, (&target.name, &target.sid), 0x12);
                self.amend(index, "LogonGuid", Value::Guid(key));
            }
            (Package::Ntlm, _) => {
                self.validation(time + 15_000, dst, account, entry.workstation.clone());
            }
            (Package::Kerberos, None) => {}
        }
        let port = self.new_port(src, time);
        let duration = self.random.span(60 * SECOND);
        self.connect(
            time,
            entry.client,
            entry.server,
            (port, entry.port),
            service(entry.port),
            duration,
        );
        let ip = self.hosts[src].seen_ip(time);
        let (ip, shown) = match entry.address {
            Address::Full => (ip, port.to_string()),
            Address::NoPort => (ip, "0".to_owned()),
            Address::Hidden => ("-".to_owned(), "-".to_owned()),
        };
        let ntlm = entry.package == Package::Ntlm;
        let how = Logon {
            kind: 3,
            process: if ntlm { "NtLmSsp " } else { "Kerberos" },
            package: if ntlm { "NTLM" } else { "Kerberos" },
            workstation: if ntlm && entry.address == Address::Full {
                entry.workstation.clone()
            } else {
                "-".into()
            },
            ip,
            port: shown,
            outbound: "-",
            subject: None,
        };
        let later = 20_000 + self.random.span(30_000);
        let (session, index) = self.logon(time + later, dst, account, &how);
        if !ntlm {
            // A ticket contains the realm, not the NetBIOS name.
            self.amend(index, "TargetDomainName", s(self.domain.realm.clone()));
            self.amend(index, "LogonGuid", Value::Guid(entry.guid));
        }
        Entered { session, port }
    }

    fn ticket_key(&mut self, approach: &Approach<'_>) -> Option<[u8; 16]> {
        (approach.package == Package::Kerberos && approach.ticket).then(|| self.random.guid())
    }

    /// The name that the client claims over NTLM.
    fn claim(&mut self, approach: &Approach<'_>) -> String {
        if approach.foreign {
            String::new()
        } else {
            self.hosts[approach.client.host].name.clone()
        }
    }

    /// The new tickets and the 4648s that credentials given to a tool cause on the source.
    fn announce(
        &mut self,
        approach: &Approach<'_>,
        process: (&str, u32),
        classes: &[&str],
        ticket: Option<[u8; 16]>,
    ) {
        if !approach.explicit || approach.foreign {
            return;
        }
        if ticket.is_some() {
            self.tgt(
                approach.time - 120_000,
                approach.client.host,
                approach.account,
            );
        }
        let server = self.hosts[approach.dst].fqdn();
        for (number, class) in classes.iter().enumerate() {
            let info = if class.is_empty() {
                server.clone()
            } else {
                format!("{class}/{server}")
            };
            let at = approach.time - 15_000 + i64::try_from(number).unwrap_or(0) * 40_000;
            let key = if number == 0 {
                ticket.unwrap_or_default()
            } else {
                [0; 16]
            };
            self.explicit(
                at,
                approach.actor,
                process,
                approach.account,
                (&server, info),
                key,
            );
        }
    }

    /// Sessions over procedure calls: one for the activation on port 135, one for the object on a port of its server.
    /// Both use one ticket if `one_ticket`.
    fn rpc(
        &mut self,
        approach: &Approach<'_>,
        classes: &[&str],
        server: &Process,
        port: u16,
        one_ticket: bool,
    ) -> (Entered, Entered) {
        let key = self.ticket_key(approach);
        let image = approach.client.image.clone();
        self.announce(approach, (&image, approach.client.pid), classes, key);
        let src = approach.client.host;
        let local = self.part(src, Part::RpcSs);
        let remote = self.part(approach.dst, Part::RpcSs);
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        let entry = Entry {
            time: approach.time,
            client: if approach.foreign {
                approach.client
            } else {
                &local
            },
            server: &remote,
            dst: approach.dst,
            account: approach.account,
            port: 135,
            package: approach.package,
            ticket: key,
            address: Address::Full,
            workstation,
            guid,
        };
        let first = self.enter(&entry);
        let second = self.random.guid();
        let entry = Entry {
            time: approach.time + 90_000,
            client: approach.client,
            server,
            port,
            ticket: None,
            guid: if one_ticket { guid } else { second },
            ..entry
        };
        let second = self.enter(&entry);
        (first, second)
    }

    /// A refused network logon: 4625 on the destination.
    pub(crate) fn refused(&mut self, time: i64, src: usize, dst: usize, account: &str, sub: u32) {
        let port = self.new_port(src, time);
        let (name, ip) = (self.hosts[src].name.clone(), self.hosts[src].seen_ip(time));
        let index = self.log(
            dst,
            Channel::Security,
            time,
            (4625, 0, 12_544),
            vec![
                ("SubjectUserSid", sid("S-1-0-0")),
                ("SubjectUserName", s("-")),
                ("SubjectDomainName", s("-")),
                ("SubjectLogonId", luid(0)),
                ("TargetUserSid", sid("S-1-0-0")),
                ("TargetUserName", s(account)),
                ("TargetDomainName", s(self.domain.netbios.clone())),
                ("Status", Value::Hex32(0xc000_006d)),
                ("FailureReason", s("%%2313")),
                ("SubStatus", Value::Hex32(sub)),
                ("LogonType", Value::U32(3)),
                ("LogonProcessName", s("NtLmSsp ")),
                ("AuthenticationPackageName", s("NTLM")),
                ("WorkstationName", s(name)),
                ("TransmittedServices", s("-")),
                ("LmPackageName", s("-")),
                ("KeyLength", Value::U32(0)),
                ("ProcessId", luid(0)),
                ("ProcessName", s("-")),
                ("IpAddress", s(ip)),
                ("IpPort", s(port.to_string())),
            ],
        );
        self.failure(index);
    }

    /// Clearing the Security log: 1102.
    pub(crate) fn clear_security(&mut self, time: i64, session: &Session) {
        let fields = [
            ("SubjectUserSid", sid(&session.sid)),
            ("SubjectUserName", s(session.name.clone())),
            ("SubjectDomainName", s(session.domain.clone())),
            ("SubjectLogonId", luid(session.luid)),
        ];
        let body = Body::UserData {
            element: "LogFileCleared".into(),
            namespace: "http://manifests.microsoft.com/win/2004/08/windows/eventlog".into(),
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        };
        let index = self.push(session.host, Channel::Security, time, (1102, 0, 104), body);
        let event = &mut self.pending[index].event;
        event.provider = "Microsoft-Windows-Eventlog".into();
        event.provider_guid = guid("fc65ddd8-d6ef-4962-83d5-6e5cfe9ce148").unwrap_or_default();
        event.level = 4;
        event.keywords = 0x4020_0000_0000_0000;
    }

    /// New credentials for outgoing connections only, as in passing a hash: a logon of type 9. Also returns its index
    /// among the events.
    pub(crate) fn new_credentials(
        &mut self,
        time: i64,
        session: &Session,
        own: &Account,
        stolen: &Account,
    ) -> (Session, usize) {
        let how = Logon {
            kind: 9,
            process: "seclogo",
            package: "Negotiate",
            workstation: "-".into(),
            ip: "::1".into(),
            port: "0".into(),
            outbound: &stolen.name,
            subject: Some(session),
        };
        let (mut outbound, index) = self.logon(time, session.host, own, &how);
        outbound.terminal = session.terminal;
        (outbound, index)
    }

    /// A tool, not lsass, requests a ticket for an account: 4768, and a connection of the tool.
    pub(crate) fn forged_request(&mut self, time: i64, tool: &Process, account: &Account) {
        let controller = self.hosts[tool.host].controller;
        let server = self.hosts[controller].lsass.clone();
        let port = self.new_port(tool.host, time);
        self.connect(time, tool, &server, (port, 88), "krb_tcp", 30_000);
        let from = self.pending.len();
        self.tgt(time, tool.host, account);
        let at = self.pending.len() - 1;
        self.amend(at, "IpPort", s(port.to_string()));
        self.amend(at, "TicketEncryptionType", Value::Hex32(0x17));
        self.amend(at, "TicketOptions", Value::Hex32(0x4080_0010));
        // The connection that lsass would have made.
        let event = self.pending.remove(at);
        self.pending.truncate(from);
        self.pending.push(event);
    }
}
