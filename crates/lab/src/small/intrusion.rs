//! The intruder's route from a workstation (A) over another (B) to the database server (C).

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Plan, SQL, Seat};
use crate::acts::{Approach, Desktop, Program};
use crate::clock::rfc3339;
use crate::evtx_writer::{Body, Value};
use crate::sim::{
    Account, FILE_GENERIC_READ, MINUTE, Package, Pending, Process, Remote, SECOND, Session, Share,
    Sim,
};
use crate::truth::{Intrusion, Planted, PlantedHop, Truth, counts};

/// Names of the detections in the analytic story.
pub const DETECTIONS: [&str; 10] = [
    "Detect Activity Related to Pass the Hash Attacks",
    "Detect Pass the Hash",
    "Detect PsExec With accepteula Flag",
    "Detect Renamed PSExec",
    "Kerberoasting spn request with RC4 encryption",
    "Potential Pass the Token or Hash Observed at the Destination Device",
    "Potential Pass the Token or Hash Observed by an Event Collecting Device",
    "Remote Desktop Network Traffic",
    "Remote Desktop Process Running On System",
    "Schtasks scheduling job on remote system",
];

const CMD: &str = "C:\\Windows\\System32\\cmd.exe";
const TOOLS: &str = "C:\\ProgramData\\Quay\\";
/// The intruder's own tool.
const TOOL: &str = "C:\\ProgramData\\Quay\\hullscan.exe";
const SYSTEM: &str = "NT AUTHORITY\\SYSTEM";

/// An act whose evidence gets its record ids later.
pub(crate) enum Act {
    Detection(usize, usize, Planted),
    Hop(usize, PlantedHop),
}

/// `PsExec`, under any image name, from a session to another host.
struct PsExec<'a> {
    time: i64,
    parent: &'a Process,
    session: &'a Session,
    dst: usize,
    account: &'a Account,
    package: Package,
    image: &'a str,
    command: &'a str,
}

/// Who goes where, as whom.
struct Route {
    midnight: i64,
    /// Hosts by their places in the simulation.
    a: usize,
    b: usize,
    c: usize,
    names: [String; 3],
    victim: Account,
    stolen: Account,
    service: Account,
    /// The victim's desktop on A.
    session: Session,
    explorer: Process,
    /// The victim and the stolen account with their domain.
    shown_victim: String,
    shown_stolen: String,
}

impl Route {
    fn new(sim: &Sim, plan: Plan, midnight: i64, seat: &Seat) -> Self {
        let (a, b, c) = (plan.first_workstation, plan.first_workstation + 1, SQL);
        let stolen = sim.accounts[plan.admin].clone();
        Self {
            midnight,
            a,
            b,
            c,
            names: [a, b, c].map(|host| sim.hosts[host].name.clone()),
            victim: sim.accounts[0].clone(),
            service: sim.accounts[plan.sql_service].clone(),
            session: seat.session.clone(),
            explorer: seat.explorer.clone(),
            shown_victim: seat.session.shown.clone(),
            shown_stolen: format!("{}\\{}", sim.domain.netbios, stolen.name),
            stolen,
        }
    }

    /// A minute of the story.
    fn at(&self, minute: i64) -> i64 {
        self.midnight + (12 * 60 + 50 + minute) * MINUTE
    }

    /// Actor, account and effective account of a hop from A that runs as the stolen account.
    fn as_stolen(&self) -> [String; 3] {
        [
            self.shown_victim.clone(),
            self.shown_stolen.clone(),
            self.shown_stolen.clone(),
        ]
    }
}

/// A program and the session that it runs in.
struct Shell {
    process: Process,
    session: Session,
}

/// The shell with new credentials on A, and what opened it.
struct Minted {
    shell: Shell,
    /// The tool that passed the hash.
    tool: Process,
    /// The logon of type 9.
    logon: Range<usize>,
}

struct Story<'a> {
    sim: &'a mut Sim,
    route: Route,
    acts: Vec<Act>,
    /// Network logons of the stolen account on B.
    logons: Vec<Range<usize>>,
}

