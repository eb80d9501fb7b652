//! User Access Logging: databases as the engine lays them out, whatever their pages; and what hostile ones may cost.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use common::{Row, check, one, read_bytes, read_path, rows};
use crabwalk_sources::report::SourceKind;
use crabwalk_testing::ese::{Column, Database, Table, Value, utf16};
use proptest::prelude::*;

/// Steps of 100 ns from 1601-01-01 to 1970-01-01.
const UNIX: u64 = 116_444_736_000_000_000;
/// 2024-03-04T12:00:00Z, and some hours later, in seconds since 1970-01-01.
const NOON: u64 = 1_709_553_600;
const EVENING: u64 = NOON + 8 * 3600 + 5;
/// 2024-03-04, in microseconds; the 64th day of a leap year.
const MARCH_4: &str = "1709510400000000";
const MARCH_3: &str = "1709424000000000";

const FILE_SERVER: [u8; 16] = [
    0x6f, 0x22, 0xa9, 0x10, 0xee, 0x50, 0xd8, 0x49, 0xa3, 0x93, 0x9a, 0x50, 0x1d, 0x47, 0xce, 0x04,
];

fn filetime(seconds: u64) -> Value {
    Value::Plain((seconds * 10_000_000 + UNIX).to_le_bytes().to_vec())
}

fn columns() -> Vec<Column<'static>> {
    let column = |id, name, kind, size| Column {
        id,
        name,
        kind,
        size,
    };
    let mut all = vec![
        column(1, "RoleGuid", 16, 16),
        column(2, "TenantId", 16, 16),
        column(3, "TotalAccesses", 14, 4),
        column(4, "InsertDate", 8, 8),
        column(5, "LastAccess", 8, 8),
        column(128, "Address", 9, 0),
        column(256, "AuthenticatedUserName", 12, 0),
        column(257, "ClientName", 12, 0),
    ];
    for day in 1..=366_u16 {
        let name: &'static str = Box::leak(format!("Day{day}").into_boxed_str());
        all.push(column(257 + day, name, 17, 0));
    }
    all
}

/// A client as it is kept: `user` in any way, and the accesses of days of the year.
fn client(
    user: Value,
    address: &[u8],
    times: (u64, u64),
    days: &[(u16, u16)],
) -> BTreeMap<u16, Value> {
    let mut row = BTreeMap::from([
        (1, Value::Plain(FILE_SERVER.to_vec())),
        (2, Value::Plain(vec![0; 16])),
        (3, Value::Plain(7_u32.to_le_bytes().to_vec())),
        (4, filetime(times.0)),
        (5, filetime(times.1)),
        (128, Value::Plain(address.to_vec())),
        (256, user),
    ]);
    for (day, count) in days {
        row.insert(257 + day, Value::Plain(count.to_le_bytes().to_vec()));
    }
    row
}

fn of_clients(page_size: usize, clean: bool, rows: Vec<BTreeMap<u16, Value>>) -> Vec<u8> {
    let roles = Table {
        name: "ROLE_ACCESS",
        columns: columns().into_iter().take(1).collect(),
        rows: vec![BTreeMap::from([(1, Value::Plain(FILE_SERVER.to_vec()))])],
    };
    let clients = Table {
        name: "CLIENTS",
        columns: columns(),
        rows,
    };
    let tables = vec![roles, clients];
    Database {
        page_size,
        clean,
        tables,
    }
    .bytes()
}

/// `SystemIdentity.mdb`: the machine got its domain later.
fn of_machine() -> Vec<u8> {
    let column = |id, name, kind, size| Column {
        id,
        name,
        kind,
        size,
    };
    let text = |text: &str| Value::Plain(utf16(text));
    let machine = |seconds: u64, domain: &str| {
        BTreeMap::from([
            (1, filetime(seconds)),
            (256, text("FS1")),
            (257, text(domain)),
        ])
    };
    let tables = vec![
        Table {
            name: "SYSTEM_IDENTITY",
            columns: vec![
                column(1, "CreationTime", 8, 8),
                column(256, "SystemDNSHostName", 12, 0),
                column(257, "SystemDomainName", 12, 0),
            ],
            rows: vec![
                machine(NOON, "corp.example"),
                machine(NOON - 60, "WORKGROUP"),
            ],
        },
        Table {
            name: "ROLE_IDS",
            columns: vec![
                column(1, "RoleGuid", 16, 16),
                column(256, "RoleName", 12, 0),
            ],
            rows: vec![BTreeMap::from([
                (1, Value::Plain(FILE_SERVER.to_vec())),
                (256, text("Files, as FS1 calls them")),
            ])],
        },
    ];
    Database {
        page_size: 4096,
        clean: true,
        tables,
    }
    .bytes()
}

