//! Logs of Unix, of programs for remote administration, of the task scheduler and of the cloud: every door gives the same fields,
//! and damage costs no more than what it hits.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::{Row, check, one, read_bytes, row, rows};
use crabwalk_sources::Read;
use crabwalk_sources::report::SourceKind;

const NOON: &str = "1709553600500000"; // 2024-03-04T12:00:00.5Z

/// A record of `wtmp`.
fn login(kind: i16, user: &str, line: &str, host: &str, ip: [u8; 4], seconds: u32) -> Vec<u8> {
    let mut bytes = vec![0_u8; 384];
    let mut put = |at: usize, value: &[u8]| {
        bytes[at..at + value.len()].copy_from_slice(value);
    };
    put(0, &kind.to_le_bytes());
    put(4, &4711_i32.to_le_bytes());
    put(8, line.as_bytes());
    put(44, user.as_bytes());
    put(76, host.as_bytes());
    put(340, &seconds.to_le_bytes());
    put(344, &500_000_i32.to_le_bytes());
    put(348, &ip);
    bytes
}

/// An entry of journald's export, with the message as binary data.
fn entry(fields: &[(&str, &str)], message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.extend(format!("{name}={value}\n").into_bytes());
    }
    bytes.extend(b"MESSAGE\n");
    bytes.extend((message.len() as u64).to_le_bytes());
    bytes.extend(message);
    bytes.extend(b"\n\n");
    bytes
}

const HEAD: [(&str, &str); 5] = [
    ("__CURSOR", "s=1;i=2"),
    ("__REALTIME_TIMESTAMP", "1709553600500000"),
    ("_HOSTNAME", "srv7"),
    ("SYSLOG_IDENTIFIER", "sshd"),
    ("_PID", "7"),
];

fn json_entry(identifier: &str, message: &serde_json::Value) -> Vec<u8> {
    format!(
        r#"{{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1709553600500000","_HOSTNAME":"srv7","SYSLOG_IDENTIFIER":"{identifier}","_PID":"7","MESSAGE":{message}}}"#
    )
    .into()
}

/// A program, its line, and what must be read of it.
type Line = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// Lines of programs, whatever brings them.
const LINES: [Line; 14] = [
    (
        "sshd",
        "Accepted password for eva from 10.0.0.7 port 50022 ssh2",
        &[
            ("action", "success"),
            ("auth_method", "password"),
            ("user", "eva"),
            ("src_ip", "10.0.0.7"),
            ("src_port", "50022"),
        ],
    ),
    (
        "sshd",
        "Accepted publickey for eva from 10.0.0.7 port 50022 ssh2: ED25519 SHA256:abc",
        &[
            ("action", "success"),
            ("auth_method", "publickey"),
            ("fingerprint", "SHA256:abc"),
        ],
    ),
    (
        "sshd",
        "Failed password for invalid user x from 10.0.0.7 port 50022 ssh2",
        &[("action", "failure"), ("user", "x"), ("src_ip", "10.0.0.7")],
    ),
    (
        "sshd",
        "pam_unix(sshd:session): session opened for user eva(uid=1000) by (uid=0)",
        &[("action", "opened"), ("user", "eva"), ("src_user", "")],
    ),
    (
        "sshd",
        "pam_unix(sshd:session): session closed for user eva",
        &[("action", "closed"), ("user", "eva")],
    ),
    (
        "sudo",
        "    eva : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/ssh root@srv8",
        &[
            ("action", "success"),
            ("src_user", "eva"),
            ("user", "root"),
            ("command", "/usr/bin/ssh root@srv8"),
        ],
    ),
    (
        "sudo",
        "eva : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
        &[("action", "failure"), ("src_user", "eva"), ("user", "root")],
    ),
    (
        "sudo",
        "pam_unix(sudo:session): session opened for user root(uid=0) by eva(uid=1000)",
        &[("action", "opened"), ("user", "root"), ("src_user", "eva")],
    ),
    (
        "su",
        "(to root) eva on pts/0",
        &[("action", "success"), ("user", "root"), ("src_user", "eva")],
    ),
    (
        "su",
        "FAILED SU (to root) eva on pts/0",
        &[("action", "failure"), ("user", "root"), ("src_user", "eva")],
    ),
    (
        "su",
        "Successful su for root by eva",
        &[("action", "success"), ("user", "root"), ("src_user", "eva")],
    ),
    (
        "su",
        "FAILED su for root by eva",
        &[("action", "failure"), ("user", "root"), ("src_user", "eva")],
    ),
    (
        "su",
        "+ pts/0 eva:root",
        &[("action", "success"), ("user", "root"), ("src_user", "eva")],
    ),
    (
        "su",
        "some other words by nobody",
        &[("action", ""), ("user", "")],
    ),
];

