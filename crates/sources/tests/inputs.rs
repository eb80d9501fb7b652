//! Folders, archives and bad input: each problem is reported, and the rest is read.
#![allow(clippy::expect_used)]

mod common;

use std::io::Write;
use std::path::Path;

use common::{read_bytes, read_path, read_with, rows};
use crabwalk_sources::collect::Everything;
use crabwalk_sources::report::{SourceKind, SourceReport};
use crabwalk_sources::{Input, Limits, Quiet, Read, read};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

fn line(record: u32) -> String {
    format!(
        "{{\"EventID\":4624,\"Channel\":\"Security\",\"Hostname\":\"A\",\"RecordNumber\":{record},\"@timestamp\":\"2024-03-04T12:00:00Z\"}}\n"
    )
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default())
            .expect("a member");
        zip.write_all(bytes).expect("its bytes");
    }
    zip.finish().expect("a zip").into_inner()
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes)
            .expect("a member");
    }
    tar.into_inner().expect("a tar")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).expect("bytes");
    gzip.finish().expect("a gzip")
}

fn find<'r>(all: &'r Read, end: &str) -> &'r SourceReport {
    all.sources
        .iter()
        .find(|source| source.path.ends_with(end))
        .unwrap_or_else(|| panic!("no {end} in {:?}", all.sources))
}

#[test]
fn archives_and_archives_in_archives() {
    let one = line(1).into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "zip",
            zip_of(&[("logs/a.json", &one), ("README.txt", b"hello there")]),
            "!/logs/a.json",
        ),
        ("gzip", gzip(&one), "file"),
        ("tar", tar_of(&[("a.json", &one)]), "!/a.json"),
        ("tar.gz", gzip(&tar_of(&[("d/a.json", &one)])), "!/d/a.json"),
        (
            "zip in zip",
            zip_of(&[("in.zip", &zip_of(&[("a.json", &one)]))]),
            "!/in.zip!/a.json",
        ),
        (
            "gzip in zip",
            zip_of(&[("a.json.gz", &gzip(&one))]),
            "!/a.json.gz",
        ),
        (
            "tar.gz in zip",
            zip_of(&[("x.tgz", &gzip(&tar_of(&[("a.json", &one)])))]),
            "!/x.tgz!/a.json",
        ),
        (
            "evil names",
            zip_of(&[("../../etc/cron.d/a", &one)]),
            "!/../../etc/cron.d/a",
        ),
    ];
    for (what, bytes, member) in cases {
        let all = read_bytes("file", &bytes);
        let source = find(&all, member);
        assert_eq!(
            (source.kind, source.records),
            (SourceKind::Json, 1),
            "{what}"
        );
        assert!(
            all.sources.iter().all(|source| !source.is_lossy()),
            "{what}: {:?}",
            all.sources
        );
        assert!(
            all.sources
                .iter()
                .all(|source| source.kind != SourceKind::Archive),
            "{what}: {:?}",
            all.sources
        );
        assert!(
            all.sources
                .iter()
                .enumerate()
                .all(|(at, source)| source.id as usize == at),
            "{what}"
        );
    }
}

