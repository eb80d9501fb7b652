//! The program that acted in a session from elsewhere: Security log events on objects and privileges name the session
//! and the program that served it. A service that impersonates its client appears with the client's LogonId, so the
//! program reveals the way.

use std::collections::BTreeMap;

use crabwalk_activity::{AccountKind, base_name, facts, for_each};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::pipes::was_refused;
use crate::techniques::{ALL, brief};
use crate::used::Use;
use crate::world::World;

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    // One witness per session, way and certainty, the first: a program changes hundreds of rights in a row.
    let mut seen: BTreeMap<(usize, Family, Act), Evidence> = BTreeMap::new();
    for_each(catalog, facts::ObjectUse, |row| {
        let id = row.event_id;
        let host = world.writer(row);
        let logon = row.subject_logon_id();
        let Some(at) = world.session(host, logon, row.time) else {
            return;
        };
        let from_elsewhere = world.sessions.get(at).is_some_and(|session| {
            session.is_remote()
                && matches!(session.logon_type, 3 | 8)
                && session.kind == AccountKind::User
        });
        if !from_elsewhere || (!matches!(id, 4657 | 4670) && was_refused(row.keywords())) {
            return;
        }
        let used = Use::of(row);
        let told = ALL
            .iter()
            .find_map(|way| Some((way.family(), way.served(&used)?)));
        let Some((family, told)) = told else { return };
        let key = (at, family, told.act);
        if seen.get(&key).is_some_and(|one| one.time < row.time) {
            return;
        }
        let program = if used.program.is_empty() {
            "the server of shares".to_owned()
        } else {
            base_name(row.process_name()).to_owned()
        };
        let what = match (id, used.object.as_str()) {
            (4657, object) => format!(
                "{program} set {} of {} for the client",
                row.object_value_name(),
                brief(object)
            ),
            (4673, _) | (_, "" | "-") => {
                format!("{program} used a privilege for the client")
            }
            (4663, object) if used.program.is_empty() => {
                format!("{program} wrote {} for the client", brief(object))
            }
            (4656, object) => {
                format!("{program} opened {} for the client", brief(object))
            }
            (_, object) => format!("{program} changed {} for the client", brief(object)),
        };
        let evidence = Evidence::new(
            Kind::DestinationExecution,
            family,
            told.act,
            host,
            row.time,
            row.reference,
            what,
        )
        .technique(told.techniques)
        .weighs(Class::Served, 0.15)
        .in_session(world, logon);
        let first = seen.get(&key);
        if first.is_none_or(|one| (evidence.time, &evidence.what) < (one.time, &one.what)) {
            seen.insert(key, evidence);
        }
    });
    out.extend(seen.into_values());
}
