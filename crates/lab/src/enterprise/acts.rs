//! What remote acts leave on both ends and on the domain controllers, in the shapes that Windows gives them.

use crate::evtx_writer::{Body, Value, guid};
use crate::sim::{
    Account, Channel, Logon, Package, Process, SECOND, SYSTEM_SID, Session, Share, Sim, luid, s,
    sid, sysmon_guid,
};

/// A process that runs since the host was started.
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

/// How the client's address shows in the destination's 4624.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// With the port of the connection.
    Full,
    /// With port 0, as before a remote desktop session.
    NoPort,
    /// Not at all, as where http.sys took the connection.
    Hidden,
}

/// Who goes where with what, for whichever way.
#[derive(Clone, Copy)]
pub(crate) struct Approach<'a> {
    /// When, µs since 1970 UTC.
    pub(crate) time: i64,
    /// The process on the source that asks for it.
    pub(crate) client: &'a Process,
    /// Its session.
    pub(crate) actor: &'a Session,
    /// The destination.
    pub(crate) dst: usize,
    /// Who logs on there.
    pub(crate) account: &'a Account,
    /// How the logon is authenticated.
    pub(crate) package: Package,
    /// Whether a domain controller issues a new ticket; else it lies in the cache.
    pub(crate) ticket: bool,
    /// Whether the credentials are given to the tool, and are not those of the session.
    pub(crate) explicit: bool,
    /// Whether the tool speaks the protocol itself: then Windows on the source knows nothing of it but the connection.
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
    /// What the client says that it is called; NTLM only.
    workstation: String,
    guid: [u8; 16],
}

/// A logon on the destination.
pub(crate) struct Entered {
    pub(crate) session: Session,
    pub(crate) port: u16,
}

/// What runs on the destination after a way was gone.
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

/// A service to install.
#[derive(Clone, Copy)]
pub(crate) struct Service<'a> {
    pub(crate) name: &'a str,
    /// As it is registered.
    pub(crate) path: &'a str,
    /// As it runs.
    pub(crate) program: Program<'a>,
    /// Copied to `ADMIN$` before, by this name.
    pub(crate) file: Option<&'a str>,
    /// Stem of the pipes for its input and output.
    pub(crate) pipes: Option<&'a str>,
    /// Whether the service manager is asked over TCP, and not over the pipe.
    pub(crate) over_tcp: bool,
    /// What it starts; without it, the service is all.
    pub(crate) payload: Option<Program<'a>>,
}

/// A remote desktop session.
pub(crate) struct Desktop {
    pub(crate) session: Session,
    pub(crate) explorer: Process,
}

impl Sim {
    /// Sets a field of an event that was logged.
    pub(crate) fn amend(&mut self, index: usize, name: &str, value: Value) {
        let Some(pending) = self.pending.get_mut(index) else {
            return;
        };
        let (Body::EventData(fields) | Body::UserData { fields, .. }) = &mut pending.event.body;
        if let Some((_, own)) = fields.iter_mut().find(|(field, _)| field == name) {
            *own = value;
        }
    }

    /// A process that runs since the host was started.
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

    /// Credentials that are given and not those of the session: 4648 on the source.
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

    /// One logon over one connection, as source, domain controllers and destination see it.
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
                let controller = self.hosts[dst].controller;
                self.log(
                    controller,
                    Channel::Security,
                    time + 15_000,
                    (4776, 0, 14_336),
                    vec![
                        ("PackageName", s("MICROSOFT_AUTHENTICATION_PACKAGE_V1_0")),
                        ("TargetUserName", s(account.name.clone())),
                        ("Workstation", s(entry.workstation.clone())),
                        ("Status", Value::Hex32(0)),
                    ],
                );
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
            "-",
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
            // The realm, not the NetBIOS name, is what a ticket tells.
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

    /// The fresh tickets and the 4648s that credentials given to a tool leave on the source.
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

