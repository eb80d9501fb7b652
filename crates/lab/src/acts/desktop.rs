//! Desktops, remote and local.

use std::ops::Range;

use super::{Address, Approach, Entry, Program};
use crate::sim::{Account, Channel, Logon, Package, Process, SECOND, Session, Sim, luid, s};

/// A remote desktop session.
pub(crate) struct Desktop {
    pub(crate) session: Session,
    pub(crate) explorer: Process,
}

impl Sim {
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

    /// A disconnected client returns to its session: a logon of type 7 with the client's address, 4778, 25.
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

    /// A session is connected to a client's window, or disconnected from it: 4778, 4779.
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

    /// Somebody logs on at the keyboard: the elevated and the filtered half for administrators, the shell.
    pub(crate) fn sit_down(&mut self, time: i64, host: usize, account: &Account) -> Desktop {
        self.tgt(time - SECOND, host, account);
        let name = self.hosts[host].name.clone();
        let how = crate::sim::local(&name, 2);
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

    /// Somebody at the keyboard leaves.
    pub(crate) fn leave(&mut self, time: i64, desktop: &Desktop) {
        self.exit(time - SECOND, &desktop.explorer, &desktop.session);
        self.lsm(time, &desktop.session, 23, "LOCAL");
        self.logoff(time, &desktop.session);
    }

    /// The remote desktop client goes from a session to another host and returns after this long. Returns the desktop
    /// there, and the index of the client's start among the events.
    pub(crate) fn mstsc(
        &mut self,
        time: i64,
        (parent, session): (&Process, &Session),
        dst: usize,
        account: &Account,
        duration: i64,
    ) -> (Desktop, Range<usize>) {
        let from = self.pending.len();
        let image = "C:\\Windows\\System32\\mstsc.exe";
        let client = self.spawn(time, parent, session, image, "mstsc.exe", image);
        let started = from..self.pending.len();
        let approach = Approach {
            time: time + 25 * SECOND,
            client: &client,
            actor: session,
            dst,
            account,
            package: Package::Kerberos,
            ticket: true,
            explicit: false,
            foreign: false,
        };
        let until = approach.time + duration;
        let desktop = self.desktop(&approach, until);
        self.exit(until + 3 * SECOND, &client, session);
        (desktop, started)
    }
}
