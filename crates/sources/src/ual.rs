//! User Access Logging of Windows Server (`C:\Windows\System32\LogFiles\Sum\*.mdb`): which account used which role of the server from
//! which address, how often on each day of a year. Kept for about three years, long after event logs are gone.
//!
//! `Current.mdb` and the databases of past years have the clients; `SystemIdentity.mdb` beside them has the machine's name and those of
//! the roles.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use memchr::memmem;

use crate::ese::{Damage, Damages, Database, Row, number};
use crate::record::Sink;
use crate::report::SourceKind;
use crate::time;

/// Name of the database that names the machine.
pub(crate) const IDENTITY_FILE: &str = "SystemIdentity.mdb";
/// Bytes at the beginning of a database in which its tables are named: they are made with it.
pub(crate) const HEAD: u64 = 4 << 20;
/// Characters of a name that are kept. Accounts have up to 20, domains 255.
const LONGEST: usize = 512;

/// Roles, where `SystemIdentity.mdb` is not at hand: their GUIDs are the same everywhere.
const ROLES: [(&str, &str); 18] = [
    ("10a9226f-50ee-49d8-a393-9a501d47ce04", "File Server"),
    (
        "ad495fc3-0eaa-413d-ba7d-8b13fa7ec598",
        "Active Directory Domain Services",
    ),
    (
        "c50fcc83-bc8d-4df5-8a3d-89d7f80f074b",
        "Active Directory Certificate Services",
    ),
    (
        "b4cdd739-089c-417e-878d-855f90081be7",
        "Active Directory Rights Management Service",
    ),
    ("910cbaf9-b612-4782-a21f-f7c75105434a", "BranchCache"),
    ("48eed6b2-9cdc-4358-b5a5-8dea3b2f3f6a", "DHCP Server"),
    ("7cc4b071-292c-4732-97a1-cf9a7301195d", "FAX Server"),
    ("c23f1c6a-30a8-41b6-bbf7-f266563dfcd6", "FTP Server"),
    ("dde30b98-449e-4b93-84a6-ea86af0b19fe", "MSMQ"),
    (
        "bbd85b29-9dcc-4fd9-865d-3846dcba75c7",
        "Network Policy and Access Services",
    ),
    (
        "7fb09bd3-7fe6-435e-8348-7d8aefb6cea3",
        "Print and Document Services",
    ),
    ("952285d9-edb7-4b6b-9d85-0c09e3da0bbd", "Remote Access"),
    ("8cc0ac85-40f7-4886-9dab-021519800418", "Reporting Services"),
    (
        "2414bc1b-1572-4cd9-9ca5-65166d8def3d",
        "SQL Server Analysis Services",
    ),
    (
        "bd7f7c0d-7c36-4721-afa8-0ba700e26d9e",
        "SQL Server Database Engine",
    ),
    ("d6256cf7-98fb-4eb4-aa18-303f1da1f770", "Web Server"),
    (
        "4116a14d-3840-4f42-a67f-f2f9ff46eb4c",
        "Windows Deployment Services",
    ),
    (
        "d8dc1c8e-ea13-49ce-9a68-c9dca8db8b33",
        "Windows Server Update Services",
    ),
];

/// What `SystemIdentity.mdb` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The machine, with its domain if that has a DNS name; empty if it does not say.
    host: String,
    /// Names of roles, by GUID.
    roles: BTreeMap<String, String>,
}

/// Whether a database that begins with `head`, its first [`HEAD`] bytes, may be one of these.
pub(crate) fn may_be(head: &[u8]) -> bool {
    [b"ROLE_ACCESS".as_slice(), b"SYSTEM_IDENTITY"]
        .iter()
        .any(|table| memmem::find(head, table).is_some())
}