    /// A session over SMB.
    pub(crate) fn smb(&mut self, approach: &Approach<'_>) -> Entered {
        let key = self.ticket_key(approach);
        self.announce(approach, ("", 4), &["cifs"], key);
        let src = approach.client.host;
        let system = self.hosts[src].system.clone();
        let server = self.hosts[approach.dst].system.clone();
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        self.enter(&Entry {
            time: approach.time,
            client: if approach.foreign {
                approach.client
            } else {
                &system
            },
            server: &server,
            dst: approach.dst,
            account: approach.account,
            port: 445,
            package: approach.package,
            ticket: key,
            address: Address::Full,
            workstation,
            guid,
        })
    }

    /// Sessions over procedure calls: one for the activation on port 135, one for the object on a port of its server.
    /// Both are of one ticket if `one_ticket`.
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

    /// A service is installed over the network, started, and stopped at `until`.
    pub(crate) fn remote_service(
        &mut self,
        approach: &Approach<'_>,
        service: &Service<'_>,
        until: i64,
    ) -> Running {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let entered = self.smb(approach);
        let (session, port) = (entered.session, entered.port);
        let dropper = self.hosts[dst].system.clone();
        if let Some(file) = service.file {
            let share = Share {
                name: "ADMIN$",
                local: "\\??\\C:\\Windows",
                paths: &[(file, 0x12_0196)],
            };
            self.share(time + 100_000, src, port, &session, share);
            self.file(time + 160_000, &dropper, &format!("C:\\Windows\\{file}"));
        }
        let manager = self.hosts[dst].services.clone();
        let mut caller = session.clone();
        if service.over_tcp {
            let (_, over) = self.rpc(
                &Approach {
                    time: time + 200_000,
                    ticket: false,
                    explicit: false,
                    ..*approach
                },
                &[],
                &manager,
                Self::rpc_port(dst, 4),
                true,
            );
            caller = over.session;
        } else {
            let share = Share {
                name: "IPC$",
                local: "",
                paths: &[("svcctl", 0x12_019f)],
            };
            self.share(time + 220_000, src, port, &session, share);
        }
        self.install_service(
            time + 400_000,
            &caller,
            service.name,
            service.path,
            "demand start",
        );
        let system = self.system_session(dst);
        let running = self.spawn(
            time + 500_000,
            &manager,
            &system,
            service.program.image,
            service.program.original,
            service.program.command,
        );
        self.service_state(time + 550_000, dst, service.name, "running");
        if let Some(stem) = service.pipes {
            let names: Vec<String> = ["stdin", "stdout", "stderr"]
                .iter()
                .map(|end| format!("{stem}-{end}"))
                .collect();
            for name in &names {
                self.pipe(time + 570_000, &running, &format!("\\{name}"), false);
                self.pipe(time + 590_000, &dropper, &format!("\\{name}"), true);
            }
            let paths: Vec<(&str, u32)> = names
                .iter()
                .map(|name| (name.as_str(), 0x12_019f))
                .collect();
            let share = Share {
                name: "IPC$",
                local: "",
                paths: &paths,
            };
            self.share(time + 600_000, src, port, &session, share);
        }
        let payload = service.payload.map(|program| {
            self.spawn(
                time + 800_000,
                &running,
                &system,
                program.image,
                program.original,
                program.command,
            )
        });
        if let Some(payload) = &payload {
            self.exit(until - SECOND, payload, &system);
        }
        self.exit(until, &running, &system);
        self.service_state(until + 100_000, dst, service.name, "stopped");
        self.logoff(until + 2 * SECOND, &session);
        if service.over_tcp {
            self.logoff(time + 15 * SECOND, &caller);
        }
        Running {
            process: payload.unwrap_or(running),
            session: system,
        }
    }