fn eva() -> BTreeMap<u16, Value> {
    let name = Value::Wide("corp\\eva".to_owned());
    client(
        name,
        &[10, 0, 0, 7],
        (NOON, EVENING),
        &[(64, 5), (63, 2), (65, 0)],
    )
}

fn accesses(all: &crabwalk_sources::Read) -> Vec<Row> {
    rows(all, "program:ual", 0)
}

#[test]
fn a_client_is_its_first_and_last_access_and_its_days() {
    let all = read_bytes("Current.mdb", &of_clients(4096, true, vec![eva()]));
    assert_eq!(all.sources[0].kind, SourceKind::Program);
    assert!(all.sources[0].problems.is_empty(), "{:?}", all.sources);
    let found = accesses(&all);
    assert_eq!(found.len(), 4, "{found:?}");
    let same = [
        ("RoleName", "File Server"),
        ("RoleGuid", "10a9226f-50ee-49d8-a393-9a501d47ce04"),
        ("Address", "10.0.0.7"),
        ("AuthenticatedUserName", "corp\\eva"),
        ("InsertDate", "2024-03-04T12:00:00Z"),
    ];
    for (row, own) in found.iter().zip([
        [
            ("_time", "1709553600000000"),
            ("dated_by", "InsertDate"),
            ("Count", ""),
        ],
        [("_time", MARCH_3), ("dated_by", "day"), ("Count", "2")],
        [("_time", MARCH_4), ("dated_by", "day"), ("Count", "5")],
        [
            ("_time", "1709582405000000"),
            ("dated_by", "LastAccess"),
            ("TotalAccesses", "7"),
        ],
    ]) {
        check("a client", row, &same);
        check("a client", row, &own);
        assert_eq!(one(row, "host"), "");
        let last = one(row, "LastAccess");
        assert_eq!(last.is_empty(), one(row, "dated_by") != "LastAccess");
    }
}

