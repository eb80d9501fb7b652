//! SQL Server: xp_cmdshell and the like (T1505.001).

use std::collections::BTreeSet;

use crabwalk_activity::{
    AccountId, AccountKind, HostId, Place, Row, SECOND, base_name, facts, for_each,
};
use hashbrown::HashMap;

use super::{Started, Technique, ToolName, brief, ran};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// SQL Server.
pub(crate) struct Mssql;

impl Technique for Mssql {
    fn family(&self) -> Family {
        Family::Mssql
    }

    fn techniques(&self) -> &'static [&'static str] {
        &["T1505.001"]
    }

    fn ports(&self) -> &'static [u16] {
        &[1433]
    }

    fn process(&self, world: &mut World<'_>, started: &Started, out: &mut Sink) {
        process(world, started, out);
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }

    fn credentials(&self, _program: &str, class: &str) -> Option<&'static [&'static str]> {
        (class == "mssqlsvc").then_some(TECHNIQUES)
    }

    fn plain(&self) -> &'static [&'static str] {
        Family::Any.plain()
    }

    fn is_meant(&self, name: ToolName<'_>) -> bool {
        match name {
            ToolName::Protocol(name) => name == "mssql",
            ToolName::Script(name) => name == "mssqlclient",
            ToolName::Action(_) => false,
        }
    }
}

const TECHNIQUES: &[&str] = &["T1505.001"];

fn process(world: &mut World<'_>, started: &Started, out: &mut Sink) {
    if started.parent != "sqlservr.exe"
        || !matches!(
            started.image.as_str(),
            "cmd.exe" | "powershell.exe" | "pwsh.exe"
        )
    {
        return;
    }
    let Some(process) = world.processes.get(started.at) else {
        return;
    };
    let what = format!("SQL Server started {}", brief(process.command));
    if let Some(mut evidence) = ran(
        world,
        started.at,
        Family::Mssql,
        Act::Weak,
        TECHNIQUES,
        what,
    ) {
        evidence.src = Place::Unknown;
        evidence.session = None;
        evidence.used = None;
        out.push(evidence);
    }
}

/// A client's login, as SQL Server logs it.
struct Login {
    time: i64,
    src: Place,
    used: Option<AccountId>,
    reference: u64,
}

/// The client and account in a login row.
fn login<'a>(world: &mut World<'a>, row: &Row<'a, '_, facts::SqlLogon>) -> Option<(HostId, Login)> {
    if !row.provider().to_uppercase().contains("MSSQL") {
        return None;
    }
    let host = world.writer(row);
    let client = (0..4)
        .map(|n| row.data(n))
        .find(|text| text.contains("[CLIENT:"))
        .unwrap_or_default();
    let client = client
        .split("[CLIENT:")
        .nth(1)
        .unwrap_or_default()
        .trim_end_matches(']')
        .trim();
    // `<local machine>`, `<named pipe>`: the client is this machine.
    if client.starts_with('<') {
        return None;
    }
    let src = world.hosts.place(client, host, row.time);
    // 18454 is SQL Server's own login, not a Windows account.
    let name = row.data(0);
    let used = if row.event_id == 18454 {
        world.accounts.of_text(&format!("sql:{name}"))
    } else {
        world.accounts.of_text(name)
    };
    matches!(src, Place::Host(_)).then_some((
        host,
        Login {
            time: row.time,
            src,
            used,
            reference: row.reference,
        },
    ))
}

