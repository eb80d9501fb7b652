//! Daily work of a hard enterprise that resembles movement. Each kind has its own file.

mod automation;
mod backup;
mod check_out;
mod help_desk;
mod polling;
mod rollouts;
mod scanning;
mod second_accounts;
mod terminals;
pub(super) mod turnover;

use super::background::{Day, Seats};
use super::plan::Company;
use super::profile::Work;

/// Does a day of it.
pub(crate) fn day(world: &mut Company, day: Day, seats: &Seats) {
    for kind in world.profile.work.clone() {
        match kind {
            Work::Polling => polling::day(world, day),
            Work::Scanning => scanning::day(world, day),
            Work::Backup => backup::day(world, day),
            Work::SecondAccounts => second_accounts::day(world, day, seats),
            Work::CheckOut => check_out::day(world, day, seats),
            Work::HelpDesk => help_desk::day(world, day, seats),
            Work::Rollouts => rollouts::day(world, day, seats),
            Work::Automation => automation::day(world, day),
            Work::Terminals => terminals::day(world, day, seats),
            Work::Turnover => turnover::day(world, day),
        }
    }
}