#[test]
fn addresses_and_accounts_of_every_kind() {
    let plain = |text: &str| Value::Plain(utf16(text));
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 9];
    let local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12];
    let clients = vec![
        client(plain("corp\\ws1$"), &local, (NOON, NOON), &[]),
        client(plain("\\"), &mapped, (NOON, NOON), &[]),
        client(plain("corp\\bob"), &[1, 2, 3], (NOON, NOON), &[]),
    ];
    let all = read_bytes("x", &of_clients(8192, true, clients));
    let found: Vec<(String, String)> = accesses(&all)
        .iter()
        .filter(|row| one(row, "dated_by") == "InsertDate")
        .map(|row| {
            (
                one(row, "Address").to_owned(),
                one(row, "AuthenticatedUserName").to_owned(),
            )
        })
        .collect();
    let expected = [
        ("fe80::12", "corp\\ws1$"),
        ("10.0.0.9", ""),
        ("", "corp\\bob"),
    ];
    let expected = expected.map(|(address, user)| (address.to_owned(), user.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn days_are_of_the_year_that_ends_with_the_last_access() {
    // Last used on 2024-01-02: day 2 is of that year, and 365 of the one before. A machine ahead of UTC has the next day already.
    let last = 1_704_200_000;
    let days = [(2, 1), (3, 1), (365, 1), (366, 1)];
    let user = Value::Ascii(String::new());
    let row = client(user, &[10, 0, 0, 7], (last - 86_400 * 9, last), &days);
    let all = read_bytes("x", &of_clients(4096, true, vec![row]));
    let found: Vec<String> = accesses(&all)
        .iter()
        .filter(|row| one(row, "dated_by") == "day")
        .map(|row| one(row, "_time").to_owned())
        .collect();
    assert_eq!(
        found,
        ["1704153600000000", "1704240000000000", "1703980800000000"]
    );
    // 2023 has no 366th day.
    assert_eq!(all.sources[0].skipped, 1);
}

#[test]
fn the_machine_is_named_by_the_database_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let sum = folder.path().join("collected");
    std::fs::create_dir(&sum).expect("a folder");
    std::fs::write(sum.join("Current.mdb"), of_clients(4096, true, vec![eva()])).expect("a file");
    std::fs::write(sum.join("systemidentity.MDB"), of_machine()).expect("a file");
    let all = read_path(folder.path());
    let own = [
        ("host", "FS1.corp.example"),
        ("host_from", "SystemIdentity.mdb"),
        ("RoleName", "Files, as FS1 calls them"),
    ];
    assert_eq!(accesses(&all).len(), 4);
    for row in accesses(&all) {
        check("beside", &row, &own);
    }
    // Each machine of an archive has its own; in another folder of it there is none, and the path tells.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .expect("a member");
        zip.write_all(bytes).expect("a member");
    };
    let sum = "C/Windows/System32/LogFiles/Sum";
    add(
        &format!("OLD/{sum}/Current.mdb"),
        &of_clients(4096, true, vec![eva()]),
    );
    add(
        &format!("FS1/{sum}/Current.mdb"),
        &of_clients(4096, true, vec![eva()]),
    );
    add(&format!("FS1/{sum}/SystemIdentity.mdb"), &of_machine());
    let zip = zip.finish().expect("an archive").into_inner();
    let all = read_bytes("triage.zip", &zip);
    let mut hosts: Vec<(String, String)> = accesses(&all)
        .iter()
        .map(|row| {
            (
                one(row, "host").to_owned(),
                one(row, "host_from").to_owned(),
            )
        })
        .collect();
    hosts.dedup();
    let expected = [("OLD", "path"), ("FS1.corp.example", "SystemIdentity.mdb")];
    let expected = expected.map(|(host, from)| (host.to_owned(), from.to_owned()));
    assert_eq!(hosts, expected);
}

#[test]
fn what_a_copy_of_the_database_has_too_counts_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let later = client(
        Value::Wide("corp\\eva".to_owned()),
        &[10, 0, 0, 7],
        (NOON, EVENING + 86_400),
        &[(64, 5), (63, 2), (65, 1)],
    );
    std::fs::write(
        folder.path().join("Current.mdb"),
        of_clients(4096, true, vec![later]),
    )
    .expect("a file");
    std::fs::write(
        folder.path().join("{1}.mdb"),
        of_clients(4096, true, vec![eva()]),
    )
    .expect("a file");
    let all = read_path(folder.path());
    let of = |what: &str| {
        accesses(&all)
            .iter()
            .filter(|row| one(row, "dated_by") == what)
            .count()
    };
    assert_eq!((of("InsertDate"), of("day"), of("LastAccess")), (1, 3, 2));
}

#[test]
fn a_database_in_use_is_read_as_far_as_it_goes() {
    let all = read_bytes("Current.mdb", &of_clients(4096, false, vec![eva()]));
    assert_eq!(accesses(&all).len(), 4);
    let source = &all.sources[0];
    assert!(source.problems[0].message.contains("in use"), "{source:?}");
    assert!(!source.is_lossy());
}

#[test]
fn other_databases_are_no_loss_in_a_folder() {
    let table = Table {
        name: "datatable",
        columns: columns(),
        rows: vec![eva()],
    };
    let other = Database {
        page_size: 8192,
        clean: true,
        tables: vec![table],
    };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("Current.mdb"), other.bytes()).expect("a file");
    let all = read_path(folder.path());
    assert!(all.collected.tables.is_empty());
    assert!(
        all.sources[0].problems[0]
            .message
            .contains("an ESE database")
    );
    assert!(!all.sources[0].is_lossy());
}

/// Addresses of a number of clients, each another.
fn nth(at: usize) -> [u8; 4] {
    u32::try_from(at).unwrap_or(0).to_be_bytes()
}

