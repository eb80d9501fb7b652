//! The operators of a hard enterprise: people with more than one account, accounts without an owner, and the hosts for
//! them.

use crate::sim::Account;

use super::plan::{Company, Role};
use super::profile::Work;

/// How somebody switches from the everyday account to the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// `runas`: a session of the other account at the desk, for everything that follows.
    RunAs,
    /// `runas /netonly`: new credentials for the network, as in passing a hash.
    NetOnly,
    /// Name and password are given to each tool.
    Prompt,
    /// By remote desktop to a jump host as the other account, and onward from there.
    Jump,
}

/// The role of a staff member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    Servers,
    Workstations,
    Directory,
}

/// A member of the staff.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The workstation.
    pub(crate) desk: usize,
    /// The account for work.
    pub(crate) other: usize,
    pub(crate) duty: Duty,
    pub(crate) switch: Switch,
    /// The servers this person is responsible for.
    pub(crate) servers: Vec<usize>,
}

/// Everything that a hard enterprise has in addition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crew {
    pub(crate) staff: Vec<Member>,
    pub(crate) jump_hosts: Vec<usize>,
    pub(crate) poller: Option<usize>,
    pub(crate) pusher: Option<usize>,
    pub(crate) automation: Option<usize>,
    /// Accounts that are checked out.
    pub(crate) pool: Vec<usize>,
}

/// The additional hosts of a hard enterprise, all at the first site.
pub(crate) fn hosts(work: &std::collections::BTreeSet<Work>, hosts: usize) -> Vec<Role> {
    let mut wanted = Vec::new();
    if work.contains(&Work::SecondAccounts) {
        wanted.extend(vec![Role::Jump; 1 + hosts / 200]);
    }
    if work.contains(&Work::CheckOut) {
        wanted.push(Role::Gateway);
    }
    if work.contains(&Work::Automation) {
        wanted.push(Role::Automation);
    }
    if work.contains(&Work::Terminals) {
        wanted.extend(vec![Role::Terminal; 1 + hosts / 200]);
    }
    wanted
}

/// Hires the staff and creates the accounts.
pub(crate) fn hire(world: &mut Company) {
    let has = |work| world.profile.has(work);
    let staffed = has(Work::SecondAccounts)
        || has(Work::CheckOut)
        || has(Work::HelpDesk)
        || has(Work::Rollouts);
    let (polling, rollouts) = (has(Work::Polling), has(Work::Rollouts));
    let (automation, check_out) = (has(Work::Automation), has(Work::CheckOut));
    let mut crew = Crew {
        jump_hosts: world.of(Role::Jump),
        ..Crew::default()
    };
    if polling {
        crew.poller = Some(service(world, "svc_npm"));
    }
    if rollouts {
        crew.pusher = Some(service(world, "svc_cmpush"));
    }
    if automation {
        crew.automation = Some(service(world, "svc_cfgmgmt"));
    }
    if check_out {
        for number in 1..=6 {
            crew.pool
                .push(service(world, &format!("pam-srv{number:02}")));
        }
    }
    if staffed {
        crew.staff = staff(world);
    }
    world.crew = crew;
}

fn service(world: &mut Company, name: &str) -> usize {
    world.add_account(name.to_owned(), ("", ""), true)
}

/// One in twelve works in IT, and at least six do.
fn staff(world: &mut Company) -> Vec<Member> {
    let desks: Vec<usize> = world.workstations().collect();
    let wanted = (desks.len() / 12).max(6).min(desks.len());
    let step = (desks.len() / wanted.max(1)).max(1);
    let servers = world.member_servers();
    let mut staff = Vec::new();
    // Not the first desk of a site, which the help desk of the usual enterprise uses.
    for (number, desk) in desks
        .iter()
        .copied()
        .skip(step / 2 + 2)
        .step_by(step)
        .take(wanted)
        .enumerate()
    {
        let Some(person) = world
            .owners
            .get(&desk)
            .and_then(|own| world.sim.accounts.get(*own))
            .cloned()
        else {
            continue;
        };
        let duty = match number % 5 {
            0 | 2 => Duty::Servers,
            4 => Duty::Directory,
            _ => Duty::Workstations,
        };
        let switch = match (duty, number / 2 % 4) {
            (Duty::Directory, _) | (Duty::Servers, 0) => Switch::Jump,
            (Duty::Servers, 1) | (Duty::Workstations, 2) => Switch::RunAs,
            (Duty::Servers, 2) => Switch::NetOnly,
            _ => Switch::Prompt,
        };
        let name = second_name(world, &person, duty);
        let other = world.add_account(name, (&person.first, &person.last), true);
        if duty == Duty::Directory {
            world.domain_administrators.push(other);
        }
        let own = servers
            .iter()
            .copied()
            .filter(|host| duty == Duty::Servers && host % 3 != number % 3)
            .collect();
        staff.push(Member {
            desk,
            other,
            duty,
            switch,
            servers: own,
        });
    }
    staff
}

/// The name of somebody's other account: half of the networks have a rule for it, in the others names have grown
/// historically.
fn second_name(world: &mut Company, person: &Account, duty: Duty) -> String {
    let tier = match duty {
        Duty::Directory => 0,
        Duty::Servers => 1,
        Duty::Workstations => 2,
    };
    if world.chance(1, 2) {
        return format!("{}-t{tier}", person.name);
    }
    let number = 1_000 + world.sim.random.below(9_000);
    match world.sim.random.below(3) {
        0 => format!("x{number}{}", tier + 7),
        1 => format!("ops{}{number}", ["north", "blue", "core"][tier % 3]),
        _ => format!("ext-k{number}"),
    }
}
