//! Group policies changed from elsewhere: a controller then distributes them to every machine (T1484.001).

use crabwalk_activity::{AccountKind, facts, for_each, kind_of};

use crate::evidence::{Act, Class, Evidence, Family, Kind, Sink};
use crate::files::is_policy_path;
use crate::techniques::brief;
use crate::world::World;

/// Attributes of a policy's object that make members read it again: its extensions, its version, the location of its
/// files.
const ATTRIBUTES: &[&str] = &[
    "gpcmachineextensionnames",
    "gpcuserextensionnames",
    "versionnumber",
    "gpcfilesyspath",
];

pub(crate) fn events(world: &mut World<'_>, out: &mut Sink) {
    let catalog = world.catalog;
    for_each(catalog, facts::DirectoryChange, |row| {
        let attribute = row.attribute().to_lowercase();
        let (sid, name) = (row.subject_user_sid(), row.subject_user_name());
        if !row
            .object_class()
            .eq_ignore_ascii_case("groupPolicyContainer")
            || !ATTRIBUTES.contains(&attribute.as_str())
            || kind_of(name, sid) != AccountKind::User
        {
            return;
        }
        let host = world.writer(row);
        let user = world.accounts.get(sid, row.subject_domain_name(), name);
        let evidence = Evidence::new(
            Kind::DestinationExecution,
            Family::Smb,
            Act::Weak,
            host,
            row.time,
            row.reference,
            format!(
                "changed {} of the group policy {}",
                row.attribute(),
                brief(row.object_dn())
            ),
        )
        .technique(&["T1484.001"])
        .used(user)
        .weighs(Class::File, 0.15)
        .in_session(world, row.subject_logon_id());
        out.push(evidence);
    });
    // Controllers replicate policies with their own service; the kernel writes for a client.
    for_each(catalog, facts::FileCreation, |row| {
        let path = row.target_filename().to_lowercase();
        if !row.image().eq_ignore_ascii_case("System") || !is_policy_path(&path) {
            return;
        }
        let host = world.writer(row);
        out.push(
            Evidence::new(
                Kind::DestinationExecution,
                Family::Smb,
                Act::Weak,
                host,
                row.time,
                row.reference,
                format!("a client wrote the group policy file {}", brief(&path)),
            )
            .technique(&["T1484.001"])
            .weighs(Class::File, 0.15),
        );
    });
}
