//! Why one hop follows from another if no process tree or session shows it: the program that one hop brought is the
//! file that performed the next, or the user who came became another with sudo.

use std::collections::BTreeSet;

use crabwalk_activity::AccountId;

use crate::assemble::Draft;
use crate::evidence::Family;
use crate::programs::program;
use crate::world::World;

/// Whether the program that one hop brought performed the other.
pub(crate) fn went_on(world: &World<'_>, one: &Draft, hop: &Draft) -> bool {
    if one.programs.is_empty() {
        return false;
    }
    let started: BTreeSet<String> = hop
        .source_processes
        .iter()
        .filter_map(|key| program(world.process_of(key)?.image))
        .collect();
    one.programs
        .iter()
        .any(|path| hop.source_programs.contains(path) || started.contains(path))
}

/// Whether the user of one SSH login became the account of the next with sudo, and then moved on.
pub(crate) fn by_sudo(world: &World<'_>, one: &Draft, hop: &Draft) -> bool {
    let name = |id: Option<AccountId>| -> Option<String> {
        let key = &world.accounts.info(id?)?.key;
        Some(key.rsplit('\\').next().unwrap_or(key).to_owned())
    };
    let (Some(from), Some(to)) = (name(one.used), name(hop.actor.or(hop.used))) else {
        return false;
    };
    one.family == Family::Ssh
        && hop.family == Family::Ssh
        && world.became.iter().any(|own| {
            own.host == one.dst
                && one.first <= own.time
                && own.time <= hop.last
                && own.from.eq_ignore_ascii_case(&from)
                && (own.to.eq_ignore_ascii_case(&to) || hop.used == one.used)
        })
}
