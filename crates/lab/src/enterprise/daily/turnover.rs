//! Joiners and leavers.
//!
//! A newly created account (4720, 4722) has no past: everything it does is done for the first time. A disabled one
//! (4725) is still in a script that nobody thought of, which is refused from then on (4625 with `0xc0000072`). Identity
//! management does both on a domain controller, so the subject is the controller itself.

use crate::sim::{Account, Channel, MINUTE, Random, Session, luid, s, sid};

use super::super::background::{Day, HOUR, within};
use super::super::plan::{Company, Role};

/// The first and last day of those who join or leave, by workstation; eight of 100 people do within the simulated time,
/// but never the staff.
pub(in super::super) fn plan(world: &mut Company, days: usize, seed: u64) {
    let mut random = Random(seed ^ 0x7475_726e);
    let staff: Vec<usize> = world.crew.staff.iter().map(|member| member.desk).collect();
    for host in world.workstations().collect::<Vec<_>>() {
        if random.below(100) >= 8 || staff.contains(&host) || days < 2 {
            continue;
        }
        let day = 1 + usize::try_from(random.below(days as u64 - 1)).unwrap_or(0);
        let span = if random.below(2) == 0 {
            (day, usize::MAX)
        } else {
            (0, day)
        };
        world.employed.insert(host, span);
    }
}

pub(super) fn day(world: &mut Company, day: Day) {
    let files = world.of(Role::Files).first().copied();
    for (host, (first, last)) in world.employed.clone() {
        let Some(who) = world
            .owners
            .get(&host)
            .map(|owner| world.sim.accounts[*owner].clone())
        else {
            continue;
        };
        let controller = world.sim.hosts[host].controller;
        let session = world.sim.system_session(controller);
        if first > 0 && first == day.number {
            let time = within(world, day, 5 * HOUR, 6 * HOUR);
            create(world, time, &session, &who);
        }
        if last == day.number {
            let time = within(world, day, 19 * HOUR, 20 * HOUR);
            change(world, time, &session, &who, 4725);
        }
        if last < day.number
            && let Some(dst) = files
        {
            for hour in [2, 10, 22] {
                let time = day.midnight + hour * HOUR + world.sim.random.span(5 * MINUTE);
                world.sim.refused(time, host, dst, &who.name, 0xc000_0072);
            }
        }
    }
}

fn create(world: &mut Company, time: i64, session: &Session, who: &Account) {
    let domain = world.sim.domain.clone();
    world.sim.log(
        session.host,
        Channel::Security,
        time,
        (4720, 0, 13_824),
        vec![
            ("TargetUserName", s(who.name.clone())),
            ("TargetDomainName", s(domain.netbios.clone())),
            ("TargetSid", sid(&who.sid)),
            ("SubjectUserSid", sid(&session.sid)),
            ("SubjectUserName", s(session.name.clone())),
            ("SubjectDomainName", s(session.domain.clone())),
            ("SubjectLogonId", luid(session.luid)),
            ("PrivilegeList", s("-")),
            ("SamAccountName", s(who.name.clone())),
            ("DisplayName", s(format!("{} {}", who.first, who.last))),
            (
                "UserPrincipalName",
                s(format!("{}@{}", who.name, domain.dns)),
            ),
            ("HomeDirectory", s("-")),
            ("HomePath", s("-")),
            ("ScriptPath", s("-")),
            ("ProfilePath", s("-")),
            ("UserWorkstations", s("-")),
            ("PasswordLastSet", s("%%1794")),
            ("AccountExpires", s("%%1794")),
            ("PrimaryGroupId", s("513")),
            ("AllowedToDelegateTo", s("-")),
            ("OldUacValue", s("0x0")),
            ("NewUacValue", s("0x15")),
            (
                "UserAccountControl",
                s("\n\t\t%%2080\n\t\t%%2082\n\t\t%%2084"),
            ),
            ("UserParameters", s("-")),
            ("SidHistory", s("-")),
            ("LogonHours", s("%%1793")),
        ],
    );
    change(world, time + 200_000, session, who, 4722);
}

/// An account is enabled (4722) or disabled (4725).
fn change(world: &mut Company, time: i64, session: &Session, who: &Account, id: u16) {
    let netbios = world.sim.domain.netbios.clone();
    world.sim.log(
        session.host,
        Channel::Security,
        time,
        (id, 0, 13_824),
        vec![
            ("TargetUserName", s(who.name.clone())),
            ("TargetDomainName", s(netbios)),
            ("TargetSid", sid(&who.sid)),
            ("SubjectUserSid", sid(&session.sid)),
            ("SubjectUserName", s(session.name.clone())),
            ("SubjectDomainName", s(session.domain.clone())),
            ("SubjectLogonId", luid(session.luid)),
        ],
    );
}