fn short(text: &str) -> &str {
    let end = text
        .char_indices()
        .nth(LONGEST)
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// Reads who the machine is; none if that cannot be read.
pub(crate) fn identity(input: impl Read + Seek) -> Option<Identity> {
    let mut damage = Damages::default();
    let mut database = Database::open(input, &mut damage).ok()?;
    let mut identity = Identity::default();
    let mut latest = None;
    if let Some(table) = database.table("SYSTEM_IDENTITY") {
        let wanted = ["CreationTime", "SystemDNSHostName", "SystemDomainName"];
        let _ = database.rows(
            &table,
            &|column| wanted.contains(&column.name.as_str()),
            &mut damage,
            &mut |row| {
                let (name, domain) = (row.text("SystemDNSHostName"), row.text("SystemDomainName"));
                // A row is added whenever something changes: its domain, for instance.
                let created = row.filetime("CreationTime");
                if name.is_empty() || created < latest {
                    return;
                }
                latest = created;
                identity.host = if name.contains('.') || !domain.contains('.') {
                    short(&name).to_owned()
                } else {
                    format!("{}.{}", short(&name), short(&domain))
                };
            },
        );
    }
    if let Some(table) = database.table("ROLE_IDS") {
        let _ = database.rows(
            &table,
            &|column| matches!(column.name.as_str(), "RoleGuid" | "RoleName"),
            &mut damage,
            &mut |row| {
                if let Some(guid) = row.guid("RoleGuid") {
                    let name = row.text("RoleName");
                    identity.roles.insert(guid, short(&name).to_owned());
                }
            },
        );
    }
    (!identity.host.is_empty() || !identity.roles.is_empty()).then_some(identity)
}

/// Reads a database. `identity` is what `SystemIdentity.mdb` beside it says. Returns whether it is one of these.
pub(crate) fn read(
    input: impl Read + Seek,
    identity: Option<&Identity>,
    sink: &mut Sink<'_, '_>,
) -> bool {
    let mut damage = Damages::default();
    let mut database = match Database::open(input, &mut damage) {
        Ok(database) => database,
        Err(error) => {
            sink.report.kind = SourceKind::Program;
            sink.lost(0, error.to_string());
            return true;
        }
    };
    let clients = database
        .table("CLIENTS")
        .filter(|table| table.has(&["RoleGuid", "Address", "AuthenticatedUserName", "LastAccess"]));
    let names = database
        .table("DNS")
        .filter(|table| table.has(&["Address", "HostName", "LastSeen"]));
    let is_identity = database
        .table("SYSTEM_IDENTITY")
        .is_some_and(|table| table.has(&["SystemDNSHostName"]));
    if clients.is_none() && !is_identity {
        return false;
    }
    sink.report.kind = SourceKind::Program;
    if !database.is_clean() {
        let message = "the database was in use when it was copied: what Windows had not written into it yet is missing";
        sink.warn(None, message.to_owned());
    }
    let mut failed = None;
    if let Some(table) = clients {
        let all = &|_: &_| true;
        let read = database.rows(&table, all, &mut damage, &mut |row| {
            client(row, identity, sink);
        });
        failed = read.err();
    }
    if let Some(table) = names.filter(|_| failed.is_none()) {
        let all = &|_: &_| true;
        let read = database.rows(&table, all, &mut damage, &mut |row| {
            name(row, identity, sink);
        });
        failed = read.err();
    }
    for Damage { offset, message } in damage.told {
        sink.lost(offset, message);
    }
    sink.report.skipped += damage.more;
    sink.report.more_problems += damage.more;
    if let Some(error) = failed {
        sink.lost(
            0,
            format!("reading stopped: {error}; everything before was kept"),
        );
    }
    sink.finish();
    true
}

fn begin(channel: &str, time: i64, identity: Option<&Identity>, sink: &mut Sink<'_, '_>) {
    let record = &mut sink.record;
    record.clear();
    record.channel.push_str(channel);
    record.time = Some(time);
    if let Some(identity) = identity.filter(|identity| !identity.host.is_empty()) {
        record.host.push_str(&identity.host);
        record.envelope("host_from", IDENTITY_FILE);
    }
}

/// An address as text: four or sixteen bytes.
fn address(bytes: &[u8]) -> Option<String> {
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
        _ => return None,
    };
    Some(ip.to_string())
}