#[test]
fn limits_of_archives_are_named_and_the_rest_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    let mut deep = line(1).into_bytes();
    for _ in 0..6 {
        deep = zip_of(&[("in.zip", &deep), ("ok.json", line(2).as_bytes())]);
    }
    // A tar in a gzip is one archive, as people count.
    let mut tar = tar::Builder::new(Vec::new());
    let inner = zip_of(&[("a.json", line(1).as_bytes())]);
    let mut header = tar::Header::new_gnu();
    header.set_size(inner.len() as u64);
    header.set_cksum();
    tar.append_data(&mut header, "in.zip", inner.as_slice())
        .expect("a member");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed
        .write_all(&tar.into_inner().expect("a tar"))
        .expect("a tar");
    let packed = packed.finish().expect("a gzip");
    let twice = zip_of(&[("a.zip", &zip_of(&[("a.tar.gz", &packed)]))]);
    let all = read_path(&write("tar.zip", &twice));
    assert_eq!(rows(&all, "Security", 4624).len(), 1, "{:?}", all.sources);
    let all = read_path(&write("deep.zip", &deep));
    let limit = all
        .sources
        .iter()
        .find(|source| source.is_lossy())
        .expect("a loss");
    assert!(
        limit.problems[0].message.contains("inside 4 others"),
        "{limit:?}"
    );
    assert_eq!(rows(&all, "Security", 4624).len(), 1);

    // Sixty million blanks in some sixty kilobytes.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..60 {
        packed.write_all(&blanks).expect("blanks");
    }
    let bomb = packed.finish().expect("a gzip");
    let limits = Limits {
        archive_free_bytes: 1 << 20,
        threads: 1,
        ..Limits::default()
    };
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(
        "bomb.json",
        SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated),
    )
    .expect("a member");
    for _ in 0..60 {
        zip.write_all(&blanks).expect("blanks");
    }
    zip.start_file("ok.json", SimpleFileOptions::default())
        .expect("a member");
    zip.write_all(line(3).as_bytes()).expect("a line");
    let zip = zip.finish().expect("a zip").into_inner();
    for (name, bytes, ok) in [
        ("bomb.gz", bomb.clone(), 0),
        ("bomb.zip", zip, 1),
        (
            "nested.zip",
            zip_of(&[("bomb.gz", &bomb), ("ok.json", line(3).as_bytes())]),
            1,
        ),
    ] {
        let started = std::time::Instant::now();
        let all = read_with(&write(name, &bytes), &limits);
        let text = format!("{:?}", all.sources);
        assert!(text.contains("archive bomb"), "{name}: {text}");
        assert!(text.contains("200 times"), "{name}: {text}");
        assert!(all.sources.iter().any(SourceReport::is_lossy), "{name}");
        assert_eq!(rows(&all, "Security", 4624).len(), ok, "{name}");
        assert!(
            all.sources.iter().map(|source| source.bytes).sum::<u64>() < 40 << 20,
            "{name}: {text}"
        );
        assert!(started.elapsed().as_secs() < 20, "{name}");
    }

    let limits = Limits {
        archive_members: 2,
        threads: 1,
        ..Limits::default()
    };
    let many = zip_of(&[
        ("1", line(1).as_bytes()),
        ("2", line(2).as_bytes()),
        ("3", line(3).as_bytes()),
    ]);
    let all = read_with(&write("many.zip", &many), &limits);
    assert!(
        find(&all, "many.zip").problems[0]
            .message
            .contains("more than 2 members")
    );
    assert_eq!(rows(&all, "Security", 4624).len(), 2);

    // A zip that is cut has no directory; one whose member is damaged still gives the others.
    let all = read_path(&write("cut.zip", &many[..many.len() - 30]));
    assert!(find(&all, "cut.zip").is_lossy());
    let cut = gzip(line(1).repeat(1000).as_bytes());
    let all = read_path(&write("cut.json.gz", &cut[..cut.len() - 20]));
    let source = find(&all, "cut.json.gz");
    assert!(source.is_lossy() && source.records > 0, "{source:?}");
}

#[test]
fn what_is_no_log_is_told_by_name() {
    let cases: &[(&str, &[u8], &str)] = &[
        (
            "a.evtx",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            "is a PNG image, not a log",
        ),
        ("empty", b"", "is empty"),
        (
            "a.pcap",
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0",
            "is a packet capture",
        ),
        (
            "notes.md",
            b"# Notes\nnothing here\n",
            "is text, but not a log",
        ),
        (
            "findings.csv",
            b"\"first\",\"fields\"\n\"2024\",\"{\"\"a\"\":\"\"b\"\"}\"\n",
            "is text, but not a log",
        ),
        ("zeros", &[0; 5000], "is nothing but zero bytes"),
        (
            "noise",
            &[1, 2, 3, 4, 5, 6, 7, 250, 251, 0, 0, 3],
            "is binary data",
        ),
    ];
    for (name, bytes, message) in cases {
        let all = read_bytes(name, bytes);
        let source = &all.sources[0];
        assert!(
            source.problems[0].message.starts_with(message),
            "{name}: {source:?}"
        );
        assert_eq!(source.kind, SourceKind::Unknown, "{name}");
        assert!(source.is_lossy(), "{name} was named");
        // Found in a folder only what claims to be a log is a loss.
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(name), bytes).expect("a file");
        let all = read_path(folder.path());
        assert_eq!(all.sources[0].is_lossy(), name.ends_with(".evtx"), "{name}");
        assert_eq!(all.sources[0].problems.len(), 1, "{name}");
    }
}

