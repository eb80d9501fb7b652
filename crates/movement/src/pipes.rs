//! Which clients opened the pipes of Windows' own services, according to share access (5145) and Sysmon (18): what the
//! service does next, it may do for them.

use crabwalk_activity::facts;
use crabwalk_activity::{
    AccountId, AccountKind, Activity, HostId, Place, for_each, kind_of, number,
};

/// Pipes through which a service acts for a client.
const SERVING: &[&str] = &["svcctl", "winreg", "atsvc", "spoolss"];

/// Failure keyword of the Security log.
const FAILURE: u64 = 0x0010_0000_0000_0000;

/// Whether the keywords of an event of the Security log say that it reports a refusal.
pub(crate) fn was_refused(keywords: &str) -> bool {
    number(keywords) & FAILURE != 0 || keywords.eq_ignore_ascii_case("Audit Failure")
}

/// Whether a share is the one of pipes.
pub(crate) fn is_pipe_share(share: &str) -> bool {
    share
        .trim_end_matches('\\')
        .to_uppercase()
        .ends_with("IPC$")
}

/// A client opened a pipe.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub host: HostId,
    pub time: i64,
    pub pipe: &'static str,
    /// Unknown if only Sysmon reports it.
    pub src: Place,
    pub used: Option<AccountId>,
    /// 0 if only Sysmon reports it.
    pub logon_id: u64,
    pub reference: u64,
}

fn serving(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('\\');
    SERVING
        .iter()
        .find(|pipe| pipe.eq_ignore_ascii_case(name))
        .copied()
}

/// All of them, by host and time.
pub(crate) fn read(world: &mut Activity<'_>) -> Vec<Opened> {
    let catalog = world.catalog;
    let mut all = Vec::new();
    for_each(catalog, facts::ShareFile, |row| {
        let Some(pipe) = serving(row.relative_target_name()) else {
            return;
        };
        let (sid, name) = (row.subject_user_sid(), row.subject_user_name());
        if !is_pipe_share(row.share_name())
            || kind_of(name, sid) != AccountKind::User
            || was_refused(row.keywords())
        {
            return;
        }
        let host = world.writer(row);
        let src = world.hosts.place(row.ip_address(), host, row.time);
        if src == Place::Local {
            return;
        }
        all.push(Opened {
            host,
            time: row.time,
            pipe,
            src,
            used: world.accounts.get(sid, row.subject_domain_name(), name),
            logon_id: row.subject_logon_id(),
            reference: row.reference,
        });
    });
    for_each(catalog, facts::PipeConnection, |row| {
        // The kernel opens it for a remote client; a local program does so itself.
        if let (Some(pipe), true) = (
            serving(row.pipe_name()),
            row.image().eq_ignore_ascii_case("System"),
        ) {
            all.push(Opened {
                host: world.writer(row),
                time: row.time,
                pipe,
                src: Place::Unknown,
                used: None,
                logon_id: 0,
                reference: row.reference,
            });
        }
    });
    all.sort_by_key(|one| (one.host, one.time, one.reference));
    all
}

/// The host of a path such as `\\host\C$`, if a text contains one.
pub(crate) fn admin_path(words: &[String]) -> Option<String> {
    words.iter().find_map(|word| {
        let rest = word.strip_prefix("\\\\")?;
        let mut parts = rest.split('\\');
        let (host, share) = (parts.next()?, parts.next()?);
        is_admin_share(share).then(|| host.to_owned())
    })
}

/// `ADMIN$` and drive shares such as `C$`.
pub(crate) fn is_admin_share(share: &str) -> bool {
    let name = share
        .trim_end_matches('\\')
        .rsplit('\\')
        .next()
        .unwrap_or(share);
    let name = name.to_uppercase();
    name == "ADMIN$"
        || (name.len() == 2
            && name.ends_with('$')
            && name.starts_with(|c: char| c.is_ascii_alphabetic()))
}
