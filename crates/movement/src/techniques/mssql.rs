//! SQL Server: xp_cmdshell and its kin (T1505.001).

use super::{Started, Technique, brief, ran};
use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;
use crabwalk_activity::channel::*;
use crabwalk_activity::{AccountKind, Place, for_each};

/// SQL Server.
pub(crate) struct Mssql;

impl Technique for Mssql {
    fn family(&self) -> Family {
        Family::Mssql
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

/// Procedures by which a client of SQL Server runs programs.
const RUNNERS: &[&str] = &["xp_cmdshell", "sp_oacreate", "sp_oamethod"];

/// A call that SQL Server blocked because the component is switched off (Microsoft, MSSQLSERVER_15281).
fn refused(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, APPLICATION, 15281, |row| {
        // SQL Server 2005 and later name the component's type first, then the procedure, with or without its schema.
        let called = (0..6).find_map(|at| {
            let text = row.nth("Data", at).to_lowercase();
            RUNNERS
                .iter()
                .find(|runner| text.contains(*runner))
                .copied()
        });
        let (true, Some(called)) = (row.get("Provider").to_uppercase().contains("MSSQL"), called)
        else {
            return;
        };
        let host = world.writer(row);
        let user = match world.accounts.of_text(row.get("UserID")) {
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
    for_each(catalog, APPLICATION, 15457, |row| {
        let (option, after) = (row.nth("Data", 0).to_lowercase(), row.nth("Data", 2));
        let enables = row.nth("Data", 1) == "0" && after == "1" || row.nth("Data", 1) != after;
        if !row.get("Provider").to_uppercase().contains("MSSQL")
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
                    row.nth("Data", 1)
                ),
            )
            .technique(TECHNIQUES)
            .weighs(Class::Option, 0.15),
        );
    });
    for id in [18453_u32, 18454] {
        for_each(catalog, APPLICATION, id, |row| {
            if !row.get("Provider").to_uppercase().contains("MSSQL") {
                return;
            }
            let host = world.writer(row);
            let client = (0..4)
                .map(|n| row.nth("Data", n))
                .find(|text| text.contains("[CLIENT:"))
                .unwrap_or_default();
            let client = client
                .split("[CLIENT:")
                .nth(1)
                .unwrap_or_default()
                .trim_end_matches(']')
                .trim();
            let src = world.hosts.place(client, host, row.time);
            // 18454 is a login that SQL Server itself keeps, no account of Windows.
            let name = row.nth("Data", 0);
            let user = if id == 18454 {
                world.accounts.of_text(&format!("sql:{name}"))
            } else {
                world.accounts.of_text(name)
            };
            if matches!(src, Place::Host(_)) {
                out.push(
                    Evidence::new(
                        Kind::DestinationLogon,
                        Family::Mssql,
                        Act::None,
                        host,
                        row.time,
                        row.reference,
                        format!("SQL Server login of {}", row.nth("Data", 0)),
                    )
                    .technique(TECHNIQUES)
                    .from(src)
                    .used(user)
                    .weighs(Class::Logon, 0.35),
                );
            }
        });
    }
}