#[test]
fn a_folder_is_read_whole_and_in_order_whatever_is_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("b/c")).expect("folders");
    for (name, records) in [
        ("a.json", 1..200),
        ("b/b.json", 200..500),
        ("b/c/c.json", 500..501),
        ("d.json", 100..300),
    ] {
        std::fs::write(path(name), records.map(line).collect::<String>()).expect("a file");
    }
    std::fs::write(
        path("e.zip"),
        zip_of(&[
            ("x.json", line(501).as_bytes()),
            ("y.json", line(502).as_bytes()),
        ]),
    )
    .expect("a file");
    let names = |all: &Read| {
        all.sources
            .iter()
            .map(|source| source.path.clone())
            .collect::<Vec<_>>()
    };
    let one = read_with(
        folder.path(),
        &Limits {
            threads: 1,
            ..Limits::default()
        },
    );
    assert_eq!(rows(&one, "Security", 4624).len(), 502);
    assert_eq!(one.collected.duplicates, 200);
    assert_eq!(
        one.sources.iter().map(|source| source.records).sum::<u64>(),
        702
    );
    let mut sorted = names(&one);
    sorted.sort();
    assert_eq!(names(&one), sorted);
    for threads in [2, 3, 16] {
        let many = read_with(
            folder.path(),
            &Limits {
                threads,
                ..Limits::default()
            },
        );
        assert_eq!(names(&many), names(&one));
        assert_eq!(many.sources, one.sources, "{threads} threads");
        assert_eq!(
            rows(&many, "Security", 4624),
            rows(&one, "Security", 4624),
            "{threads} threads"
        );
        assert_eq!(many.collected.duplicates, 200);
    }
    // A file that is named and found again is read once.
    let twice = read(
        &[
            Input::Path(folder.path().to_owned()),
            Input::Path(path("a.json")),
        ],
        &Everything,
        &Limits::default(),
        &Quiet,
    );
    assert_eq!(twice.sources, one.sources);
}

#[cfg(unix)]
#[test]
fn links_and_special_files_neither_hang_nor_vanish() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("sub")).expect("a folder");
    std::fs::write(path("sub/a.json"), line(1)).expect("a file");
    symlink("..", path("sub/up")).expect("a link");
    symlink("self", path("self")).expect("a link");
    symlink("nowhere", path("dangling")).expect("a link");
    let made = std::process::Command::new("mkfifo")
        .arg(path("pipe"))
        .status();
    let all = read_path(folder.path());
    assert_eq!(rows(&all, "Security", 4624).len(), 1);
    assert!(
        find(&all, "dangling").problems[0]
            .message
            .contains("not there")
    );
    assert!(find(&all, "dangling").is_lossy() && find(&all, "self").is_lossy());
    if made.is_ok_and(|status| status.success()) {
        let pipe = find(&all, "pipe");
        assert!(
            pipe.problems[0].message.contains("FIFO") && !pipe.is_lossy(),
            "{pipe:?}"
        );
        assert!(
            read_path(&path("pipe")).sources[0].is_lossy(),
            "it was named"
        );
    }
    let missing = read_path(Path::new("/nonexistent/x"));
    assert!(
        missing.sources[0].problems[0]
            .message
            .contains("no such file")
            && missing.sources[0].is_lossy()
    );
    if path("sub").metadata().is_ok() {
        // Root reads everything; others are told of what they must not read.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path("sub"), std::fs::Permissions::from_mode(0o000))
            .expect("permissions");
        let forbidden = std::fs::read_dir(path("sub")).is_err();
        let all = read_path(folder.path());
        std::fs::set_permissions(path("sub"), std::fs::Permissions::from_mode(0o755))
            .expect("permissions");
        if forbidden {
            assert!(find(&all, "sub").is_lossy());
        }
    }
}

#[test]
fn long_lines_bad_utf8_and_nul_bytes() {
    let long = |bytes: usize| {
        format!(
            "{{\"EventID\":4624,\"Channel\":\"Security\",\"X\":\"{}\"}}\n",
            "x".repeat(bytes)
        )
    };
    let all = read_bytes(
        "x.json",
        format!("{}{}{}", line(1), long(50 << 20), line(2)).as_bytes(),
    );
    assert_eq!(all.sources[0].records, 3);
    assert!(!all.sources[0].is_lossy());

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.json");
    std::fs::write(&path, format!("{}{}{}", line(1), long(5 << 20), line(2))).expect("a file");
    let all = read_with(
        &path,
        &Limits {
            line_bytes: 1 << 20,
            threads: 1,
            ..Limits::default()
        },
    );
    assert_eq!(all.sources[0].records, 2, "{:?}", all.sources);
    assert!(
        all.sources[0].problems[0]
            .message
            .contains("longer than 1048576 bytes"),
        "{:?}",
        all.sources
    );
    assert!(all.sources[0].is_lossy());

    let mut bytes = line(1).into_bytes();
    bytes.extend(b"{\"EventID\":4625,\"Channel\":\"Security\",\"RecordNumber\":9,\"TargetUserName\":\"caf\xe9\"}\n\0\0\0");
    bytes.extend(line(2).into_bytes());
    let all = read_bytes("x.json", &bytes);
    assert_eq!(all.sources[0].records, 3);
    assert!(!all.sources[0].is_lossy());
    assert!(all.sources[0].problems[0].message.contains("not UTF-8"));
    assert_eq!(
        common::one(&rows(&all, "Security", 4625)[0], "TargetUserName"),
        "caf\u{fffd}"
    );
}