/// Programs of SQL Server's agent and of its host for other languages, just after the only client logged in. Both also
/// work on their own: the agent on schedule, the other for any computation.
fn helpers(world: &World<'_>, logins: &HashMap<HostId, Vec<Login>>, out: &mut Sink) {
    const JUST: i64 = 60 * SECOND;
    const MOST: usize = 64;
    let mut days: HashMap<(HostId, String), BTreeSet<i64>> = HashMap::new();
    let mut all = Vec::new();
    for (at, one) in world.processes.iter().enumerate() {
        let helper = match base_name(one.parent_image).to_lowercase().as_str() {
            "sqlagent.exe" => "SQL Server's agent",
            "launchpad.exe" => "SQL Server's host for other languages",
            _ => continue,
        };
        if base_name(one.image).eq_ignore_ascii_case("conhost.exe") {
            continue;
        }
        let command = format!("{}\n{}", one.image, one.command).to_lowercase();
        days.entry((one.host, command.clone()))
            .or_default()
            .insert(crate::history::day(one.time));
        all.push((at, helper, command));
    }
    for (at, helper, command) in all {
        let Some(process) = world.processes.get(at) else {
            continue;
        };
        // A job does the same on other days.
        if days
            .get(&(process.host, command))
            .is_some_and(|days| days.len() > 1)
        {
            continue;
        }
        // A computation that starts a shell does not compute.
        let shell = |at: usize| {
            world.processes.get(at).is_some_and(|one| {
                ["cmd.exe", "powershell.exe", "pwsh.exe"]
                    .iter()
                    .any(|shell| base_name(one.image).eq_ignore_ascii_case(shell))
            })
        };
        let computes = helper.ends_with("languages")
            && !shell(at)
            && !world
                .descendants(at, MOST)
                .into_iter()
                .any(|(below, _)| shell(below));
        if computes {
            continue;
        }
        let near: Vec<&Login> = logins
            .get(&process.host)
            .into_iter()
            .flatten()
            .filter(|one| (0..=JUST).contains(&(process.time - one.time)))
            .collect();
        let clients: BTreeSet<(Option<HostId>, Option<AccountId>)> = near
            .iter()
            .map(|one| match one.src {
                Place::Host(src) => (Some(src), one.used),
                _ => (None, one.used),
            })
            .collect();
        let (1, Some(login)) = (clients.len(), near.last()) else {
            continue;
        };
        let what = format!(
            "{helper} started {}",
            brief(if process.command.is_empty() {
                process.image
            } else {
                process.command
            })
        );
        if let Some(mut evidence) = ran(world, at, Family::Mssql, Act::Weak, TECHNIQUES, what) {
            evidence.refs.push(login.reference);
            evidence.src = login.src;
            evidence.session = None;
            evidence.used = login.used;
            out.push(evidence);
        }
    }
}

/// Procedures with which a client of SQL Server runs programs.
const RUNNERS: &[&str] = &["xp_cmdshell", "sp_oacreate", "sp_oamethod"];

/// A call that SQL Server blocked because the component is switched off (Microsoft, MSSQLSERVER_15281).
fn refused(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::SqlProcedureRefusal, |row| {
        // SQL Server 2005 and later name the component's type first, then the procedure, with or without its schema.
        let called = (0..6).find_map(|at| {
            let text = row.data(at).to_lowercase();
            RUNNERS
                .iter()
                .find(|runner| text.contains(*runner))
                .copied()
        });
        let (true, Some(called)) = (row.provider().to_uppercase().contains("MSSQL"), called) else {
            return;
        };
        let host = world.writer(row);
        let user = match world.accounts.of_text(row.user_id()) {
            Some(user) if world.accounts.kind(user) == AccountKind::User => Some(user),
            _ => None,
        };
        let mut evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Mssql,
            Act::Weak,
            host,
            row.time,
            row.reference,
            format!("SQL Server blocked a call of {called}, which is switched off"),
        )
        .technique(TECHNIQUES)
        .used(user)
        .weighs(Class::Refused, 0.2);
        evidence.attempt = true;
        out.push(evidence);
    });
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    refused(world, out);
    let catalog = world.catalog;
    for_each(catalog, facts::SqlOptionChange, |row| {
        let (option, after) = (row.data(0).to_lowercase(), row.data(2));
        let enables = row.data(1) == "0" && after == "1" || row.data(1) != after;
        if !row.provider().to_uppercase().contains("MSSQL")
            || !enables && option != "xp_cmdshell"
            || !matches!(
                option.as_str(),
                "xp_cmdshell" | "clr enabled" | "ole automation procedures"
            )
        {
            return;
        }
        let host = world.writer(row);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Mssql,
                Act::Weak,
                host,
                row.time,
                row.reference,
                format!(
                    "SQL Server option {option} changed from {} to {after}",
                    row.data(1)
                ),
            )
            .technique(TECHNIQUES)
            .weighs(Class::Option, 0.15),
        );
    });
    let mut logins: HashMap<HostId, Vec<Login>> = HashMap::new();
    for_each(catalog, facts::SqlLogon, |row| {
        let Some((host, login)) = login(world, row) else {
            return;
        };
        out.push(
            Evidence::new(
                Kind::DestinationLogon,
                Family::Mssql,
                Act::None,
                host,
                row.time,
                row.reference,
                format!("SQL Server login of {}", row.data(0)),
            )
            .technique(TECHNIQUES)
            .from(login.src)
            .used(login.used)
            .weighs(Class::Logon, 0.35),
        );
        logins.entry(host).or_default().push(login);
    });
    for times in logins.values_mut() {
        times.sort_unstable_by_key(|one| (one.time, one.reference));
    }
    helpers(world, &logins, out);
}