fn written(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The beginning of a day of the year, from 1: the last one that is not after `last` (both in microseconds since 1970-01-01 UTC). A
/// database has the days of one year and does not say which. The server's days may be a day ahead of those of UTC.
fn day_before(day: i16, last: i64) -> Option<i64> {
    let last = Timestamp::from_microsecond(last).ok()?;
    let last = TimeZone::UTC.to_datetime(last).date().tomorrow().ok()?;
    let date = [last.year(), last.year().checked_sub(1)?]
        .into_iter()
        .filter_map(|year| {
            let first = Date::new(year, 1, 1).ok()?;
            first.with().day_of_year(day).build().ok()
        })
        .find(|date| *date <= last)?;
    let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
    time::civil(date.year().into(), month.into(), day.into(), 0, 0, 0, 0)
}

/// A client of a role: an event for its first access, one for its last if that is another, and one for each day with accesses.
fn client(row: &Row<'_>, identity: Option<&Identity>, sink: &mut Sink<'_, '_>) {
    let role = row.guid("RoleGuid").unwrap_or_default();
    let role_name = identity
        .and_then(|identity| identity.roles.get(&role))
        .map(String::as_str)
        .or_else(|| {
            let known = ROLES.iter().find(|(guid, _)| *guid == role);
            known.map(|(_, name)| *name)
        })
        .unwrap_or_default()
        .to_owned();
    let from = row.bytes("Address").and_then(address).unwrap_or_default();
    let user = row.text("AuthenticatedUserName");
    // Nobody: an empty domain and an empty name.
    let user = if user == "\\" { "" } else { short(&user) };
    let client = row.text("ClientName");
    let tenant = row.guid("TenantId").unwrap_or_default();
    let total = row.number("TotalAccesses").map(|total| total.to_string());
    let (first, last) = (row.filetime("InsertDate"), row.filetime("LastAccess"));
    let mut emit = |at: i64, dated_by: &str, of_event: &[(&str, &str)]| {
        begin("program:ual", at, identity, sink);
        let record = &mut sink.record;
        record.data("dated_by", dated_by);
        record.data("RoleGuid", &role);
        record.data("RoleName", &role_name);
        record.data("TenantId", &tenant);
        record.data("Address", &from);
        record.data("AuthenticatedUserName", user);
        record.data("ClientName", short(&client));
        record.data("InsertDate", &first.map(written).unwrap_or_default());
        for (name, value) in of_event {
            record.data(name, value);
        }
        sink.emit();
    };
    if let Some(first) = first {
        emit(first, "InsertDate", &[]);
    }
    // What changes with each access is in the last event only: so the others are copies in a database that is a copy of another day,
    // as one always is of the current one.
    let mut undated = 0;
    for (name, value) in row.values() {
        let Some(day) = name.strip_prefix("Day").and_then(|day| day.parse().ok()) else {
            continue;
        };
        let Some(count) = number(value).filter(|count| *count != 0) else {
            continue;
        };
        match last.and_then(|last| day_before(day, last)) {
            Some(midnight) => emit(midnight, "day", &[("Count", &count.to_string())]),
            None => undated += 1,
        }
    }
    if let Some(last) = last.filter(|_| last != first) {
        let total = total.unwrap_or_default();
        let own = [("LastAccess", written(last)), ("TotalAccesses", total)];
        let own = own.each_ref().map(|(name, value)| (*name, value.as_str()));
        emit(last, "LastAccess", &own);
    }
    if undated > 0 {
        sink.lost(
            0,
            format!("{undated} days of a client have no date and are left out"),
        );
    }
}

/// A name that the server, as one of DNS, knows an address by.
fn name(row: &Row<'_>, identity: Option<&Identity>, sink: &mut Sink<'_, '_>) {
    let (address, name) = (row.text("Address"), row.text("HostName"));
    let Some(seen) = row.filetime("LastSeen") else {
        return;
    };
    begin("program:ual_dns", seen, identity, sink);
    sink.record.data("Address", short(&address));
    sink.record.data("HostName", short(&name));
    sink.emit();
}