impl Story<'_> {
    /// Opens a mark over the events with the given indexes.
    fn mark(&mut self, ranges: &[Range<usize>]) -> usize {
        let mark = self.sim.marks.len();
        self.sim.marks.push(Vec::new());
        for range in ranges {
            self.sim.mark(range.clone(), mark);
        }
        mark
    }

    fn detection(
        &mut self,
        which: usize,
        ranges: &[Range<usize>],
        uids: &[String],
        fields: &[(&str, &str)],
    ) {
        let mark = self.mark(ranges);
        let fields: BTreeMap<String, String> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let planted = Planted {
            zeek_uids: uids.to_vec(),
            fields,
            ..Planted::default()
        };
        self.acts.push(Act::Detection(which, mark, planted));
    }

    /// Zeek's uids of the connections that Sysmon reports in the range.
    fn uids(&self, range: &Range<usize>) -> Vec<String> {
        let mut flows = Vec::new();
        for pending in &self.sim.pending[range.clone()] {
            let Body::EventData(fields) = &pending.event.body else {
                continue;
            };
            let value = |name: &str| {
                fields
                    .iter()
                    .find(|(field, _)| field == name)
                    .map(|(_, value)| value)
            };
            if let (Some(Value::Str(ip)), Some(Value::U16(port))) =
                (value("SourceIp"), value("SourcePort"))
            {
                flows.push((ip.as_str(), *port));
            }
        }
        let seen = |conn: &&crate::sim::Conn| flows.contains(&(conn.src.as_str(), conn.src_port));
        self.sim
            .conns
            .iter()
            .filter(seen)
            .map(|conn| conn.uid.clone())
            .collect()
    }

    /// Returns the index of the tool's start among the events, and the destination's 4624.
    fn psexec(&mut self, act: &PsExec<'_>) -> (Range<usize>, Range<usize>) {
        let (sim, time) = (&mut *self.sim, act.time);
        let from = sim.pending.len();
        let client = sim.spawn(
            time,
            act.parent,
            act.session,
            act.image,
            "psexec.c",
            act.command,
        );
        let started = from..sim.pending.len();
        let approach = Approach {
            time: time + 600_000,
            client: &client,
            actor: act.session,
            dst: act.dst,
            account: act.account,
            package: act.package,
            ticket: true,
            explicit: false,
            foreign: false,
        };
        let shell = Program {
            image: "C:\\Windows\\System32\\cmd.exe",
            original: "Cmd.Exe",
            command: "\"cmd.exe\"",
        };
        sim.psexec(&approach, "PSEXESVC", shell, false, time + 37 * SECOND);
        sim.exit(time + 36 * SECOND, &client, act.session);
        (started, self.logon(act.dst, from))
    }

    /// The first logon on a host since then.
    fn logon(&self, host: usize, from: usize) -> Range<usize> {
        let of = |pending: &Pending| pending.host == host && pending.event.event_id == 4624;
        let at = self.sim.pending[from..].iter().position(of);
        at.map_or(from..from, |at| from + at..from + at + 1)
    }

    fn hop(
        &mut self,
        range: Range<usize>,
        ends: (usize, usize),
        [actor, account, effective]: [String; 3],
        technique: (&str, &str),
        time: i64,
    ) -> usize {
        let zeek_uids = self.uids(&range);
        let mark = self.mark(std::slice::from_ref(&range));
        let hop = PlantedHop {
            src: self.sim.hosts[ends.0].name.clone(),
            dst: self.sim.hosts[ends.1].name.clone(),
            actor,
            account,
            effective,
            method: technique.0.into(),
            technique: technique.1.into(),
            time: rfc3339(time),
            zeek_uids,
            ..PlantedHop::default()
        };
        self.acts.push(Act::Hop(mark, hop));
        mark
    }

    /// A document that starts a shell.
    fn foothold(&mut self) -> (Process, Process) {
        let Self { sim, route, .. } = self;
        let (session, explorer) = (&route.session, &route.explorer);
        let writer = "C:\\Program Files\\Quayside\\Office\\writer.exe";
        let line = format!(
            "\"{writer}\" /n \"C:\\Users\\{}\\Downloads\\berth-invoice.qsx\"",
            route.victim.name
        );
        let document = sim.spawn(route.at(0), explorer, session, writer, "writer.exe", &line);
        let line = "cmd.exe /d";
        let shell = sim.spawn(route.at(1), &document, session, CMD, "Cmd.Exe", line);
        (document, shell)
    }

    /// Kerberoasting.
    fn roast(&mut self, shell: &Process) {
        let Self { sim, route, .. } = self;
        sim.file(route.at(2), shell, TOOL);
        let line = "hullscan.exe tickets";
        let scan = sim.spawn(route.at(3), shell, &route.session, TOOL, "-", line);
        let service = (route.service.name.clone(), route.service.sid.clone());
        let at = route.at(4);
        let roasted = sim.ticket(at, &scan, &route.victim, (&service.0, &service.1), 0x17);
        self.detection(
            4,
            std::slice::from_ref(&(roasted..roasted + 1)),
            &[],
            &[
                ("ServiceName", &service.0),
                ("TicketEncryptionType", "0x17"),
                ("TicketOptions", "0x40810000"),
            ],
        );
        let Self { sim, route, .. } = self;
        sim.exit(route.at(5), &scan, &route.session);
    }

    /// Pass the hash: new credentials on A ...
    fn new_credentials(&mut self, shell: &Process) -> Minted {
        let Self { sim, route, .. } = self;
        let session = &route.session;
        let line = format!("hullscan.exe pass {}", route.stolen.name);
        let tool = sim.spawn(route.at(20), shell, session, TOOL, "-", &line);
        let at = route.at(20);
        let (outbound, index) =
            sim.new_credentials(at + SECOND, session, &route.victim, &route.stolen);
        let at = at + 2 * SECOND;
        let process = sim.spawn(at, &tool, &outbound, CMD, "Cmd.Exe", "cmd.exe");
        Minted {
            shell: Shell {
                process,
                session: outbound,
            },
            tool,
            logon: index..index + 1,
        }
    }

    /// ... and their use against B. Returns the logon there.
    fn pass_the_hash(&mut self, minted: &Minted) -> Range<usize> {
        let Self { sim, route, .. } = self;
        let (a, b, at) = (route.a, route.b, route.at(22));
        let from = sim.pending.len();
        let system = sim.hosts[a].system.clone();
        let (network, port, first) = sim.network_logon(&Remote {
            src: a,
            dst: b,
            account: &route.stolen,
            time: at,
            port: 445,
            service: "smb",
            package: Package::Ntlm,
            client: &system,
            ticket: false,
            duration: 50 * SECOND,
        });
        let share = Share {
            name: "C$",
            local: "\\??\\C:\\",
            paths: &[("Users", 0x10_0081)],
        };
        sim.share(at + SECOND, a, port, &network, share);
        sim.logoff(at + 50 * SECOND, &network);
        let range = from..sim.pending.len();
        let who = route.as_stolen();
        let technique = ("pass the hash over SMB", "T1550.002");
        let mark = self.hop(range, (a, b), who, technique, at);
        self.sim.mark(minted.logon.clone(), mark);
        first..first + 1
    }

    /// `PsExec` from A to B, where the hash had given the `first` logon.
    fn psexec_to_b(&mut self, minted: &Minted, first: Range<usize>) {
        let (a, b, at) = (self.route.a, self.route.b, self.route.at(25));
        let [name_a, name_b, _] = self.route.names.clone();
        let stolen = self.route.stolen.clone();
        let from = self.sim.pending.len();
        let (started, second) = self.psexec(&PsExec {
            time: at,
            parent: &minted.shell.process,
            session: &minted.shell.session,
            dst: b,
            account: &stolen,
            package: Package::Ntlm,
            image: &format!("{TOOLS}PsExec.exe"),
            command: &format!("PsExec.exe \\\\{name_b} -accepteula -s cmd.exe"),
        });
        let range = from..self.sim.pending.len();
        let [actor, account, _] = self.route.as_stolen();
        let who = [actor, account, SYSTEM.into()];
        self.hop(range, (a, b), who, ("PsExec", "T1569.002"), at);
        self.detection(
            2,
            &[started],
            &[],
            &[("process_name", "PsExec.exe"), ("dest", &name_a)],
        );
        for which in [0, 1] {
            self.detection(
                which,
                std::slice::from_ref(&minted.logon),
                &[],
                &[("Logon_Type", "9"), ("dest", &name_a)],
            );
            for one in [&first, &second] {
                let fields = [
                    ("Logon_Type", "3"),
                    ("dest", name_b.as_str()),
                    ("user", stolen.name.as_str()),
                ];
                self.detection(which, std::slice::from_ref(one), &[], &fields);
            }
        }
        self.logons = vec![first, second];
    }

    /// From here on the key serves for tickets: a loop that fetches from B all afternoon.
    fn fetch_from_b(&mut self) {
        let Self { sim, route, .. } = self;
        sim.tgt(route.at(29), route.a, &route.stolen);
        let system = sim.hosts[route.a].system.clone();
        for step in 0..66 {
            let Self { sim, route, .. } = self;
            let (a, b) = (route.a, route.b);
            let time = route.at(30) + step * 95 * SECOND + sim.random.span(20 * SECOND);
            let from = sim.pending.len();
            let (network, port, index) = sim.network_logon(&Remote {
                src: a,
                dst: b,
                account: &route.stolen,
                time,
                port: 445,
                service: "smb",
                package: Package::Kerberos,
                client: &system,
                ticket: step == 0,
                duration: 12 * SECOND,
            });
            let path = format!("ProgramData\\Quay\\part{step:02}.dat");
            let share = Share {
                name: "C$",
                local: "\\??\\C:\\",
                paths: &[(path.as_str(), FILE_GENERIC_READ)],
            };
            sim.share(time + SECOND, a, port, &network, share);
            sim.logoff(time + 12 * SECOND, &network);
            self.logons.push(index..index + 1);
            if step == 0 {
                let range = from..sim.pending.len();
                let who = route.as_stolen();
                let technique = ("admin share with a forged ticket", "T1021.002");
                self.hop(range, (a, b), who, technique, time);
            }
        }
    }

    /// Remote desktop from A to B, neither of which is meant for it.
    fn desktop_on_b(&mut self, minted: &Minted) -> Desktop {
        let (a, b, at) = (self.route.a, self.route.b, self.route.at(40));
        let [name_a, name_b, _] = self.route.names.clone();
        let stolen = self.route.stolen.clone();
        let from = self.sim.pending.len();
        let conns = self.sim.conns.len();
        let by = (&minted.shell.process, &minted.shell.session);
        let (desktop, client) = self.sim.mstsc(at, by, b, &stolen, 80 * MINUTE);
        let range = from..self.sim.pending.len();
        let who = self.route.as_stolen();
        self.hop(range, (a, b), who, ("remote desktop", "T1021.001"), at);
        self.detection(
            8,
            std::slice::from_ref(&client),
            &[],
            &[("process_name", "mstsc.exe"), ("dest", &name_a)],
        );
        let [ip_a, ip_b] = [a, b].map(|host| self.sim.hosts[host].ip.clone());
        let port = ("DestinationPort".to_owned(), Value::U16(3389));
        let events = &self.sim.pending[from..];
        let traffic: Vec<Range<usize>> = (from..)
            .zip(events)
            .filter(|(_, pending)| {
                pending.event.event_id == 3
                    && matches!(&pending.event.body, Body::EventData(fields) if fields.contains(&port))
            })
            .map(|(index, _)| index..index + 1)
            .collect();
        let connection = self.sim.conns[conns..]
            .iter()
            .find(|conn| conn.dst_port == 3389);
        let uid = connection.map(|conn| conn.uid.clone()).unwrap_or_default();
        self.detection(
            7,
            &traffic,
            &[uid],
            &[("src", &ip_a), ("dest", &ip_b), ("dest_port", "3389")],
        );
        self.logons.push(self.logon(b, from));
        let logons = std::mem::take(&mut self.logons);
        for which in [5, 6] {
            let fields = [("user", stolen.name.as_str()), ("dest", name_b.as_str())];
            self.detection(which, &logons, &[], &fields);
        }
        desktop
    }

    /// From B's desktop to C: `PsExec` under another name. Returns the console on B.
    fn renamed_psexec_to_c(&mut self, desktop: &Desktop) -> Shell {
        let Self { sim, route, .. } = self;
        let (b, c, at) = (route.b, route.c, route.at(55));
        let [_, name_b, name_c] = route.names.clone();
        let stolen = route.stolen.clone();
        let session = &desktop.session;
        let explorer = &desktop.explorer;
        let line = format!("\"{CMD}\"");
        let process = sim.spawn(route.at(50), explorer, session, CMD, "Cmd.Exe", &line);
        let renamed = format!("{TOOLS}tidemon.exe");
        sim.file(route.at(51), explorer, &renamed);
        let from = sim.pending.len();
        let (started, _) = self.psexec(&PsExec {
            time: at,
            parent: &process,
            session,
            dst: c,
            account: &stolen,
            package: Package::Kerberos,
            image: &renamed,
            command: &format!("tidemon.exe \\\\{name_c} -s cmd.exe"),
        });
        let range = from..self.sim.pending.len();
        let who = self.as_system();
        self.hop(range, (b, c), who, ("PsExec, renamed", "T1569.002"), at);
        self.detection(
            3,
            std::slice::from_ref(&started),
            &[],
            &[
                ("process_name", "tidemon.exe"),
                ("original_file_name", "psexec.c"),
                ("dest", &name_b),
            ],
        );
        Shell {
            process,
            session: session.clone(),
        }
    }

    /// Actor, account and effective account of a hop from B that runs as the system.
    fn as_system(&self) -> [String; 3] {
        let stolen = &self.route.shown_stolen;
        [stolen.clone(), stolen.clone(), SYSTEM.into()]
    }

    /// A task on C, created and started from B.
    fn task_on_c(&mut self, console: &Shell) {
        let Self { sim, route, .. } = self;
        let (b, c, at) = (route.b, route.c, route.at(70));
        let [_, name_b, name_c] = route.names.clone();
        let (parent, session) = (&console.process, &console.session);
        let task = "\\QuayIndex";
        let payload = "C:\\Windows\\System32\\whoami.exe";
        let image = "C:\\Windows\\System32\\schtasks.exe";
        let line = format!(
            "schtasks.exe /create /s {name_c} /tn QuayIndex /tr {payload} /sc once /st 23:30 /ru SYSTEM"
        );
        let from = sim.pending.len();
        let create = sim.spawn(at, parent, session, image, "schtasks.exe", &line);
        let started = from..sim.pending.len();
        let (network, _, _) = sim.network_logon(&Remote {
            src: b,
            dst: c,
            account: &route.stolen,
            time: at + 300_000,
            port: 49_670,
            service: "dce_rpc",
            package: Package::Kerberos,
            client: &create,
            ticket: false,
            duration: 30 * SECOND,
        });
        sim.register_task(at + 500_000, &network, task, payload);
        sim.exit(at + SECOND, &create, session);
        let line = format!("schtasks.exe /run /s {name_c} /tn QuayIndex");
        let later = at + 10 * SECOND;
        let start = sim.spawn(later, parent, session, image, "schtasks.exe", &line);
        let run = Program {
            image: payload,
            original: "whoami.exe",
            command: payload,
        };
        let ran = at + 11 * SECOND;
        sim.run_task(ran, c, task, run, ran + 9 * SECOND);
        sim.exit(at + 12 * SECOND, &start, session);
        sim.logoff(at + 30 * SECOND, &network);
        let range = from..sim.pending.len();
        let who = self.as_system();
        self.hop(range, (b, c), who, ("scheduled task", "T1053.005"), at);
        self.detection(
            9,
            &[started],
            &[],
            &[("process_name", "schtasks.exe"), ("dest", &name_b)],
        );
    }

    /// Everything is closed; the shell and the document on A last.
    fn leave(&mut self, console: &Shell, minted: &Minted, opened: &[&Process; 2]) {
        let Self { sim, route, .. } = self;
        sim.exit(route.at(110), &console.process, &console.session);
        let shell = &minted.shell;
        sim.exit(route.at(150), &shell.process, &shell.session);
        sim.logoff(route.at(150) + SECOND, &shell.session);
        sim.exit(route.at(151), &minted.tool, &route.session);
        for (minute, process) in (152..).zip(opened) {
            sim.exit(route.at(minute), process, &route.session);
        }
    }
}

