//! Timelines of masstin (its `docs/csv-format.md`): logins of all kinds of logs in one table. A row quotes some fields of an event,
//! which is read as what it was, as far as the row tells; the others keep their columns.

use crate::record::Record;
use crate::time;

/// Channel, event ids, and what its columns were called in the event.
type Quoted = (
    &'static str,
    &'static [u32],
    &'static [(&'static str, &'static str)],
);

const LOGON: &[(&str, &str)] = &[
    ("logon_type", "LogonType"),
    ("target_user_name", "TargetUserName"),
    ("target_domain_name", "TargetDomainName"),
    ("subject_user_name", "SubjectUserName"),
    ("subject_domain_name", "SubjectDomainName"),
    ("src_computer", "WorkstationName"),
    ("src_ip", "IpAddress"),
    ("logon_id", "TargetLogonId"),
];

const EVENTS: [Quoted; 4] = [
    ("Security", &[4624, 4625, 4634, 4647], LOGON),
    (
        "Security",
        &[4778, 4779],
        &[
            ("target_user_name", "AccountName"),
            ("target_domain_name", "AccountDomain"),
            ("src_computer", "ClientName"),
            ("src_ip", "ClientAddress"),
            ("logon_id", "LogonID"),
        ],
    ),
    (
        "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
        &[21, 22, 24, 25],
        &[("src_ip", "Address")],
    ),
    (
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational",
        &[1149],
        &[
            ("target_user_name", "Param1"),
            ("target_domain_name", "Param2"),
            ("src_ip", "Param3"),
        ],
    ),
];

/// Whether these are the columns of such a timeline.
pub(crate) fn is_head(has: impl Fn(&str) -> bool) -> bool {
    [
        "time_created",
        "dst_computer",
        "event_id",
        "src_computer",
        "log_filename",
    ]
    .iter()
    .all(|name| has(name))
}

/// Fills a record with a row.
pub(crate) fn fill(record: &mut Record, row: &[(&str, String)]) {
    let of = |name: &str| {
        let mut named = row.iter().filter(|(own, _)| *own == name);
        named.next().map_or("", |(_, value)| value.trim())
    };
    record.clear();
    record.time = time::parse(of("time_created")).map(|written| written.micros);
    record.host.push_str(of("dst_computer"));
    let event = of("event_id");
    let id = event.parse::<u32>().ok();
    if let Some((channel, _, fields)) = EVENTS
        .iter()
        .find(|(_, ids, _)| id.is_some_and(|id| ids.contains(&id)))
    {
        record.channel.push_str(channel);
        record.event_id = id.unwrap_or_default();
        for (column, field) in *fields {
            record.data(field, of(column));
        }
        let (user, domain) = (of("target_user_name"), of("target_domain_name"));
        if channel.contains("LocalSessionManager") {
            let user = if domain.is_empty() {
                user.to_owned()
            } else {
                format!("{domain}\\{user}")
            };
            record.data("User", &user);
        }
    } else if let Some(action) = match event {
        "SSH_SUCCESS" => Some("success"),
        "SSH_FAILED" => Some("failure"),
        _ => None,
    } {
        record.channel.push_str("syslog:sshd");
        record.data("process", "sshd");
        record.data("action", action);
        record.data("user", of("target_user_name"));
        record.data(
            "src_ip",
            match of("src_ip") {
                "" => of("src_computer"),
                ip => ip,
            },
        );
    } else {
        record.channel.push_str("masstin:timeline");
        for (name, value) in row.iter().filter(|(name, _)| *name != "time_created") {
            record.data(name, value);
        }
        return;
    }
    record.envelope("masstin_source", of("log_filename"));
}