#[test]
fn hostile_repetition_takes_no_more_than_its_length() {
    for piece in [
        "<a",
        "<Event ",
        "<Event>",
        "</Event>",
        "&lt;Event ",
        "{\"",
        "{[",
        "[",
        "{\"a\":[",
        "{\"a\":1,\n",
        "<!--",
        "<!DOCTYPE [",
        "\\\"",
        "LogName=\n",
        "03/04/2024 12:00:00 PM\nEventCode=1\n",
        "03/04/2024 12:00:00 PM\n",
        "#fields\ta\n",
        "Message=\n",
        "x<Event",
        "x{\"",
        "\"",
        "a,\"",
        "Id,LogName,Message\n",
    ] {
        let started = std::time::Instant::now();
        let all = read_bytes("x", piece.repeat((2 << 20) / piece.len()).as_bytes());
        assert_eq!(all.sources.len(), 1, "{piece}");
        assert!(
            all.sources[0].problems.len() <= SourceReport::MOST_PROBLEMS,
            "{piece}"
        );
        assert!(
            started.elapsed().as_secs() < 10,
            "{piece}: {:?}",
            started.elapsed()
        );
        if std::env::var_os("CRABWALK_TEST_TIMES").is_some() {
            println!("{piece:?} {:?}", started.elapsed());
        }
    }
}