#[test]
fn a_lost_page_costs_what_is_on_it() {
    let many: Vec<_> = (0..500)
        .map(|at| {
            client(
                Value::Ascii(format!("user{at}")),
                &nth(at),
                (NOON, NOON),
                &[],
            )
        })
        .collect();
    let good = of_clients(4096, true, many);
    let count = |bytes: &[u8]| {
        let all = read_bytes("x", bytes);
        let lossy = all.sources[0].is_lossy();
        (accesses(&all).len(), lossy)
    };
    // The first access of each is its last.
    let (whole, lossy) = count(&good);
    assert_eq!((whole, lossy), (500, false));
    let with = |text: &[u8]| {
        good.windows(text.len())
            .position(|own| own == text)
            .expect("a row")
            / 4096
            * 4096
    };
    // The page of the client with this address, in the middle of the tree; its links are kept.
    let address: &[u8] = &nth(250);
    let page = with(address);
    let mut lost = good.clone();
    lost[page + 34..page + 40].fill(0xff);
    let (rest, lossy) = count(&lost);
    assert!(rest > 450 && rest < 500 && lossy, "{rest}");
    // Rows of another table on it are not taken for clients.
    let mut foreign = good.clone();
    foreign[page + 24] ^= 1;
    assert_eq!(count(&foreign), (rest, true));
    // A page that follows itself, or leads back to the root, is read once.
    for (at, to) in [
        (20, u32::try_from(page / 4096 - 1).expect("a number")),
        (20, 4),
    ] {
        let mut cycle = good.clone();
        cycle[page + at..page + at + 4].copy_from_slice(&to.to_le_bytes());
        assert_eq!(count(&cycle), (500, false));
    }
    // The engine was stopped before it linked a new page into the tree: the page in front of it leads there.
    let object = good[page + 24..page + 28].to_vec();
    let parent = (0..good.len() / 4096)
        .map(|at| at * 4096)
        .find(|at| good[at + 24..at + 28] == object[..] && good[at + 36] & 2 == 0)
        .expect("a branch");
    let own = (u32::try_from(page / 4096 - 1).expect("a number")).to_le_bytes();
    let link = parent
        + good[parent..parent + 4096]
            .windows(4)
            .position(|four| four == own)
            .expect("a link");
    let mut unlinked = good.clone();
    let before: [u8; 4] = good[page + 16..page + 20].try_into().expect("four");
    unlinked[link..link + 4].copy_from_slice(&before);
    assert_eq!(count(&unlinked), (500, false));
}

#[test]
fn values_that_overlap_do_not_multiply() {
    let days: Vec<(u16, u16)> = (1..=366).map(|day| (day, 1)).collect();
    let row = client(
        Value::Plain(utf16("corp\\eva")),
        &[10, 0, 0, 7],
        (NOON, EVENING),
        &days,
    );
    let mut bytes = of_clients(32768, true, vec![row]);
    let needle = utf16("corp\\eva");
    let at = bytes
        .windows(needle.len())
        .position(|own| own == needle)
        .expect("a row");
    let page = at / 32768 * 32768;
    // 3000 tags, all of the one row.
    let end = page + 32768;
    let tag: [u8; 4] = bytes[end - 8..end - 4].try_into().expect("four");
    for number in 1..3000 {
        let at = end - (number + 1) * 4;
        bytes[at..at + 4].copy_from_slice(&tag);
    }
    bytes[page + 34..page + 36].copy_from_slice(&3000_u16.to_le_bytes());
    let all = read_bytes("x", &bytes);
    assert!(accesses(&all).is_empty());
    assert!(all.sources[0].is_lossy());
}

#[test]
fn many_losses_are_counted_and_the_first_are_told() {
    let many: Vec<_> = (0..300)
        .map(|at| {
            let user = Value::Long(utf16(&format!("corp\\somebody{at}")));
            client(user, &nth(at), (NOON, NOON), &[])
        })
        .collect();
    let mut bytes = of_clients(4096, true, many);
    // The pages with the long values are gone.
    let needle = utf16("somebody");
    let pages: Vec<usize> = (0..bytes.len() / 4096).map(|at| at * 4096).collect();
    for page in pages {
        let own = &mut bytes[page..page + 4096];
        if own.windows(needle.len()).any(|text| text == needle) {
            own[34..40].fill(0xff);
        }
    }
    let all = read_bytes("x", &bytes);
    assert_eq!(accesses(&all).len(), 300);
    let report = &all.sources[0];
    assert_eq!(report.skipped, 300);
    assert_eq!(report.problems.len() as u64 + report.more_problems, 300);
    assert_eq!(report.problems.len(), 100);
}