/// Plants the intrusion into a day. The times are fixed so that every part of the story stays inside one UTC day.
pub(crate) fn run(sim: &mut Sim, plan: Plan, midnight: i64, seats: &[Seat]) -> Vec<Act> {
    let Some(seat) = seats.first() else {
        return Vec::new();
    };
    let route = Route::new(sim, plan, midnight, seat);
    let mut story = Story {
        sim,
        route,
        acts: Vec::new(),
        logons: Vec::new(),
    };
    let (document, shell) = story.foothold();
    story.roast(&shell);
    let minted = story.new_credentials(&shell);
    let first = story.pass_the_hash(&minted);
    story.psexec_to_b(&minted, first);
    story.fetch_from_b();
    let desktop = story.desktop_on_b(&minted);
    let console = story.renamed_psexec_to_c(&desktop);
    story.task_on_c(&console);
    story.leave(&console, &minted, &[&shell, &document]);
    story.acts
}

/// Adds the acts with their evidence to the truth.
pub(crate) fn tell(acts: Vec<Act>, sim: &mut Sim, truth: &mut Truth) {
    for name in DETECTIONS {
        truth.detections.insert(name.to_owned(), Vec::new());
    }
    let mut hops = Vec::new();
    for act in acts {
        match act {
            Act::Detection(which, mark, mut planted) => {
                planted.evidence = std::mem::take(&mut sim.marks[mark]);
                if let (Some(first), Some(last)) =
                    (planted.evidence.first(), planted.evidence.last())
                {
                    planted.start.clone_from(&first.time);
                    planted.end.clone_from(&last.time);
                }
                truth
                    .detections
                    .entry(DETECTIONS[which].to_owned())
                    .or_default()
                    .push(planted);
            }
            Act::Hop(mark, mut hop) => {
                hop.evidence = std::mem::take(&mut sim.marks[mark]);
                hop.records = counts(&hop.evidence);
                hops.push(hop);
            }
        }
    }
    hops.sort_by(|x, y| x.time.cmp(&y.time));
    if let Some(first) = hops.first() {
        truth.intrusions.push(Intrusion {
            id: "intrusion-1".into(),
            entry: first.src.clone(),
            hops,
            ..Intrusion::default()
        });
    }
}
