//! Printer drivers installed from elsewhere: the spooler loads them as the system (T1210, as in CVE-2021-34527).

use std::collections::BTreeMap;

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, Row, SECOND, base_name, facts, for_each, kind_of,
};

use super::{Shares, Shown, Started, Technique, brief, ran};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// Printer drivers.
pub(crate) struct Printer;

impl Technique for Printer {
    fn family(&self) -> Family {
        Family::Printer
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1210"]
    }

    fn ports(&self) -> &'static [u16] {
        &[445, 135, 139]
    }

    fn shares(&self) -> Shares {
        Shares::Serve
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn call(&self, interface: &str, function: &str) -> Option<Shown> {
        let installs = [
            "addprinterdriver",
            "installprinterdriverfrompackage",
            "addprintprocessor",
            "addmonitor",
        ];
        (matches!(interface, "spoolss" | "iremotewinspool")
            && installs.iter().any(|act| function.contains(act)))
        .then(|| Shown::moves(TECHNIQUES))?
    }
}

const TECHNIQUES: &[&str] = &["T1210"];

/// What the spooler starts for its own work.
fn is_own(image: &str) -> bool {
    matches!(
        image,
        "spoolsv.exe"
            | "splwow64.exe"
            | "printisolationhost.exe"
            | "printfilterpipelinesvc.exe"
            | "conhost.exe"
            | "werfault.exe"
    )
}

/// Printing needs no shell; other programs may come with a driver.
fn process(world: &World<'_>, started: &Started, out: &mut Sink) {
    if started.parent != "spoolsv.exe" || is_own(&started.image) {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let shell = matches!(
        started.image.as_str(),
        "cmd.exe"
            | "powershell.exe"
            | "pwsh.exe"
            | "rundll32.exe"
            | "mshta.exe"
            | "regsvr32.exe"
            | "wscript.exe"
            | "cscript.exe"
            | "net.exe"
            | "whoami.exe"
    );
    let called = caller(world, process.host, process.time);
    if !shell && called.is_none() {
        return;
    }
    let what = format!(
        "the print spooler started {}",
        brief(if process.command.is_empty() {
            process.image
        } else {
            process.command
        })
    );
    let act = if shell { Act::Strong } else { Act::Weak };
    if let Some(mut evidence) = ran(world, started.at, Family::Printer, act, TECHNIQUES, what) {
        if let Some(called) = called {
            called.joins(world, &mut evidence);
        }
        out.push(evidence);
    }
}

/// Who had just contacted the spooler.
struct Caller {
    src: Place,
    logon_id: u64,
    used: Option<AccountId>,
    reference: u64,
}

impl Caller {
    fn joins(self, world: &World<'_>, evidence: &mut Evidence) {
        evidence.refs.push(self.reference);
        evidence.src = self.src;
        evidence.used = self.used;
        evidence.session =
            world.session_key(world.session(evidence.dst, self.logon_id, evidence.time));
        if let Some(session) = evidence.session.and_then(|key| world.session_of(&key)) {
            evidence.take_session(session);
        }
    }
}

/// From a client's call to the spooler's action for it; Sysmon logs connections late.
const CALLED: (i64, i64) = (60 * SECOND, 3 * SECOND);

/// The last client that opened the spooler's pipe, or connected to the spooler itself, or else the only one that had
/// just logged on. Pipes known only from Sysmon name nobody.
fn caller(world: &World<'_>, host: HostId, time: i64) -> Option<Caller> {
    let (from, to) = (time - CALLED.0, time + CALLED.1);
    let opened = world
        .opened_between(host, "spoolss", from, to)
        .max_by_key(|one| (matches!(one.src, Place::Host(_)), one.time))
        .map(|one| Caller {
            src: one.src,
            logon_id: one.logon_id,
            used: one.used,
            reference: one.reference,
        });
    let connected = || {
        world
            .inbound_between(host, from, to)
            .filter(|(_, one)| base_name(one.image).eq_ignore_ascii_case("spoolsv.exe"))
            .last()
            .map(|(_, one)| Caller {
                src: one.src,
                logon_id: 0,
                used: None,
                reference: one.reference,
            })
    };
    let logged_on = || {
        let session = world.sessions.get(super::only_client(world, host, time)?)?;
        Some(Caller {
            src: session.source,
            logon_id: session.logon_id,
            used: session.account,
            reference: session.reference,
        })
    };
    opened.or_else(connected).or_else(logged_on)
}

fn is_driver(path: &str) -> bool {
    let path = path.to_lowercase();
    path.contains("\\spool\\drivers\\") && path.ends_with(".dll")
}

/// What the spooler did with a driver.
struct Done {
    host: HostId,
    time: i64,
    reference: u64,
    /// An installation does each of these several times.
    verb: &'static str,
    what: String,
    user: Option<AccountId>,
}

/// A driver that the spooler, and nobody else, wrote or loaded.
fn handled<'a, F>(
    world: &mut World<'a>,
    row: &Row<'a, '_, F>,
    image: &str,
    path: &str,
    verb: &'static str,
) -> Option<Done> {
    let by_spooler = base_name(image).eq_ignore_ascii_case("spoolsv.exe");
    (by_spooler && is_driver(path)).then(|| Done {
        host: world.writer(row),
        time: row.time,
        reference: row.reference,
        verb,
        what: format!("the print spooler {verb} the driver {}", brief(path)),
        user: None,
    })
}

/// An entry of the spooler's own log, which names the account it acted for.
fn logged<'a, F>(
    world: &mut World<'a>,
    row: &Row<'a, '_, F>,
    sid: &str,
    verb: &'static str,
    what: &str,
) -> Done {
    let is_user = kind_of("", sid) == AccountKind::User && sid.starts_with("S-1-5-21-");
    Done {
        host: world.writer(row),
        time: row.time,
        reference: row.reference,
        verb,
        what: what.to_owned(),
        user: is_user.then(|| world.accounts.of_text(sid)).flatten(),
    }
}

/// Drivers that the spooler wrote or loaded, and its own log entries about them, just after a client called it.
fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    let mut all = Vec::new();
    for_each(catalog, facts::FileCreation, |row| {
        all.extend(handled(
            world,
            row,
            row.image(),
            row.target_filename(),
            "wrote",
        ));
    });
    for_each(catalog, facts::ImageLoad, |row| {
        all.extend(handled(
            world,
            row,
            row.image(),
            row.image_loaded(),
            "loaded",
        ));
    });
    for_each(catalog, facts::DriverInstallation, |row| {
        let what = "a printer driver was added";
        all.push(logged(world, row, row.user_id(), "added", what));
    });
    for_each(catalog, facts::PlugInFailure, |row| {
        let what = "the print spooler could not load a module";
        all.push(logged(world, row, row.user_id(), "failed", what));
    });
    all.sort_by_key(|one| (one.time, one.reference));
    let mut told: BTreeMap<(HostId, &str), i64> = BTreeMap::new();
    for one in all {
        let Some(called) = caller(world, one.host, one.time) else {
            continue;
        };
        let before = told.insert((one.host, one.verb), one.time);
        if before.is_some_and(|before| one.time - before < CALLED.0) {
            continue;
        }
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Printer,
            Act::Weak,
            one.host,
            one.time,
            one.reference,
            one.what,
        )
        .technique(TECHNIQUES)
        .weighs(Class::Driver, 0.2);
        called.joins(world, &mut evidence);
        evidence.used = evidence.used.or(one.user);
        out.push(evidence);
    }
}