/// A text in each of the ways to keep it.
fn kept(how: u8, text: &str) -> Value {
    match how {
        0 => Value::Plain(utf16(text)),
        1 => Value::Wide(text.to_owned()),
        2 => Value::Xpress(utf16(text)),
        3 => Value::Long(utf16(text)),
        _ => Value::LongXpress(utf16(text)),
    }
}

fn a_client() -> impl Strategy<Value = (u8, String, [u8; 4], u64, Vec<(u16, u16)>)> {
    let name = prop_oneof![
        "[a-z]{1,8}\\\\[a-z]{1,12}",
        // Long enough for several parts, and for every length of a repetition.
        "[ab]{200,500}",
        proptest::collection::vec("[a-z]{1,3}", 1..4).prop_map(|parts| parts
            .join("-")
            .repeat(30)
            .chars()
            .take(500)
            .collect()),
    ];
    let days = proptest::collection::btree_map(1..=60_u16, 1..=u16::MAX, 0..12);
    (
        0..5_u8,
        name,
        any::<[u8; 4]>(),
        NOON..NOON + 86_000,
        days.prop_map(|days| days.into_iter().collect()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        size in prop::sample::select(vec![2048_usize, 4096, 8192, 16384, 32768]),
        clients in proptest::collection::vec(a_client(), 0..120),
    ) {
        let written = clients
            .iter()
            .map(|(how, name, address, last, days)| client(kept(*how, name), address, (NOON, *last), days))
            .collect();
        let all = read_bytes("Current.mdb", &of_clients(size, true, written));
        prop_assert!(all.sources[0].problems.is_empty(), "{:?}", all.sources);
        let mut expected: Vec<(String, String, String, String)> = Vec::new();
        for (_, name, address, last, days) in &clients {
            let mut add = |time: u64, what: &str| {
                let address = std::net::Ipv4Addr::from(*address).to_string();
                expected.push(((time * 1_000_000).to_string(), name.clone(), address, what.to_owned()));
            };
            add(NOON, "");
            for (day, count) in days {
                add(1_704_067_200 + u64::from(day - 1) * 86_400, &count.to_string());
            }
            if *last != NOON {
                add(*last, "");
            }
        }
        let mut found: Vec<(String, String, String, String)> = accesses(&all)
            .iter()
            .map(|row| {
                let value = |name: &str| one(row, name).to_owned();
                (value("_time"), value("AuthenticatedUserName"), value("Address"), value("Count"))
            })
            .collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damage_neither_stops_nor_multiplies(
        size in prop::sample::select(vec![4096_usize, 32768]),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        pages in proptest::collection::vec((any::<prop::sample::Index>(), 0..40_usize, any::<u8>()), 0..20),
        end in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let rows = (0..60)
            .map(|at| client(kept((at % 5) as u8, &"long name ".repeat(40)), &nth(at), (NOON, EVENING), &[(1, 1), (64, 3)]))
            .collect();
        let mut bytes = of_clients(size, true, rows);
        for (at, value) in changes {
            // The header is damaged elsewhere: without it there is nothing to read.
            let place = size + at.index(bytes.len() - size);
            bytes[place] = value;
        }
        // Headers of pages are a small part of the file and the most of what can go wrong.
        for (page, at, value) in pages {
            let page = 2 + page.index(bytes.len() / size - 2);
            bytes[page * size + at] = value;
        }
        if let Some(end) = end {
            bytes.truncate(1 + end.index(bytes.len() - 1));
        }
        let begun = Instant::now();
        let all = read_bytes("Current.mdb", &bytes);
        prop_assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        prop_assert!(accesses(&all).len() <= bytes.len() / 4);
    }
}