#[test]
fn records_of_many_fields_take_no_more_than_their_length() {
    let started = std::time::Instant::now();
    let keys: String = (0..20_000).map(|key| format!(",\"k{key}\":1")).collect();
    let labels: String = (0..20_000)
        .map(|label| format!("\\tLabel {label}:\\tvalue\\r\\n"))
        .collect();
    let tasks = "\\tTask Content:\\t<?xml\\r\\n".repeat(20_000);
    for rest in [
        keys,
        format!(",\"Message\":\"Text.\\r\\n\\r\\n{labels}\""),
        format!(",\"Message\":\"Text.\\r\\n\\r\\n{tasks}\""),
    ] {
        let text = line(1).replace("}\n", &(rest + "}\n"));
        let all = read_bytes("x.json", text.as_bytes());
        assert_eq!(all.sources[0].records, 1);
    }
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn a_time_that_no_log_can_name_is_none() {
    for time in [
        "/Date(9223372036854775)/",
        "/Date(-9223372036854775)/",
        "9999-12-31T23:59:59-12:00",
        "99991231235959.999999-720",
    ] {
        let text = line(1).replace("2024-03-04T12:00:00Z", time);
        let all = read_bytes("x.json", text.as_bytes());
        assert_eq!(all.sources[0].records, 1, "{time}");
        assert!(
            all.sources[0]
                .problems
                .iter()
                .any(|problem| problem.message.contains("time")),
            "{time}: {:?}",
            all.sources[0].problems
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), start in 0..9_usize) {
        let starts: [&[u8]; 9] = [
            b"", b"<Event><System><EventID>1</EventID>", b"{\"Event\":{\"System\":{\"EventID\":", b"PK\x03\x04", b"\x1f\x8b\x08\0",
            b"#separator \\x09\n#fields\ta\tb\n", b"03/04/2024 12:00:00 PM\nLogName=Security\nEventCode=4624\nMessage=x\n", b"\xff\xfe<\0",
            b"{\"EventID\":1,\"Channel\":\"x\",\"Message\":\"",
        ];
        let all = read_bytes("x", &[starts[start], &bytes].concat());
        prop_assert_eq!(all.sources.len().min(1), 1);
    }

    #[test]
    fn text_of_the_formats_mixed_never_panics(parts in proptest::collection::vec(0..14_usize, 0..40)) {
        let pieces = [
            "<Event>", "</Event>", "<Event ", "<System><EventID>4</EventID></System>", "{\"a\":", "{\"EventID\":1}", "}", "]", "\"", "\\", "\n",
            "03/04/2024 12:00:00 PM\nEventCode=1\n", "#fields\ta\n", "&lt;Event&gt;",
        ];
        let text: String = parts.iter().map(|part| pieces[*part]).collect();
        let all = read_bytes("x", text.as_bytes());
        prop_assert_eq!(all.sources.len(), 1);
    }
}

/// What is read of files with these names and texts, on so many threads.
fn read_files(files: &[(&str, &[u8])], threads: usize) -> Read {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    read_with(
        folder.path(),
        &Limits {
            threads,
            ..Limits::default()
        },
    )
}

#[test]
fn copies_of_records_without_numbers_count_once() {
    let zeek = |rows: &[&str]| {
        let head =
            "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tproto\n#types\ttime\tstring\tenum\n";
        format!("{head}{}", rows.concat()).into_bytes()
    };
    let (one, two, three) = (
        "1709553600.5\tC1\ttcp\n",
        "1709553601.5\tC2\ttcp\n",
        "1709553602.5\tC3\tudp\n",
    );
    let first = zeek(&[one, two]);
    let second = zeek(&[two, three]);
    for threads in [1, 3] {
        let files: [(&str, &[u8]); 4] = [
            ("conn.log", &first),
            ("copy/conn.log", &first),
            (
                "more.zip",
                &zip_of(&[("zeek/conn.log", &first), ("later/conn.log", &second)]),
            ),
            // Time and columns are the same, written otherwise.
            (
                "x/conn.json",
                br#"{"ts":"2024-03-04T12:00:00.500000Z","proto":"tcp","uid":"C1"}"#,
            ),
        ];
        let all = read_files(&files, threads);
        assert_eq!(rows(&all, "zeek:conn", 0).len(), 3, "{threads} threads");
        let covered: u64 = all.collected.coverage.iter().map(|one| one.records).sum();
        assert_eq!(
            (covered, all.collected.duplicates),
            (3, 6),
            "{threads} threads"
        );
    }
}

/// Programs that look for something quote the records that they found; the log itself says more.
#[test]
fn a_record_in_full_takes_the_place_of_its_quotes_in_any_order() {
    let event = |number: u32, user: &str| {
        format!(
            r##"{{"Event":{{"System":{{"Provider":{{"#attributes":{{"Name":"Microsoft-Windows-Security-Auditing"}}}},"EventID":4624,"TimeCreated":{{"#attributes":{{"SystemTime":"2024-03-04T12:00:00.512345Z"}}}},"EventRecordID":{number},"Channel":"Security","Computer":"SRV-A.example.test"}},"EventData":{{"TargetUserName":"{user}","TargetDomainName":"CORP","LogonType":"3","LogonProcessName":"NtLmSsp","IpAddress":"10.0.0.7","TargetLogonId":"0x5a1b2"}}}}}}"##
        )
    };
    let full = format!("{}\n{}\n", event(77, "ann"), event(78, "bob"));
    let head = "\"Timestamp\",\"RuleTitle\",\"Level\",\"Computer\",\"Channel\",\"EventID\",\"RecordID\",\"Details\"\n";
    let found = |rule: &str, number: u32, user: &str| {
        format!(
            "\"2024-03-04 13:00:00.512 +01:00\",\"{rule}\",\"info\",\"SRV-A.example.test\",\"Sec\",4624,{number},\"Type: 3 - NETWORK ¦ TgtUser: {user}\"\n"
        )
    };
    // Two rules found one record; the log has lost another, and nobody found a third.
    let rows_of_rules = [
        found("Logon", 77, "ann"),
        found("Logon by NTLM", 77, "ann"),
        found("Logon", 99, "eve"),
    ];
    let hayabusa = format!("{head}{}", rows_of_rules.concat());
    let masstin = "time_created,dst_computer,event_type,event_id,logon_type,target_user_name,target_domain_name,src_computer,src_ip,subject_user_name,subject_domain_name,logon_id,detail,log_filename\n2024-03-04 12:00:00.512345,SRV-A.example.test,SUCCESSFUL_LOGON,4624,3,ann,CORP,,10.0.0.7,,,0x5a1b2,,Security.evtx\n";
    let files = [full.as_bytes(), hayabusa.as_bytes(), masstin.as_bytes()];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        for threads in [1, 3] {
            let named: Vec<(String, &[u8])> = order
                .iter()
                .enumerate()
                .map(|(place, file)| (format!("{place}.log"), files[*file]))
                .collect();
            let named: Vec<(&str, &[u8])> = named
                .iter()
                .map(|(name, bytes)| (name.as_str(), *bytes))
                .collect();
            let all = read_files(&named, threads);
            let what = format!("{order:?} on {threads} threads");
            let mut all_rows = rows(&all, "Security", 4624);
            all_rows.sort_by_key(|row| row.get("TargetUserName").cloned());
            let said: Vec<_> = all_rows
                .iter()
                .map(|row| {
                    let of = |name: &str| {
                        let value = row.get(name).and_then(|values| values.first());
                        value.map_or("", String::as_str)
                    };
                    (
                        of("TargetUserName"),
                        of("LogonProcessName"),
                        of("RuleTitle"),
                    )
                })
                .collect();
            let expected = [
                ("ann", "NtLmSsp", ""),
                ("bob", "NtLmSsp", ""),
                ("eve", "", "Logon"),
            ];
            assert_eq!(said, expected, "{what}");
            let covered: u64 = all.collected.coverage.iter().map(|one| one.records).sum();
            assert_eq!((covered, all.collected.duplicates), (3, 3), "{what}");
        }
    }
}

