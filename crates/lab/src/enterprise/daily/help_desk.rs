//! The help desk: several people, each with an account for it, who visit a different workstation each time.
//!
//! They use remote desktop, remoting, `C$`, WMI and PsExec with typed credentials (4648 at the desk). An intruder going
//! from workstation to workstation does the same: the destination was never seen with that account, and never with that
//! source.

use crate::sim::MINUTE;

use super::super::background::{Chore, Day, HOUR, Seats, within, work};
use super::super::crew::Duty;
use super::super::plan::Company;

pub(super) fn day(world: &mut Company, day: Day, seats: &Seats) {
    let all: Vec<usize> = world.workstations().collect();
    for member in world.crew.staff.clone() {
        let Some(seat) = seats.get(&member.desk) else {
            continue;
        };
        if member.duty != Duty::Workstations {
            continue;
        }
        for (kind, usual) in [
            (Chore::Desktop, 1.5),
            (Chore::Remoting, 0.8),
            (Chore::Copy, 0.5),
            (Chore::Wmi, 0.2),
            (Chore::PsExec, 0.2),
        ] {
            for _ in 0..world.some(usual) {
                let dst = *world.sim.random.pick(&all);
                let at = within(world, day, 9 * HOUR + 10 * MINUTE, 15 * HOUR);
                work(world, kind, at, seat, dst, member.other, true);
            }
        }
    }
}