    /// A process is made by WMI: several logons of one ticket, and a child of the provider host in one of their sessions.
    pub(crate) fn wmi(
        &mut self,
        approach: &Approach<'_>,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let server = self.part(dst, Part::Winmgmt);
        let port = Self::rpc_port(dst, 2);
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], &server, port, true);
        let host = self.provider_host(time + 200_000, dst);
        let process = self.spawn_as(time + 350_000, &host, &second.session, program);
        self.exit(until, &process, &second.session);
        self.logoff(time + 8 * SECOND, &first.session);
        self.logoff(until + SECOND, &second.session);
        self.exit_network_service(until + 90 * SECOND, &host);
        Running {
            process,
            session: second.session,
        }
    }

    /// A query over WMI, as monitoring makes it: logons, and no process of its own.
    pub(crate) fn wmi_query(&mut self, approach: &Approach<'_>) {
        let server = self.part(approach.dst, Part::Winmgmt);
        let port = Self::rpc_port(approach.dst, 2);
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], &server, port, true);
        self.logoff(approach.time + 3 * SECOND, &first.session);
        self.logoff(approach.time + 4 * SECOND, &second.session);
    }

    /// One question to a service that listens on port 135 already, as monitoring asks it every few minutes: one logon.
    pub(crate) fn probe(&mut self, approach: &Approach<'_>) {
        let key = self.ticket_key(approach);
        let server = self.part(approach.dst, Part::RpcSs);
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        let entered = self.enter(&Entry {
            time: approach.time,
            client: approach.client,
            server: &server,
            dst: approach.dst,
            account: approach.account,
            port: 135,
            package: approach.package,
            ticket: key,
            address: Address::Full,
            workstation,
            guid,
        });
        self.logoff(approach.time + 2 * SECOND, &entered.session);
    }

    fn network_service(&self, host: usize) -> Session {
        Session {
            luid: 0x3e4,
            sid: "S-1-5-20".into(),
            shown: "NT AUTHORITY\\NETWORK SERVICE".into(),
            ..self.system_session(host)
        }
    }

    fn provider_host(&mut self, time: i64, host: usize) -> Process {
        let launcher = self.part(host, Part::DcomLaunch);
        let session = self.network_service(host);
        self.spawn_as(
            time,
            &launcher,
            &session,
            Program {
                image: "C:\\Windows\\System32\\wbem\\WmiPrvSE.exe",
                original: "Wmiprvse.exe",
                command: "C:\\Windows\\system32\\wbem\\wmiprvse.exe -secured -Embedding",
            },
        )
    }

    fn exit_network_service(&mut self, time: i64, process: &Process) {
        let session = self.network_service(process.host);
        self.exit(time, process, &session);
    }

    /// An object of MMC is made on the destination and told to start a program.
    pub(crate) fn dcom_console(
        &mut self,
        approach: &Approach<'_>,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let launcher = self.part(dst, Part::DcomLaunch);
        // The server's process is there before the client speaks to it; its session is that of the activation.
        let image = "C:\\Windows\\System32\\mmc.exe";
        let pid_of = Process {
            host: dst,
            image: image.into(),
            command: "C:\\Windows\\system32\\mmc.exe -Embedding".into(),
            user: format!("{}\\{}", self.domain.netbios, approach.account.name),
            pid: self.new_pid(dst),
            guid: self.random.guid(),
        };
        let port = 50_000 + u16::try_from(self.random.below(9_000)).unwrap_or(0);
        let from = self.pending.len();
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], &pid_of, port, false);
        let to = self.pending.len();
        let console = self.spawn_as(
            time + 60_000,
            &launcher,
            &first.session,
            Program {
                image,
                original: "mmc.exe",
                command: "C:\\Windows\\system32\\mmc.exe -Embedding",
            },
        );
        // The connection's event names the process that was started.
        for index in from..to {
            let event = &self.pending[index].event;
            let own = event.event_id == 3
                && matches!(&event.body, Body::EventData(fields)
                    if fields.contains(&("ProcessGuid".to_owned(), Value::Guid(pid_of.guid))));
            if own {
                self.amend(index, "ProcessGuid", Value::Guid(console.guid));
                self.amend(index, "ProcessId", Value::U32(console.pid));
            }
        }
        let process = self.spawn(
            time + 600_000,
            &console,
            &first.session,
            program.image,
            program.original,
            program.command,
        );
        self.exit(until, &process, &first.session);
        self.exit(until + SECOND, &console, &first.session);
        self.logoff(time + 20 * SECOND, &second.session);
        self.logoff(until + 2 * SECOND, &first.session);
        Running {
            process,
            session: first.session,
        }
    }

    /// The shell of somebody who is logged on to the destination is told to start a program: it runs as that user.
    pub(crate) fn dcom_shell(
        &mut self,
        approach: &Approach<'_>,
        seat: (&Process, &Session),
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let time = approach.time;
        let port = 50_000 + u16::try_from(self.random.below(9_000)).unwrap_or(0);
        let (first, second) = self.rpc(approach, &["RPCSS", "host"], seat.0, port, false);
        let process = self.spawn(
            time + 500_000,
            seat.0,
            seat.1,
            program.image,
            program.original,
            program.command,
        );
        self.exit(until, &process, seat.1);
        self.logoff(time + 10 * SECOND, &first.session);
        self.logoff(time + 12 * SECOND, &second.session);
        Running {
            process,
            session: seat.1.clone(),
        }
    }

    /// A shell over WS-Management: logons without an address, the shell's creation, its host process.
    pub(crate) fn remoting(
        &mut self,
        approach: &Approach<'_>,
        program: Option<Program<'_>>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let src = approach.client.host;
        let connection = format!("{}/wsman?PSVersion=5.1.17763.1", self.hosts[dst].name);
        let index = self.log(
            src,
            Channel::WinRm,
            time - 200_000,
            (6, 0, 3),
            vec![("connection", s(connection))],
        );
        self.pending[index].event.user_sid = Some(approach.actor.sid.clone());
        let key = self.ticket_key(approach);
        // Also with the session's own credentials.
        let given = Approach {
            explicit: true,
            ..*approach
        };
        let image = approach.client.image.clone();
        let pid = approach.client.pid;
        if approach.explicit {
            self.announce(&given, (&image, pid), &["HTTP", "HTTP"], key);
        } else {
            let server = self.hosts[dst].fqdn();
            for (number, ticket) in [key.unwrap_or_default(), [0; 16]].into_iter().enumerate() {
                let at = time - 15_000 + i64::try_from(number).unwrap_or(0) * 300_000;
                let info = format!("HTTP/{server}");
                self.explicit(
                    at,
                    approach.actor,
                    (&image, pid),
                    approach.account,
                    (&server, info),
                    ticket,
                );
            }
        }
        let server = self.hosts[dst].system.clone();
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        let mut sessions = Vec::new();
        for number in 0..3 {
            let entered = self.enter(&Entry {
                time: time + number * 250_000,
                client: approach.client,
                server: &server,
                dst,
                account: approach.account,
                port: 5985,
                package: approach.package,
                ticket: if number == 0 { key } else { None },
                address: Address::Hidden,
                workstation: workstation.clone(),
                guid,
            });
            sessions.push(entered.session);
        }
        let session = sessions[0].clone();
        let data = vec![
            (
                "resourceUri",
                s("http://schemas.microsoft.com/powershell/Microsoft.PowerShell"),
            ),
            ("shellId", s(crate::sim::guid_text(&self.random.guid()))),
        ];
        let index = self.log(dst, Channel::WinRm, time + 350_000, (91, 0, 9), data);
        self.pending[index].event.user_sid = Some(session.sid.clone());
        let launcher = self.part(dst, Part::DcomLaunch);
        let host = self.spawn_as(
            time + 450_000,
            &launcher,
            &session,
            Program {
                image: "C:\\Windows\\System32\\wsmprovhost.exe",
                original: "wsmprovhost.exe",
                command: "C:\\Windows\\system32\\wsmprovhost.exe -Embedding",
            },
        );
        let process = program.map(|program| {
            self.spawn(
                time + 4 * SECOND,
                &host,
                &session,
                program.image,
                program.original,
                program.command,
            )
        });
        if let Some(process) = &process {
            self.exit(until - SECOND, process, &session);
        }
        self.exit(until, &host, &session);
        self.logoff(until + SECOND, &session);
        for one in &sessions[1..] {
            self.logoff(until + 2 * SECOND, one);
        }
        Running {
            process: process.unwrap_or(host),
            session,
        }
    }

    /// A task is registered and started over the network.
    pub(crate) fn remote_task(
        &mut self,
        approach: &Approach<'_>,
        task: &str,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (dst, time) = (approach.dst, approach.time);
        let schedule = self.hosts[dst].schedule.clone();
        let (first, second) =
            self.rpc(approach, &["host"], &schedule, Self::rpc_port(dst, 1), true);
        self.register_task(time + 300_000, &second.session, task, program.command);
        let at = time + 5 * SECOND;
        let system = self.system_session(dst);
        let process = self.spawn(
            at,
            &schedule,
            &system,
            program.image,
            program.original,
            program.command,
        );
        let instance = self.random.guid();
        for (id, version, later, data) in [
            (
                129,
                0,
                10_000,
                vec![
                    ("TaskName", s(task)),
                    ("Path", s(program.image)),
                    ("ProcessID", Value::U32(process.pid)),
                    ("Priority", Value::U32(16_384)),
                ],
            ),
            (
                200,
                1,
                12_000,
                vec![
                    ("TaskName", s(task)),
                    ("ActionName", s(program.image)),
                    ("TaskInstanceId", Value::Guid(instance)),
                    ("EnginePID", Value::U32(schedule.pid)),
                ],
            ),
            (
                201,
                2,
                until - at,
                vec![
                    ("TaskName", s(task)),
                    ("TaskInstanceId", Value::Guid(instance)),
                    ("ActionName", s(program.image)),
                    ("ResultCode", Value::U32(0)),
                    ("EnginePID", Value::U32(schedule.pid)),
                ],
            ),
        ] {
            self.log(dst, Channel::Tasks, at + later, (id, version, id), data);
        }
        self.exit(until - 20_000, &process, &system);
        self.logoff(time + 20 * SECOND, &first.session);
        self.logoff(time + 25 * SECOND, &second.session);
        Running {
            process,
            session: system,
        }
    }

    /// A file is written to the destination's system drive over SMB.
    pub(crate) fn copy_to(&mut self, approach: &Approach<'_>, path: &str, until: i64) -> Entered {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let entered = self.smb(approach);
        for (later, name, local, paths) in [
            (40_000, "IPC$", "", vec![("srvsvc", 0x12_019f)]),
            (
                90_000,
                "C$",
                "\\??\\C:\\",
                vec![(path, 0x12_0196), (path, 0x12_0089)],
            ),
        ] {
            let share = Share {
                name,
                local,
                paths: &paths,
            };
            self.share(time + later, src, entered.port, &entered.session, share);
        }
        let system = self.hosts[dst].system.clone();
        self.file(time + 180_000, &system, &format!("C:\\{path}"));
        self.logoff(until, &entered.session);
        entered
    }

    /// A shell over OpenSSH with a password.
    pub(crate) fn ssh(
        &mut self,
        approach: &Approach<'_>,
        program: Program<'_>,
        until: i64,
    ) -> Running {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let server = self.part(dst, Part::Sshd);
        let port = self.new_port(src, time);
        self.connect(
            time,
            approach.client,
            &server,
            (port, 22),
            "ssh",
            until - time,
        );
        let how = Logon {
            kind: 8,
            process: "Advapi  ",
            package: "Negotiate",
            workstation: self.hosts[dst].name.clone(),
            ip: "-".into(),
            port: "-".into(),
            outbound: "-",
            subject: None,
        };
        let (session, index) = self.logon(time + 3 * SECOND, dst, approach.account, &how);
        self.amend(index, "ProcessId", Value::Hex64(u64::from(server.pid)));
        self.amend(index, "ProcessName", s(server.image.clone()));
        let user = format!(
            "{}\\\\{}",
            self.domain.netbios.to_lowercase(),
            approach.account.name
        );
        let ip = self.hosts[src].seen_ip(time);
        let line = format!("Accepted password for {user} from {ip} port {port} ssh2");
        let data = vec![("process", s("sshd")), ("payload", s(line))];
        self.log(
            dst,
            Channel::OpenSsh,
            time + 3 * SECOND + 90_000,
            (4, 0, 0),
            data,
        );
        let child = self.spawn_as(
            time + 3 * SECOND + 200_000,
            &server,
            &session,
            Program {
                image: "C:\\Windows\\System32\\OpenSSH\\sshd.exe",
                original: "-",
                command: "C:\\Windows\\System32\\OpenSSH\\sshd.exe -y",
            },
        );
        let process = self.spawn(
            time + 4 * SECOND,
            &child,
            &session,
            program.image,
            program.original,
            program.command,
        );
        self.exit(until - SECOND, &process, &session);
        self.exit(until, &child, &session);
        self.logoff(until + SECOND, &session);
        Running { process, session }
    }

    /// The directory is asked for secrets as a domain controller asks another.
    pub(crate) fn replicate(&mut self, approach: &Approach<'_>) {
        let (dst, time) = (approach.dst, approach.time);
        let lsass = self.hosts[dst].lsass.clone();
        let (first, second) = self.rpc(approach, &["LDAP"], &lsass, Self::rpc_port(dst, 0), true);
        let object = "%{5ee9c1c2-0c0a-4f4a-9d4b-7d3f6a1f9b21}";
        let all = [
            "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
            "1131f6ad-9c07-11d1-f79f-00c04fc2dcd2",
            "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2",
        ];
        for (number, right) in all.iter().enumerate() {
            let at = time + 300_000 + i64::try_from(number).unwrap_or(0) * 20_000;
            self.directory_access(at, &second.session, object, right);
        }
        self.logoff(time + 20 * SECOND, &first.session);
        self.logoff(time + 30 * SECOND, &second.session);
    }

    /// Use of a right on an object of the directory: 4662.
    pub(crate) fn directory_access(
        &mut self,
        time: i64,
        session: &Session,
        object: &str,
        right: &str,
    ) {
        self.log(
            session.host,
            Channel::Security,
            time,
            (4662, 0, 14_080),
            vec![
                ("SubjectUserSid", sid(&session.sid)),
                ("SubjectUserName", s(session.name.clone())),
                ("SubjectDomainName", s(session.domain.clone())),
                ("SubjectLogonId", luid(session.luid)),
                ("ObjectServer", s("DS")),
                ("ObjectType", s("%{19195a5b-6da0-11d0-afd3-00c04fd930c9}")),
                ("ObjectName", s(object)),
                ("OperationType", s("Object Access")),
                ("HandleId", luid(0)),
                ("AccessList", s("%%7688\n\t\t\t\t")),
                ("AccessMask", Value::Hex32(0x100)),
                (
                    "Properties",
                    s(format!(
                        "%%7688\n\t\t{{{right}}}\n\t{{19195a5b-6da0-11d0-afd3-00c04fd930c9}}\n"
                    )),
                ),
                ("AdditionalInfo", s("-")),
                ("AdditionalInfo2", s("")),
            ],
        );
    }

    /// The connection of a remote desktop client, up to the authentication of the network logon.
    fn desktop_connection(&mut self, approach: &Approach<'_>) -> Session {
        let (src, dst, time) = (approach.client.host, approach.dst, approach.time);
        let (name, ip) = (self.hosts[dst].fqdn(), self.hosts[dst].own_ip(time));
        for (id, field, value) in [
            (1024, "Server Name", name.clone()),
            (1102, "Server Address", ip),
        ] {
            let data = vec![
                ("Name", s(field)),
                ("Value", s(value)),
                ("CustomLevel", s("Info")),
            ];
            let at = time - 400_000 + i64::from(id) * 100;
            let index = self.log(src, Channel::RdpClient, at, (id, 0, 101), data);
            self.pending[index].event.user_sid = Some(approach.actor.sid.clone());
            self.pending[index].event.process_id = approach.client.pid;
        }
        let key = self.ticket_key(approach);
        let lsass = self.hosts[src].lsass.clone();
        if approach.explicit {
            self.announce(approach, (&lsass.image, lsass.pid), &["TERMSRV"], key);
        }
        let server = self.hosts[dst].svchost.clone();
        let guid = self.random.guid();
        let workstation = self.claim(approach);
        let entered = self.enter(&Entry {
            time,
            client: approach.client,
            server: &server,
            dst,
            account: approach.account,
            port: 3389,
            package: approach.package,
            ticket: key,
            address: Address::NoPort,
            workstation,
            guid,
        });
        let source = self.hosts[src].seen_ip(time);
        let data = vec![
            ("ConnType", s("TCP")),
            ("ClientIP", s(format!("{source}:{}", entered.port))),
        ];
        let activity = self.random.guid();
        let index = self.log(dst, Channel::RdpCore, time + 4_000, (131, 0, 4), data);
        self.pending[index].event.activity_id = Some(activity);
        self.user_data(
            dst,
            Channel::Connections,
            time + 200_000,
            1149,
            vec![
                ("Param1", s(approach.account.name.clone())),
                ("Param2", s(self.domain.netbios.clone())),
                ("Param3", s(source.clone())),
            ],
        );
        let machine = self.system_session(dst);
        let svchost = self.hosts[dst].svchost.clone();
        let index = self.pending.len();
        self.explicit(
            time + 880_000,
            &machine,
            (&svchost.image, svchost.pid),
            approach.account,
            ("localhost", "localhost".to_owned()),
            [0; 16],
        );
        self.amend(index, "IpAddress", s(source));
        self.amend(index, "IpPort", s("0"));
        entered.session
    }

    fn desktop_logon(&self, approach: &Approach<'_>, kind: u32) -> Logon<'static> {
        Logon {
            kind,
            process: "User32 ",
            package: "Negotiate",
            workstation: self.hosts[approach.dst].name.clone(),
            ip: self.hosts[approach.client.host].seen_ip(approach.time),
            port: "0".into(),
            outbound: "-",
            subject: None,
        }
    }

    /// A logon of an administrator at a desktop: the elevated half and the filtered half, linked.
    fn split_logon(&mut self, time: i64, approach: &Approach<'_>, kind: u32) -> Session {
        let how = self.desktop_logon(approach, kind);
        let (mut session, first) = self.logon(time, approach.dst, approach.account, &how);
        if approach.account.admin {
            let (linked, second) = self.logon(time + 300, approach.dst, approach.account, &how);
            // A filtered token has no special privileges.
            self.pending.truncate(second + 1);
            self.amend(first, "TargetLinkedLogonId", luid(linked.luid));
            self.amend(second, "TargetLinkedLogonId", luid(session.luid));
            self.amend(second, "ElevatedToken", s("%%1843"));
            session.elevated = true;
        }
        session
    }

    /// A remote desktop session with its shell; it ends at `until`.
    pub(crate) fn desktop(&mut self, approach: &Approach<'_>, until: i64) -> Desktop {
        let (dst, time) = (approach.dst, approach.time);
        let source = self.hosts[approach.client.host].seen_ip(approach.time);
        let before = self.desktop_connection(approach);
        self.hosts[dst].windows_session += 1;
        let session = self.split_logon(time + 900_000, approach, 10);
        for (id, later) in [(21, 1_200_000), (22, 1_600_000)] {
            self.lsm(time + later, &session, id, &source);
        }
        let services = self.hosts[dst].services.clone();
        let winlogon = Process {
            image: "C:\\Windows\\System32\\winlogon.exe".into(),
            command: "winlogon.exe".into(),
            pid: self.new_pid(dst),
            guid: self.process_guid(dst, time, 700 + session.terminal),
            ..services
        };
        let image = "C:\\Windows\\System32\\userinit.exe";
        let init = self.spawn_as(
            time + 2 * SECOND,
            &winlogon,
            &session,
            Program {
                image,
                original: "USERINIT.EXE",
                command: image,
            },
        );
        let image = "C:\\Windows\\explorer.exe";
        let explorer = self.spawn(
            time + 3 * SECOND,
            &init,
            &session,
            image,
            "EXPLORER.EXE",
            "C:\\Windows\\Explorer.EXE",
        );
        self.exit(time + 25 * SECOND, &init, &session);
        self.logoff(time + 45 * SECOND, &before);
        self.lsm(until, &session, 24, &source);
        self.window_station(until, &session, 4779, approach.client.host);
        self.exit(until + SECOND, &explorer, &session);
        self.lsm(until + 2 * SECOND, &session, 23, &source);
        self.logoff(until + 2 * SECOND, &session);
        Desktop { session, explorer }
    }

    /// A client that was cut off comes back to its session: a logon of type 7 with the client's address, 4778, 25.
    pub(crate) fn reconnect(&mut self, approach: &Approach<'_>, desktop: &Desktop) {
        let (dst, time) = (approach.dst, approach.time);
        let source = self.hosts[approach.client.host].seen_ip(approach.time);
        self.lsm(time - 90 * SECOND, &desktop.session, 24, &source);
        self.window_station(
            time - 90 * SECOND,
            &desktop.session,
            4779,
            approach.client.host,
        );
        let before = self.desktop_connection(approach);
        let how = self.desktop_logon(approach, 7);
        let (unlock, _) = self.logon(time + 900_000, dst, approach.account, &how);
        self.window_station(
            time + 1_100_000,
            &desktop.session,
            4778,
            approach.client.host,
        );
        self.lsm(time + 1_200_000, &desktop.session, 25, &source);
        self.logoff(time + 1_300_000, &unlock);
        self.logoff(time + 30 * SECOND, &before);
    }

    /// A session is joined to a client's window, or parted from it: 4778, 4779.
    fn window_station(&mut self, time: i64, session: &Session, id: u16, client: usize) {
        let (name, address) = (
            self.hosts[client].name.clone(),
            self.hosts[client].seen_ip(time),
        );
        self.log(
            session.host,
            Channel::Security,
            time,
            (id, 0, 12_551),
            vec![
                ("AccountName", s(session.name.clone())),
                ("AccountDomain", s(session.domain.clone())),
                ("LogonID", luid(session.luid)),
                ("SessionName", s(format!("RDP-Tcp#{}", session.terminal))),
                ("ClientName", s(name)),
                ("ClientAddress", s(address)),
            ],
        );
    }

    /// A network logon is refused: 4625 on the destination.
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

    /// The Security log is cleared: 1102.
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

    /// Somebody logs on at the keyboard: the elevated and the filtered half for administrators, the shell.
    pub(crate) fn sit_down(&mut self, time: i64, host: usize, account: &Account) -> Desktop {
        self.tgt(time - SECOND, host, account);
        let name = self.hosts[host].name.clone();
        let how = crate::world::local(&name, 2);
        let (session, first) = self.logon(time, host, account, &how);
        if account.admin {
            let (linked, second) = self.logon(time + 300, host, account, &how);
            self.pending.truncate(second + 1);
            self.amend(first, "TargetLinkedLogonId", luid(linked.luid));
            self.amend(second, "TargetLinkedLogonId", luid(session.luid));
            self.amend(second, "ElevatedToken", s("%%1843"));
        }
        self.lsm(time + SECOND, &session, 21, "LOCAL");
        self.lsm(time + 2 * SECOND, &session, 22, "LOCAL");
        let services = self.hosts[host].services.clone();
        let winlogon = Process {
            image: "C:\\Windows\\System32\\winlogon.exe".into(),
            command: "winlogon.exe".into(),
            pid: services.pid + 60,
            guid: self.process_guid(host, time - 30 * SECOND, services.pid + 60),
            ..services
        };
        let image = "C:\\Windows\\System32\\userinit.exe";
        let init = self.spawn_as(
            time + SECOND,
            &winlogon,
            &session,
            Program {
                image,
                original: "USERINIT.EXE",
                command: image,
            },
        );
        let explorer = self.spawn(
            time + 2 * SECOND,
            &init,
            &session,
            "C:\\Windows\\explorer.exe",
            "EXPLORER.EXE",
            "C:\\Windows\\Explorer.EXE",
        );
        self.exit(time + 25 * SECOND, &init, &session);
        Desktop { session, explorer }
    }

    /// Somebody who sat at the keyboard leaves.
    pub(crate) fn leave(&mut self, time: i64, desktop: &Desktop) {
        self.exit(time - SECOND, &desktop.explorer, &desktop.session);
        self.lsm(time, &desktop.session, 23, "LOCAL");
        self.logoff(time, &desktop.session);
    }

    /// New credentials for outgoing connections only, as passing a hash makes them: a logon of type 9.
    pub(crate) fn new_credentials(
        &mut self,
        time: i64,
        session: &Session,
        own: &Account,
        stolen: &Account,
    ) -> Session {
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
        let (mut outbound, _) = self.logon(time, session.host, own, &how);
        outbound.terminal = session.terminal;
        outbound
    }

    /// A ticket for an account is asked for by a tool and not by lsass: 4768, and a connection of the tool.
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
