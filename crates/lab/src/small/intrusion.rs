//! The intruder's route from a workstation (A) over another (B) to the database server (C).

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Plan, SQL, Seat};
use crate::acts::{Approach, Program};
use crate::clock::rfc3339;
use crate::evtx_writer::{Body, Value};
use crate::sim::{
    Account, FILE_GENERIC_READ, Logon, MINUTE, Package, Pending, Process, Remote, SECOND, Session,
    Share, Sim,
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

struct Story<'a> {
    sim: &'a mut Sim,
    acts: Vec<Act>,
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
        who: (&str, &str, &str),
        technique: (&str, &str),
        time: i64,
    ) {
        let zeek_uids = self.uids(&range);
        let mark = self.mark(std::slice::from_ref(&range));
        let hop = PlantedHop {
            src: self.sim.hosts[ends.0].name.clone(),
            dst: self.sim.hosts[ends.1].name.clone(),
            actor: who.0.into(),
            account: who.1.into(),
            effective: who.2.into(),
            method: technique.0.into(),
            technique: technique.1.into(),
            time: rfc3339(time),
            zeek_uids,
            ..PlantedHop::default()
        };
        self.acts.push(Act::Hop(mark, hop));
    }
}

/// Plants the intrusion into a day. The times are fixed so that every part of the story stays inside one UTC day.
pub(crate) fn run(sim: &mut Sim, plan: Plan, midnight: i64, seats: &[Seat]) -> Vec<Act> {
    let (a, b, c) = (plan.first_workstation, plan.first_workstation + 1, SQL);
    let Some(seat) = seats.first() else {
        return Vec::new();
    };
    let (session, explorer) = (seat.session.clone(), seat.explorer.clone());
    let victim = sim.accounts[0].clone();
    let stolen = sim.accounts[plan.admin].clone();
    let service = sim.accounts[plan.sql_service].clone();
    let (name_a, name_b, name_c) = (
        sim.hosts[a].name.clone(),
        sim.hosts[b].name.clone(),
        sim.hosts[c].name.clone(),
    );
    let (shown_victim, shown_stolen) = (
        session.shown.clone(),
        format!("{}\\{}", sim.domain.netbios, stolen.name),
    );
    let at = |minute: i64| midnight + 12 * 60 * MINUTE + 50 * MINUTE + minute * MINUTE;
    let mut story = Story {
        sim,
        acts: Vec::new(),
    };

    // A foothold: a document that starts a shell.
    let cmd = "C:\\Windows\\System32\\cmd.exe";
    let writer = "C:\\Program Files\\Quayside\\Office\\writer.exe";
    let line = format!(
        "\"{writer}\" /n \"C:\\Users\\{}\\Downloads\\berth-invoice.qsx\"",
        victim.name
    );
    let document = story
        .sim
        .spawn(at(0), &explorer, &session, writer, "writer.exe", &line);
    let shell = story
        .sim
        .spawn(at(1), &document, &session, cmd, "Cmd.Exe", "cmd.exe /d");
    let tool = "C:\\ProgramData\\Quay\\hullscan.exe";
    story.sim.file(at(2), &shell, tool);
    let scan = story
        .sim
        .spawn(at(3), &shell, &session, tool, "-", "hullscan.exe tickets");

    // Kerberoasting.
    let roasted = story
        .sim
        .ticket(at(4), &scan, &victim, (&service.name, &service.sid), 0x17);
    story.detection(
        4,
        std::slice::from_ref(&(roasted..roasted + 1)),
        &[],
        &[
            ("ServiceName", &service.name),
            ("TicketEncryptionType", "0x17"),
            ("TicketOptions", "0x40810000"),
        ],
    );
    story.sim.exit(at(5), &scan, &session);

    // Pass the hash: new credentials on A ...
    let pass = story.sim.spawn(
        at(20),
        &shell,
        &session,
        tool,
        "-",
        &format!("hullscan.exe pass {}", stolen.name),
    );
    let how = Logon {
        kind: 9,
        process: "seclogo",
        package: "Negotiate",
        workstation: "-".into(),
        ip: "::1".into(),
        port: "0".into(),
        outbound: &stolen.name,
        subject: Some(&session),
    };
    let (mut outbound, index) = story.sim.logon(at(20) + SECOND, a, &victim, &how);
    outbound.terminal = session.terminal;
    let source = index..index + 1;
    let shell_hash = story.sim.spawn(
        at(20) + 2 * SECOND,
        &pass,
        &outbound,
        cmd,
        "Cmd.Exe",
        "cmd.exe",
    );

    // ... and their use against B.
    let from = story.sim.pending.len();
    let system = story.sim.hosts[a].system.clone();
    let (network, port, first) = story.sim.network_logon(&Remote {
        src: a,
        dst: b,
        account: &stolen,
        time: at(22),
        port: 445,
        service: "smb",
        package: Package::Ntlm,
        client: &system,
        ticket: false,
        duration: 50 * SECOND,
    });
    let paths = [("Users", 0x10_0081)];
    story.sim.share(
        at(22) + SECOND,
        a,
        port,
        &network,
        Share {
            name: "C$",
            local: "\\??\\C:\\",
            paths: &paths,
        },
    );
    story.sim.logoff(at(22) + 50 * SECOND, &network);
    let end = story.sim.pending.len();
    let who = (
        shown_victim.as_str(),
        shown_stolen.as_str(),
        shown_stolen.as_str(),
    );
    let hop_range = source.start..source.end;
    let mark = from..end;
    story.hop(
        mark,
        (a, b),
        who,
        ("pass the hash over SMB", "T1550.002"),
        at(22),
    );
    if let Some(Act::Hop(mark, _)) = story.acts.last() {
        let mark = *mark;
        story.sim.mark(hop_range, mark);
    }

    // PsExec from A to B.
    let from = story.sim.pending.len();
    let tools = "C:\\ProgramData\\Quay\\";
    let (started, second) = story.psexec(&PsExec {
        time: at(25),
        parent: &shell_hash,
        session: &outbound,
        dst: b,
        account: &stolen,
        package: Package::Ntlm,
        image: &format!("{tools}PsExec.exe"),
        command: &format!("PsExec.exe \\\\{name_b} -accepteula -s cmd.exe"),
    });
    let range = from..story.sim.pending.len();
    let who = (
        shown_victim.as_str(),
        shown_stolen.as_str(),
        "NT AUTHORITY\\SYSTEM",
    );
    story.hop(range, (a, b), who, ("PsExec", "T1569.002"), at(25));
    story.detection(
        2,
        &[started],
        &[],
        &[("process_name", "PsExec.exe"), ("dest", &name_a)],
    );
    for (which, user) in [(0, &stolen.name), (1, &stolen.name)] {
        story.detection(
            which,
            std::slice::from_ref(&source),
            &[],
            &[("Logon_Type", "9"), ("dest", &name_a)],
        );
        for one in [first..first + 1, second.clone()] {
            let fields = [
                ("Logon_Type", "3"),
                ("dest", name_b.as_str()),
                ("user", user.as_str()),
            ];
            story.detection(which, std::slice::from_ref(&one), &[], &fields);
        }
    }

    // From here on the key serves for tickets: a loop that fetches from B all afternoon.
    story.sim.tgt(at(29), a, &stolen);
    let mut logons = vec![first..first + 1, second];
    for step in 0..66 {
        let time = at(30) + step * 95 * SECOND + story.sim.random.span(20 * SECOND);
        let from = story.sim.pending.len();
        let (network, port, index) = story.sim.network_logon(&Remote {
            src: a,
            dst: b,
            account: &stolen,
            time,
            port: 445,
            service: "smb",
            package: Package::Kerberos,
            client: &system,
            ticket: step == 0,
            duration: 12 * SECOND,
        });
        let path = format!("ProgramData\\Quay\\part{step:02}.dat");
        let paths = [(path.as_str(), FILE_GENERIC_READ)];
        story.sim.share(
            time + SECOND,
            a,
            port,
            &network,
            Share {
                name: "C$",
                local: "\\??\\C:\\",
                paths: &paths,
            },
        );
        story.sim.logoff(time + 12 * SECOND, &network);
        logons.push(index..index + 1);
        if step == 0 {
            let range = from..story.sim.pending.len();
            let who = (
                shown_victim.as_str(),
                shown_stolen.as_str(),
                shown_stolen.as_str(),
            );
            story.hop(
                range,
                (a, b),
                who,
                ("admin share with a forged ticket", "T1021.002"),
                time,
            );
        }
    }

    // Remote desktop from A to B, neither of which is meant for it.
    let from = story.sim.pending.len();
    let conns = story.sim.conns.len();
    let (desktop, client) =
        story
            .sim
            .mstsc(at(40), (&shell_hash, &outbound), b, &stolen, 80 * MINUTE);
    let range = from..story.sim.pending.len();
    let who = (
        shown_victim.as_str(),
        shown_stolen.as_str(),
        shown_stolen.as_str(),
    );
    story.hop(range, (a, b), who, ("remote desktop", "T1021.001"), at(40));
    story.detection(
        8,
        std::slice::from_ref(&client),
        &[],
        &[("process_name", "mstsc.exe"), ("dest", &name_a)],
    );
    let (ip_a, ip_b) = (story.sim.hosts[a].ip.clone(), story.sim.hosts[b].ip.clone());
    let port = ("DestinationPort".to_owned(), Value::U16(3389));
    let events = &story.sim.pending[from..];
    let traffic: Vec<Range<usize>> = (from..)
        .zip(events)
        .filter(|(_, pending)| {
            pending.event.event_id == 3
                && matches!(&pending.event.body, Body::EventData(fields) if fields.contains(&port))
        })
        .map(|(index, _)| index..index + 1)
        .collect();
    let connection = story.sim.conns[conns..]
        .iter()
        .find(|conn| conn.dst_port == 3389);
    let uid = connection.map(|conn| conn.uid.clone()).unwrap_or_default();
    story.detection(
        7,
        &traffic,
        &[uid],
        &[("src", &ip_a), ("dest", &ip_b), ("dest_port", "3389")],
    );
    logons.push(story.logon(b, from));
    for which in [5, 6] {
        story.detection(
            which,
            &logons,
            &[],
            &[("user", &stolen.name), ("dest", &name_b)],
        );
    }

    // From B's desktop to C: PsExec under another name.
    let console = story.sim.spawn(
        at(50),
        &desktop.explorer,
        &desktop.session,
        cmd,
        "Cmd.Exe",
        "\"C:\\Windows\\System32\\cmd.exe\"",
    );
    let renamed = format!("{tools}tidemon.exe");
    story.sim.file(at(51), &desktop.explorer, &renamed);
    let from = story.sim.pending.len();
    let (started, _) = story.psexec(&PsExec {
        time: at(55),
        parent: &console,
        session: &desktop.session,
        dst: c,
        account: &stolen,
        package: Package::Kerberos,
        image: &renamed,
        command: &format!("tidemon.exe \\\\{name_c} -s cmd.exe"),
    });
    let range = from..story.sim.pending.len();
    let who = (
        shown_stolen.as_str(),
        shown_stolen.as_str(),
        "NT AUTHORITY\\SYSTEM",
    );
    story.hop(range, (b, c), who, ("PsExec, renamed", "T1569.002"), at(55));
    story.detection(
        3,
        std::slice::from_ref(&started),
        &[],
        &[
            ("process_name", "tidemon.exe"),
            ("original_file_name", "psexec.c"),
            ("dest", &name_b),
        ],
    );

    // A task on C, created and started from B.
    let from = story.sim.pending.len();
    let task = "\\QuayIndex";
    let payload = "C:\\Windows\\System32\\whoami.exe";
    let image = "C:\\Windows\\System32\\schtasks.exe";
    let line = format!(
        "schtasks.exe /create /s {name_c} /tn QuayIndex /tr {payload} /sc once /st 23:30 /ru SYSTEM"
    );
    let process = story.sim.pending.len();
    let create = story.sim.spawn(
        at(70),
        &console,
        &desktop.session,
        image,
        "schtasks.exe",
        &line,
    );
    let started = process..story.sim.pending.len();
    let (network, _, _) = story.sim.network_logon(&Remote {
        src: b,
        dst: c,
        account: &stolen,
        time: at(70) + 300_000,
        port: 49_670,
        service: "dce_rpc",
        package: Package::Kerberos,
        client: &create,
        ticket: false,
        duration: 30 * SECOND,
    });
    story
        .sim
        .register_task(at(70) + 500_000, &network, task, payload);
    story.sim.exit(at(70) + SECOND, &create, &desktop.session);
    let line = format!("schtasks.exe /run /s {name_c} /tn QuayIndex");
    let start = story.sim.spawn(
        at(70) + 10 * SECOND,
        &console,
        &desktop.session,
        image,
        "schtasks.exe",
        &line,
    );
    let run = Program {
        image: payload,
        original: "whoami.exe",
        command: payload,
    };
    let ran = at(70) + 11 * SECOND;
    story.sim.run_task(ran, c, task, run, ran + 9 * SECOND);
    story
        .sim
        .exit(at(70) + 12 * SECOND, &start, &desktop.session);
    story.sim.logoff(at(70) + 30 * SECOND, &network);
    let range = from..story.sim.pending.len();
    let who = (
        shown_stolen.as_str(),
        shown_stolen.as_str(),
        "NT AUTHORITY\\SYSTEM",
    );
    story.hop(range, (b, c), who, ("scheduled task", "T1053.005"), at(70));
    story.detection(
        9,
        &[started],
        &[],
        &[("process_name", "schtasks.exe"), ("dest", &name_b)],
    );

    story.sim.exit(at(110), &console, &desktop.session);
    story.sim.exit(at(150), &shell_hash, &outbound);
    story.sim.logoff(at(150) + SECOND, &outbound);
    story.sim.exit(at(151), &pass, &session);
    story.sim.exit(at(152), &shell, &session);
    story.sim.exit(at(153), &document, &session);
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