#[test]
fn a_line_reads_alike_by_every_door() {
    for (program, message, expected) in LINES {
        let exported: Vec<(&str, &str)> = HEAD
            .into_iter()
            .map(|(name, value)| {
                (
                    name,
                    if name == "SYSLOG_IDENTIFIER" {
                        program
                    } else {
                        value
                    },
                )
            })
            .collect();
        let mut plain: String = exported
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        plain.push_str(&format!("MESSAGE={message}\n\n"));
        let doors: Vec<(&str, Vec<u8>, SourceKind)> = vec![
            (
                "a line",
                format!("2024-03-04T12:00:00.5Z srv7 {program}[7]: {message}\n").into(),
                SourceKind::Syslog,
            ),
            (
                "RFC 5424",
                format!("<86>1 2024-03-04T12:00:00.5Z srv7 {program} 7 - - {message}\n").into(),
                SourceKind::Syslog,
            ),
            (
                "journald's JSON",
                json_entry(program, &message.into()),
                SourceKind::Json,
            ),
            (
                "journald's JSON, binary",
                json_entry(program, &message.as_bytes().into()),
                SourceKind::Json,
            ),
            ("journald's export", plain.into(), SourceKind::Syslog),
            (
                "journald's export, binary",
                entry(&exported, message.as_bytes()),
                SourceKind::Syslog,
            ),
        ];
        for (door, bytes, kind) in doors {
            let what = format!("{door}: {message}");
            let all = read_bytes("log", &bytes);
            assert_eq!(all.sources[0].kind, kind, "{what}");
            assert!(
                all.sources[0].problems.is_empty(),
                "{what}: {:?}",
                all.sources[0].problems
            );
            let row = row(&all, &format!("syslog:{program}"), 0);
            check(
                &what,
                &row,
                &[("_time", NOON), ("host", "srv7"), ("pid", "7")],
            );
            for (name, value) in expected {
                assert_eq!(one(&row, name), *value, "{what}: {name}");
            }
        }
    }
}

