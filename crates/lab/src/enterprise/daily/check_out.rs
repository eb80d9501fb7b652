//! Accounts that a vault lends for two hours: today one person is `pam-srv03`, tomorrow another.
//!
//! Half of the people go through the gateway: remote desktop to it as themselves, from there remote desktop to the
//! server with the account from the vault (4648 on the gateway, 4624 of type 10 on the server). The others type the
//! account into a tool at the desk. So each account comes from always different desks and goes to always different
//! servers, and no pair of accounts recurs; a change of account is what the gateway is for.

use crate::sim::MINUTE;

use super::super::background::{Chore, Day, HOUR, Seats, within, work};
use super::super::crew::Duty;
use super::super::plan::{Company, Role};
use super::second_accounts::desktop;

pub(super) fn day(world: &mut Company, day: Day, seats: &Seats) {
    let Some(gateway) = world.of(Role::Gateway).first().copied() else {
        return;
    };
    let servers = world.member_servers();
    let people: Vec<usize> = world
        .crew
        .staff
        .iter()
        .filter(|member| member.duty != Duty::Directory)
        .map(|member| member.desk)
        .collect();
    let mut taken = Vec::new();
    for desk in people {
        let (Some(seat), Some(own)) = (seats.get(&desk), world.owners.get(&desk).copied()) else {
            continue;
        };
        let pool: Vec<usize> = world
            .crew
            .pool
            .iter()
            .copied()
            .filter(|account| !taken.contains(account))
            .collect();
        if servers.is_empty() || pool.is_empty() || world.chance(3, 5) {
            continue;
        }
        let account = *world.sim.random.pick(&pool);
        taken.push(account);
        let time = within(world, day, 9 * HOUR + 10 * MINUTE, 13 * HOUR);
        let many = 1 + world.sim.random.below(2);
        if world.chance(1, 2) {
            let span = (time, time + 140 * MINUTE);
            let Some(session) = desktop(world, seat, gateway, own, span, false) else {
                continue;
            };
            for _ in 0..many {
                let dst = *world.sim.random.pick(&servers);
                let at = time + 2 * MINUTE + world.sim.random.span(60 * MINUTE);
                work(world, Chore::Desktop, at, &session, dst, account, true);
            }
        } else {
            for _ in 0..many {
                let dst = *world.sim.random.pick(&servers);
                let at = time + world.sim.random.span(90 * MINUTE);
                let kind = *world
                    .sim
                    .random
                    .pick(&[Chore::Desktop, Chore::Remoting, Chore::Copy]);
                work(world, kind, at, seat, dst, account, true);
            }
        }
    }
}
