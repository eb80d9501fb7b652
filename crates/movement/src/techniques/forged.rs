//! Forged tickets: an account whose name does not belong to its SID (T1550.003, T1558.001).

use super::{Shares, Technique};
use std::collections::BTreeSet;

use crabwalk_activity::{AccountId, AccountKind, Package, Place};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::world::World;

/// Forged tickets.
pub(crate) struct Forged;

impl Technique for Forged {
    fn family(&self) -> Family {
        Family::Credential
    }

    fn shares(&self) -> Shares {
        Shares::Serve
    }

    fn events(&self, world: &mut World<'_>, out: &mut Sink) {
        events(world, out);
    }
}

fn events(world: &mut World<'_>, out: &mut Sink) {
    for at in 0..world.sessions.len() {
        let Some(session) = world.sessions.get(at) else {
            continue;
        };
        if session.kind != AccountKind::User || !session.is_remote() || session.logon_type != 3 {
            continue;
        }
        let Some(account) = session.account else {
            continue;
        };
        let Some(sid) = world
            .accounts
            .info(account)
            .and_then(|account| account.sids.iter().next())
        else {
            continue;
        };
        // Names in other languages or after a rename differ too, but not in the same logs and by Kerberos.
        let sams: BTreeSet<&str> = world
            .accounts
            .names_of_sid(sid)
            .into_iter()
            .flatten()
            .filter_map(|id: &AccountId| world.accounts.info(*id))
            .map(|account| account.key.rsplit('\\').next().unwrap_or(&account.key))
            .collect();
        // The built-in administrator of a domain under a name that no translation of Windows gives it. What has other
        // letters than ASCII may be any translation.
        let odd = sams.len() == 1
            && sid.starts_with("S-1-5-21-")
            && sid.ends_with("-500")
            && sams.first().is_some_and(|name| {
                name.is_ascii() && !name.starts_with("admin") && *name != "rendszergazda"
            });
        // Under many names a SID says nothing: those who share logs sometimes blot out all SIDs with one.
        let forged = matches!(sams.len(), 2 | 3);
        if (!forged && !odd)
            || !matches!(session.source, Place::Host(_))
            || session.package != Package::Kerberos
        {
            continue;
        }
        let mut evidence = Evidence::new(
            Kind::DestinationLogon,
            Family::Credential,
            if odd { Act::Weak } else { Act::Strong },
            session.host,
            session.time,
            session.reference,
            format!(
                "one SID under several names: {}",
                sams.into_iter().collect::<Vec<_>>().join(", ")
            ),
        )
        .technique(&["T1550.003", "T1558.001"])
        .from(session.source)
        .used(session.account)
        .weighs(Class::Identity, 0.15);
        evidence.session = Some(at);
        out.push(evidence);
    }
}