#[test]
fn the_export_of_journald_is_read_around_damage() {
    let good = entry(
        &HEAD,
        b"Accepted password for eva from 10.0.0.7 port 1 ssh2\nand a second line",
    );
    let other: Vec<(&str, &str)> = HEAD
        .into_iter()
        .map(|(name, value)| (name, if name == "__CURSOR" { "s=1;i=3" } else { value }))
        .collect();
    let next = entry(&other, b"Failed password for eva from 10.0.0.7 port 2 ssh2");
    let sshd = |bytes: &[u8]| -> (usize, Read) {
        let all = read_bytes("journal", bytes);
        (rows(&all, "syslog:sshd", 0).len(), all)
    };
    let (count, all) = sshd(&[good.clone(), next.clone()].concat());
    assert_eq!(count, 2);
    assert!(all.sources[0].problems.is_empty());
    // A length that cannot be true, a line that is no field, and the end of the file in a value.
    let mut wild = good.clone();
    let at = good
        .windows(8)
        .position(|eight| eight == b"MESSAGE\n")
        .expect("a message")
        + 8;
    wild[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    for (what, damaged, events) in [
        (
            "a length",
            [wild, b"\n\n".to_vec(), next.clone()].concat(),
            2,
        ),
        (
            "a line",
            [
                good.clone(),
                b"no field here\nX=1\n\n".to_vec(),
                next.clone(),
            ]
            .concat(),
            2,
        ),
        (
            "the end",
            [next.clone(), good[..good.len() - 20].to_vec()].concat(),
            2,
        ),
        (
            "a long line",
            [
                good.clone(),
                vec![b'A'; 17 << 20],
                b"\n\n".to_vec(),
                next.clone(),
            ]
            .concat(),
            2,
        ),
    ] {
        let (count, all) = sshd(&damaged);
        assert_eq!(count, events, "{what}");
        assert!(
            all.sources[0].problems.iter().any(|problem| problem.loss),
            "{what}"
        );
    }
}

#[test]
fn logins_of_wtmp() {
    let at = 1_709_553_600;
    let bytes = [
        login(2, "reboot", "~", "6.1.0-18-amd64", [0; 4], at),
        login(6, "LOGIN", "tty1", "", [0; 4], at),
        login(7, "eva", "pts/0", "client.example", [10, 0, 0, 7], at),
        login(6, "root", "ssh:notty", "192.0.2.4", [192, 0, 2, 4], at),
        login(8, "", "pts/0", "", [0; 4], at + 60),
    ]
    .concat();
    let all = read_bytes("anything", &bytes);
    assert_eq!(all.sources[0].kind, SourceKind::Syslog);
    assert!(
        all.sources[0].problems.is_empty(),
        "{:?}",
        all.sources[0].problems
    );
    let found = rows(&all, "linux:wtmp", 0);
    let of = |at: usize, name: &str| one(&found[at], name).to_owned();
    assert_eq!(found.len(), 5);
    assert_eq!(
        (of(0, "ut_type"), of(0, "kernel"), of(0, "action")),
        ("BOOT_TIME".into(), "6.1.0-18-amd64".into(), String::new())
    );
    assert_eq!(of(1, "action"), "");
    check(
        "a login",
        &found[2],
        &[
            ("_time", NOON),
            ("ut_type", "USER_PROCESS"),
            ("user", "eva"),
            ("line", "pts/0"),
            ("src_host", "client.example"),
            ("src_ip", "10.0.0.7"),
            ("pid", "4711"),
            ("action", "success"),
        ],
    );
    assert_eq!(
        (of(3, "user"), of(3, "action")),
        ("root".into(), "failure".into())
    );
    assert_eq!(
        (of(4, "ut_type"), of(4, "line")),
        ("DEAD_PROCESS".into(), "pts/0".into())
    );

    // The end breaks off, and a record is damaged.
    let mut damaged = [
        bytes.clone(),
        login(7, "ida", "pts/2", "", [10, 0, 0, 8], at),
    ]
    .concat();
    damaged[384 * 2 + 44] = 7;
    damaged.truncate(damaged.len() - 10);
    let head = [bytes.repeat(4), damaged].concat();
    let all = read_bytes("wtmp", &head);
    assert_eq!(all.sources[0].records + all.sources[0].skipped, 26);
    assert_eq!(all.sources[0].skipped, 2);
    // What only looks a little like it: zeros, and records of other programs.
    for other in [
        vec![0_u8; 384 * 4],
        vec![1_u8; 384 * 4],
        b"\x07\0\0\0".repeat(384),
    ] {
        let all = read_bytes("wtmp", &other);
        assert_eq!(all.sources[0].kind, SourceKind::Unknown);
    }
}

#[test]
fn records_of_auditd_are_joined_by_serial() {
    let text = r#"type=SYSCALL msg=audit(1709553600.500:77): arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 ppid=6 pid=7 auid=1000 uid=0 tty=pts0 ses=3 comm="ssh" exe="/usr/bin/ssh" key="moves"
node=other type=USER_LOGIN msg=audit(1709553600.500:77): pid=9 uid=0 auid=1000 ses=4 msg='op=login id=1000 exe="/usr/sbin/sshd" hostname=10.0.0.7 addr=10.0.0.7 terminal=/dev/pts/0 res=success'
type=EXECVE msg=audit(1709553600.500:77): argc=3 a0="ssh" a1=726F6F7440737276382078 a2="-v"
type=CWD msg=audit(1709553600.500:77): cwd="/root"
type=PROCTITLE msg=audit(1709553600.500:77): proctitle=7373680072
type=EOE msg=audit(1709553600.500:77):
type=USER_AUTH msg=audit(1709553601.000:78): pid=9 uid=0 auid=4294967295 ses=4294967295 msg='op=PAM:authentication grantors=? acct="eva" exe="/usr/sbin/sshd" hostname=client addr=10.0.0.7 terminal=ssh res=failed'
type=USER_CMD msg=audit(1709553602.000:79): pid=9 uid=1000 auid=1000 ses=4 msg='cwd="/home/eva" cmd=636174202F6574632F736861646F77 terminal=pts/0 res=success'UID="eva" AUID="eva"
type=USER_LOGIN no such thing
"#;
    let all = read_bytes("audit.log", text.as_bytes());
    assert_eq!(all.sources[0].kind, SourceKind::Syslog);
    let found = rows(&all, "linux:audit", 0);
    assert_eq!(found.len(), 4, "{found:?}");
    let of = |serial: &str, host: &str| -> Row {
        let mut one_of = found
            .iter()
            .filter(|row| one(row, "serial") == serial && one(row, "host") == host);
        one_of.next().expect("an event").clone()
    };
    let run = of("77", "");
    check(
        "a command",
        &run,
        &[
            ("_time", NOON),
            ("exe", "/usr/bin/ssh"),
            ("command", "ssh root@srv8 x -v"),
            ("ses", "3"),
            ("auid", "1000"),
            ("proctitle", "ssh r"),
            ("cwd", "/root"),
            ("action", "success"),
        ],
    );
    assert_eq!(run["type"], ["SYSCALL", "EXECVE", "CWD", "PROCTITLE"]);
    check(
        "another node",
        &of("77", "other"),
        &[
            ("type", "USER_LOGIN"),
            ("src_ip", "10.0.0.7"),
            ("action", "success"),
            ("exe", "/usr/sbin/sshd"),
        ],
    );
    check(
        "a refusal",
        &of("78", ""),
        &[
            ("user", "eva"),
            ("action", "failure"),
            ("src_ip", "10.0.0.7"),
        ],
    );
    check(
        "sudo",
        &of("79", ""),
        &[
            ("user", "eva"),
            ("command", "cat /etc/shadow"),
            ("action", "success"),
        ],
    );

    // An event without end, and one with too many records and fields.
    let many: String = (0..2000)
        .map(|at| {
            format!("type=PATH msg=audit(1709553600.500:77): item={at} name=\"/a{at}\" x{at}=1\n")
        })
        .collect();
    let all = read_bytes("audit.log", many.as_bytes());
    assert_eq!(rows(&all, "linux:audit", 0).len(), 1);
    assert!(
        all.sources[0]
            .problems
            .iter()
            .any(|problem| problem.message.contains("too many"))
    );
}

#[test]
fn anydesk_and_teamviewer() {
    let trace = "* * * * * * * *\n   info 2024-03-04 12:00:00.500       gsvc   4376   5424   37                anynet.any_socket - Client-ID: 442226597 (FPR: 1a6e).\n   info 2024-03-04 12:00:00.600       gsvc   4376   5424   37                anynet.any_socket - Logged in from 10.0.0.7:50182 on relay 27a0.\n   info 2024-03-04 12:00:01.000       back   4376   5424                app.backend_session - Incoming session request: an (a) b (442226597)\n   info 2024-03-04 12:00:02.000       back   4376   5424                app.auth - Authenticated by password.\nwarning 2024-03-04 12:00:03.000       ctrl   4376   5424                anynet.connection_mgr - Making a new connection to client 777.\n";
    let all = read_bytes("x.txt", trace.as_bytes());
    assert_eq!(all.sources[0].kind, SourceKind::Program);
    let found = rows(&all, "program:anydesk", 0);
    assert_eq!(found.len(), 5);
    check(
        "its address",
        &found[1],
        &[
            ("direction", "incoming"),
            ("action", "connected"),
            ("src_ip", "10.0.0.7"),
            ("src_port", "50182"),
            ("peer_id", "442226597"),
        ],
    );
    check(
        "its request",
        &found[2],
        &[
            ("peer_name", "an (a) b"),
            ("peer_id", "442226597"),
            ("component", "app.backend_session"),
        ],
    );
    check(
        "let in",
        &found[3],
        &[("action", "success"), ("auth_method", "by password")],
    );
    check(
        "out",
        &found[4],
        &[
            ("direction", "outgoing"),
            ("peer_id", "777"),
            ("level", "warning"),
        ],
    );
    assert_eq!(one(&found[0], "_time"), NOON);

    let list = "Incoming    2024-03-04, 12:00    User                              anna@ad    442226597\nIncoming    2024-03-04, 12:01    REJECTED    442226597    442226597\n";
    let wide: Vec<u8> = std::iter::once(0xfeff)
        .chain(list.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [list.as_bytes().to_vec(), wide] {
        let all = read_bytes("x.txt", &bytes);
        let found = rows(&all, "program:anydesk", 0);
        assert_eq!(found.len(), 2);
        check(
            "accepted",
            &found[0],
            &[
                ("_time", "1709553600000000"),
                ("auth_method", "User"),
                ("action", "success"),
                ("peer_name", "anna@ad"),
                ("peer_id", "442226597"),
            ],
        );
        check(
            "rejected",
            &found[1],
            &[("action", "failure"), ("peer_id", "442226597")],
        );
        assert_eq!(one(&found[1], "peer_name"), "");
    }

    let incoming = "\r\n442226597\tPC-ANNA\t04-03-2024 12:00:00\t04-03-2024 12:30:00\tkarl\tRemoteControl\t{5f1}\r\n";
    let all = read_bytes("x.txt", incoming.as_bytes());
    check(
        "incoming",
        &row(&all, "program:teamviewer", 0),
        &[
            ("_time", "1709553600000000"),
            ("direction", "incoming"),
            ("peer_id", "442226597"),
            ("peer_name", "PC-ANNA"),
            ("user", "karl"),
            ("session_type", "RemoteControl"),
            ("session_id", "{5f1}"),
        ],
    );
    let outgoing =
        "442226597\t04-03-2024 12:00:00\t04-03-2024 12:30:00\tkarl\tRemoteControl\t{5f1}\n";
    check(
        "outgoing",
        &row(
            &read_bytes("x", outgoing.as_bytes()),
            "program:teamviewer",
            0,
        ),
        &[
            ("direction", "outgoing"),
            ("peer_id", "442226597"),
            ("user", "karl"),
        ],
    );

    let log = "Start:              2024/03/04 13:00:00.500 (UTC+1:00)\nVersion:            15.1 \nID:                 111222333\n\n2024/03/04 13:00:01.000  4711  4712 S0   CPersistentParticipantManager::AddParticipant: [442226597,-7] type=6 name=PC-ANNA\n2024/03/04 13:00:02.000  4711  4712 S0   UDPv4: punch received a=10.0.0.7:50001: (*)\n";
    let all = read_bytes("x.log", log.as_bytes());
    let found = rows(&all, "program:teamviewer", 0);
    assert_eq!(found.len(), 4, "{found:?} {:?}", all.sources);
    assert_eq!(one(&found[0], "_time"), NOON);
    check(
        "its number",
        &found[1],
        &[("own_id", "111222333"), ("_time", NOON)],
    );
    check(
        "a participant",
        &found[2],
        &[("peer_id", "442226597"), ("peer_name", "PC-ANNA")],
    );
    check(
        "an address",
        &found[3],
        &[
            ("src_ip", "10.0.0.7"),
            ("src_port", "50001"),
            ("_time", "1709553602000000"),
        ],
    );
    // Logs that only begin like these.
    for other in [
        "info 2024-03-04 all well\n",
        "Incoming mail\n",
        "7\ta\tb\tc\td\te\n",
        "2024/03/04 hello world\n",
        "ID: 7\n",
    ] {
        assert_eq!(
            read_bytes("x.log", other.as_bytes()).sources[0].records,
            0,
            "{other}"
        );
    }
}

#[test]
fn tasks_of_the_scheduler() {
    let xml = r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <!-- <Author>nobody</Author> -->
  <RegistrationInfo><Date>2024-03-04T12:00:00.5</Date><Author>CORP\anna</Author><URI>\Updater</URI></RegistrationInfo>
  <Triggers />
  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
  <Actions Context="Author"><Exec><Command>cmd.exe</Command><Arguments>/c "a &amp; b" &gt; x</Arguments></Exec><Exec><Command>b.exe</Command></Exec></Actions>
</Task>"#;
    let wide: Vec<u8> = std::iter::once(0xfeff)
        .chain(xml.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for bytes in [xml.as_bytes().to_vec(), wide.clone()] {
        let all = read_bytes("Updater", &bytes);
        assert_eq!(all.sources[0].kind, SourceKind::Xml);
        let row = row(&all, "program:task", 0);
        check(
            "a task",
            &row,
            &[
                ("_time", NOON),
                ("Author", "CORP\\anna"),
                ("TaskName", "\\Updater"),
                ("Arguments", "/c \"a & b\" > x"),
                ("UserId", "S-1-5-18"),
                ("RunLevel", "HighestAvailable"),
                ("dated_by", "task"),
            ],
        );
        assert_eq!(row["Command"], ["cmd.exe", "b.exe"]);
    }
    // One that breaks off, one that never ends, and another kind of XML with this name.
    let cut = read_bytes("Updater", &xml.as_bytes()[..xml.len() - 120]);
    check(
        "cut",
        &row(&cut, "program:task", 0),
        &[("Author", "CORP\\anna")],
    );
    assert!(cut.sources[0].problems.iter().any(|problem| problem.loss));
    let deep = format!(
        "<Task xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">{}</Task>",
        "<a>".repeat(100_000)
    );
    assert_eq!(
        rows(&read_bytes("x", deep.as_bytes()), "program:task", 0).len(),
        1
    );
    assert_eq!(
        read_bytes("x.xml", b"<Task><Author>a</Author></Task>").sources[0].records,
        0
    );

    // Machine and name by the path in a collection.
    let folder = tempfile::tempdir().expect("a folder");
    let tasks = folder.path().join("WS6/C/Windows/System32/Tasks/Group");
    std::fs::create_dir_all(&tasks).expect("folders");
    let plain = xml
        .replace(r"<URI>\Updater</URI>", "")
        .replace("<Date>2024-03-04T12:00:00.5</Date>", "");
    std::fs::write(tasks.join("Updater"), plain).expect("a file");
    let all = common::read_path(folder.path());
    check(
        "by its path",
        &row(&all, "program:task", 0),
        &[
            ("host", "WS6"),
            ("host_from", "path"),
            ("TaskName", r"\Group\Updater"),
            ("dated_by", "file"),
        ],
    );
}

#[test]
fn sign_ins_read_alike_from_every_export() {
    let signs = |what: &str, row: &Row| {
        check(
            what,
            row,
            &[
                ("_time", NOON),
                ("userPrincipalName", "anna@corp.example"),
                ("ipAddress", "192.0.2.7"),
                ("appDisplayName", "Azure Portal"),
                ("status.errorCode", "0"),
            ],
        );
    };
    let graph = r#"{"id":"7","createdDateTime":"2024-03-04T12:00:00.5Z","userPrincipalName":"anna@corp.example","appDisplayName":"Azure Portal","ipAddress":"192.0.2.7","status":{"errorCode":0,"failureReason":"Other."},"appliedConditionalAccessPolicies":[{"id":"p","result":"success"}]}"#;
    let wrapped = format!(r#"{{"@odata.context":"x","value":[{graph}]}}"#);
    let settings = format!(
        r#"{{"time":"2024-03-04T12:05:00Z","operationName":"Sign-in activity","category":"SignInLogs","resultType":"0","callerIpAddress":"192.0.2.7","properties":{graph}}}"#
    );
    let analytics = r#"{"TimeGenerated":"2024-03-04T12:05:00Z","CreatedDateTime":"2024-03-04T12:00:00.5Z","Category":"SignInLogs","ResultType":"0","UserPrincipalName":"anna@corp.example","AppDisplayName":"Azure Portal","IPAddress":"192.0.2.7","Type":"SigninLogs"}"#;
    let csv = "TimeGenerated,CreatedDateTime,ResultType,UserPrincipalName,AppDisplayName,IPAddress\n2024-03-04T12:05:00Z,2024-03-04T12:00:00.5Z,0,anna@corp.example,Azure Portal,192.0.2.7\n";
    for (what, text) in [
        ("Graph", graph),
        ("Graph, wrapped", wrapped.as_str()),
        ("diagnostic settings", settings.as_str()),
        ("Log Analytics", analytics),
        ("CSV", csv),
    ] {
        let all = read_bytes("x", text.as_bytes());
        signs(what, &row(&all, "entra:signin", 0));
    }
    let audit = r#"{"id":"8","activityDateTime":"2024-03-04T12:00:00.5Z","activityDisplayName":"Add member to role","category":"RoleManagement","result":"success","loggedByService":"Core Directory","initiatedBy":{"user":{"id":"1","userPrincipalName":"anna@corp.example"}},"targetResources":[{"displayName":"karl","type":"User"}]}"#;
    check(
        "audit",
        &row(&read_bytes("x", audit.as_bytes()), "entra:audit", 0),
        &[
            ("_time", NOON),
            ("activityDisplayName", "Add member to role"),
            ("initiatedBy.user.userPrincipalName", "anna@corp.example"),
            ("targetResources.displayName", "karl"),
        ],
    );

    let office = r#"{"CreationTime":"2024-03-04T12:00:00","Id":"9","Operation":"UserLoggedIn","RecordType":15,"Workload":"AzureActiveDirectory","UserId":"anna@corp.example","ClientIP":"192.0.2.7:50001"}"#;
    let quoted = office.replace('"', "\"\"");
    let table = format!(
        "RecordId,CreationDate,RecordType,Operation,UserId,AuditData\n9,2024-03-04T12:00:00Z,15,UserLoggedIn,anna@corp.example,\"{quoted}\"\n"
    );
    let embedded = format!(
        r#"{{"RecordType":"15","CreationDate":"2024-03-04T12:00:00Z","UserIds":"anna","Operations":"UserLoggedIn","AuditData":{}}}"#,
        serde_json::Value::String(office.to_owned())
    );
    for (what, text) in [
        ("JSON", office),
        ("CSV", table.as_str()),
        ("JSON in JSON", embedded.as_str()),
    ] {
        check(
            what,
            &row(&read_bytes("x", text.as_bytes()), "m365:audit", 0),
            &[
                ("_time", "1709553600000000"),
                ("Operation", "UserLoggedIn"),
                ("UserId", "anna@corp.example"),
                ("ClientIP", "192.0.2.7"),
            ],
        );
    }
    // A cell that is not whole still tells what the row does.
    let torn = "RecordId,CreationDate,RecordType,Operation,UserId,AuditData\n9,2024-03-04T12:00:00Z,15,UserLoggedIn,anna@corp.example,{\n";
    check(
        "torn",
        &row(&read_bytes("x", torn.as_bytes()), "m365:audit", 0),
        &[("Operation", "UserLoggedIn"), ("_time", "1709553600000000")],
    );
}

#[test]
fn timelines_of_others_quote_events() {
    let masstin = "time_created,dst_computer,event_type,event_id,logon_type,target_user_name,target_domain_name,src_computer,src_ip,subject_user_name,subject_domain_name,logon_id,detail,log_filename\n2024-03-04 12:00:00.500000,WS6,SUCCESSFUL_LOGON,4624,3,anna,CORP,WS5,10.0.0.5,-,-,0x500,Kerberos,Security.evtx\n2024-03-04 12:00:00.500000,WS6,CONNECT,21,,anna,CORP,,10.0.0.5,,,,,x.evtx\n2024-03-04 12:00:00.500000,srv7,SUCCESSFUL_LOGON,SSH_SUCCESS,,eva,,,10.0.0.7,,,,password,auth.log\n2024-03-04 12:00:00.500000,srv8,CONNECT,SMB,,eva,,,10.0.0.7,,,,,Current.mdb\n";
    let all = read_bytes("x", masstin.as_bytes());
    assert_eq!(all.sources[0].kind, SourceKind::Csv);
    assert_eq!(all.sources[0].records, 4);
    check(
        "a logon",
        &row(&all, "Security", 4624),
        &[
            ("_time", NOON),
            ("host", "WS6"),
            ("LogonType", "3"),
            ("TargetUserName", "anna"),
            ("IpAddress", "10.0.0.5"),
            ("TargetLogonId", "0x500"),
            ("WorkstationName", "WS5"),
        ],
    );
    check(
        "a session",
        &row(
            &all,
            "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
            21,
        ),
        &[("User", "CORP\\anna"), ("Address", "10.0.0.5")],
    );
    check(
        "SSH",
        &row(&all, "syslog:sshd", 0),
        &[
            ("host", "srv7"),
            ("user", "eva"),
            ("action", "success"),
            ("src_ip", "10.0.0.7"),
        ],
    );
    check(
        "another",
        &row(&all, "masstin:timeline", 0),
        &[("event_id", "SMB"), ("dst_computer", "srv8")],
    );

    // Chainsaw: one event, and several that a rule joined.
    let event = |number: u32| {
        format!(
            r#"{{"kind":"evtx","data":{{"Event":{{"EventData":{{"TargetUserName":"ann"}},"System":{{"Channel":"Security","Computer":"SRV-A","EventID":4624,"EventRecordID":{number},"TimeCreated_attributes":{{"SystemTime":"2024-03-04T12:00:00.500000Z"}}}}}}}}}}"#
        )
    };
    let one_line = format!(
        r#"{{"group":"Sigma","kind":"individual","name":"a","document":{},"timestamp":"2024-03-04T12:00:09+00:00"}}"#,
        event(1)
    );
    let several = format!(
        r#"{{"group":"Sigma","kind":"aggregate","name":"b","documents":[{},{}],"timestamp":"2024-03-04T12:00:09+00:00"}}"#,
        event(2),
        event(1)
    );
    for text in [
        format!("{one_line}\n{several}\n"),
        format!("[{one_line},{several}]"),
    ] {
        let found = rows(&read_bytes("x", text.as_bytes()), "Security", 4624);
        assert_eq!(found.len(), 2, "a copy counts once");
        assert!(
            found
                .iter()
                .all(|row| one(row, "TargetUserName") == "ann" && one(row, "_time") == NOON)
        );
    }
}