#[test]
fn a_zip_that_breaks_off_gives_what_is_before_the_break() {
    let long: String = (1..2000).map(line).collect();
    let whole = zip_of(&[("a.json", line(1).as_bytes()), ("b.json", long.as_bytes())]);
    let second = memchr::memmem::find(&whole, b"b.json").expect("is there");
    for (length, files) in [(whole.len() - 30, 2), (second + 2000, 2), (second, 1)] {
        let all = read_bytes("x.zip", &whole[..length]);
        let kept = rows(&all, "Security", 4624).len();
        assert!(kept >= 1 && (files == 1 || kept > 100), "{length}: {kept}");
        assert!(
            find(&all, "x.zip").problems.iter().any(|problem| problem.loss
                && problem.message.contains(&format!("{files} member"))),
            "{length}: {:?}",
            all.sources
        );
    }
    // Not a zip at all beyond its first bytes.
    let all = read_bytes("x.zip", b"PK\x03\x04 and no more");
    assert!(all.sources[0].is_lossy());
}

#[test]
fn a_line_that_is_there_twice_happened_twice() {
    let line =
        "Mar  4 10:00:00 bastion sshd[7]: Failed password for eva from 10.0.0.7 port 5 ssh2\n";
    let json = r#"{"_time":"2024-03-04T12:00:00Z","sourcetype":"app:log","user":"eva"}"#;
    for (text, table) in [(line, "syslog:sshd"), (json, "app:log")] {
        let times = |count: usize| vec![text.trim_end(); count].join("\n").into_bytes();
        for threads in [1, 3] {
            let files: [(&str, &[u8]); 3] = [
                ("a/log", &times(2)),
                ("b/log", &times(3)),
                ("c/log", &times(1)),
            ];
            let all = read_files(&files, threads);
            assert_eq!(rows(&all, table, 0).len(), 3, "{table}, {threads} threads");
            assert_eq!(all.collected.duplicates, 3, "{table}, {threads} threads");
        }
    }
}

#[test]
fn records_are_the_same_whatever_the_digits_of_their_time() {
    let beat = |time: &str, number: u64| {
        format!(
            r#"{{"@timestamp":"{time}","winlog":{{"event_id":4624,"channel":"Security","computer_name":"A","record_id":{number}}}}}"#
        )
    };
    let files = [
        beat("2024-03-04T12:00:00.123456Z", 1),
        beat("2024-03-04T12:00:00.123Z", 1),
        beat("2024-03-04T12:00:00.1234567Z", 1),
        beat("2024-03-04T12:00:00.123Z", 2),
        // The log was cleared, and its numbers began again.
        beat("2024-03-05T12:00:00.123Z", 1),
        // Without a number: one that is there with it, and one that is not.
        beat("2024-03-04T12:00:00.123Z", 0),
        beat("2024-03-04T12:00:00.124Z", 0),
    ];
    let names: Vec<String> = (0..files.len()).map(|at| format!("{at}.jsonl")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .zip(&files)
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    let all = read_files(&files, 1);
    assert_eq!(rows(&all, "Security", 4624).len(), 4);
    assert_eq!(all.collected.duplicates, 3);
}
