//! Files that break off anywhere: what is before the break is read as far as it goes, and the break is reported.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::Write;

use common::{one, read_bytes, rows};

/// What each made record says; letters of several bytes, quotes and line breaks among them.
const NOTES: [&str; 4] = [
    "Jürgen Groß",
    "東京 – \"one\", two",
    "first line\r\nsecond, line\r\nthird line 😀 end",
    "plain",
];

/// A kind of file with one record for each note.
struct Made {
    what: &'static str,
    name: &'static str,
    bytes: Vec<u8>,
    /// Lengths at which the file is as whole as it was: nobody can tell that more followed.
    whole: Vec<usize>,
    /// Where each record ends, if the file is not packed.
    ends: Vec<usize>,
    channel: &'static str,
    event_id: u32,
    field: &'static str,
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn json(at: usize, note: &str) -> String {
    format!(
        r#"{{"EventID":4624,"Channel":"Security","Computer":"WS-1","EventRecordID":{},"TimeCreated":"2024-03-04T12:00:0{at}.5Z","EventData":{{"Note":{}}}}}"#,
        10 + at,
        json_text(note)
    )
}

fn xml(at: usize, note: &str) -> String {
    let note = note.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Made'/><EventID>4624</EventID><TimeCreated SystemTime='2024-03-04T12:00:0{at}.5Z'/><EventRecordID>{}</EventRecordID><Channel>Security</Channel><Computer>WS-1</Computer></System><EventData><Data Name='Note'>{note}</Data></EventData></Event>",
        10 + at
    )
}

fn csv(at: usize, note: &str) -> String {
    format!(
        "2024-03-04T12:00:0{at}.5Z,4624,Security,WS-1,{},\"{}\",last{at}\r\n",
        10 + at,
        note.replace('"', "\"\"")
    )
}

fn zeek(at: usize, note: &str) -> String {
    let note = note.replace("\r\n", "\\x0d\\x0a");
    format!("170955360{at}.500000\tC{at}\t10.0.0.{at}\t50{at}\t{note}\t{at}\n")
}

/// Joins parts; with the lengths up to the end of each record.
fn joined(
    head: &str,
    between: &str,
    tail: &str,
    record: fn(usize, &str) -> String,
) -> (Vec<u8>, Vec<usize>) {
    let mut text = head.to_owned();
    let mut ends = Vec::new();
    for (at, note) in NOTES.iter().enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(&record(at, note));
        ends.push(text.trim_end().len());
    }
    text.push_str(tail);
    (text.into_bytes(), ends)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn options() -> zip::write::SimpleFileOptions {
    zip::write::SimpleFileOptions::default()
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, options()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A zip as programs write it that cannot go back: the sizes come behind each member.
fn streamed_zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new_stream(Vec::new());
    for (name, bytes) in members {
        zip.start_file(*name, options()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn made() -> Vec<Made> {
    let windows = |what, name, (bytes, ends): (Vec<u8>, Vec<usize>), open: bool| Made {
        what,
        name,
        whole: if open { ends.clone() } else { Vec::new() },
        bytes,
        ends,
        channel: "Security",
        event_id: 4624,
        field: "Note",
    };
    let lines = joined("", "\n", "\n", json);
    let table = joined(
        "TimeCreated,EventID,Channel,Computer,EventRecordID,Note,Last\r\n",
        "",
        "",
        csv,
    );
    let mut all = vec![
        windows("JSON lines", "a.jsonl", lines.clone(), true),
        windows(
            "JSON array",
            "a.json",
            joined("[\n", ",\n", "\n]\n", json),
            false,
        ),
        windows(
            "JSON array in an object",
            "a.json",
            joined("{\"took\":3,\"value\":[", ",", "]}", json),
            false,
        ),
        windows("event XML", "a.xml", joined("", "\n", "\n", xml), true),
        windows(
            "event XML in one document",
            "a.xml",
            joined(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Events>",
                "",
                "</Events>\n",
                xml,
            ),
            false,
        ),
        windows("a table", "a.csv", table.clone(), true),
    ];
    let head = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tssh\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tclient\tauth_attempts\n#types\ttime\tstring\taddr\tport\tstring\tcount\n";
    let (bytes, ends) = joined(head, "", "#close\t2024-03-04-12-00-10\n", zeek);
    all.push(Made {
        what: "Zeek",
        name: "ssh.log",
        whole: ends.clone(),
        bytes,
        ends,
        channel: "zeek:ssh",
        event_id: 0,
        field: "client",
    });
    let (lines, _) = lines;
    let members: Vec<(&str, &[u8])> = vec![("one.jsonl", &lines), ("two.csv", &table.0)];
    for (what, name, bytes) in [
        ("gzip", "a.jsonl.gz", gzip(&lines)),
        ("tar", "a.tar", tar(&members)),
        ("tar.gz", "a.tar.gz", gzip(&tar(&members))),
        ("zip", "a.zip", zip_of(&members)),
        ("streamed zip", "a.zip", streamed_zip(&members)),
        (
            "zip in zip",
            "a.zip",
            zip_of(&[("in.zip", &zip_of(&members))]),
        ),
    ] {
        all.push(windows(what, name, (bytes, Vec::new()), false));
    }
    all
}

/// A note is kept as it is, or up to the break.
fn fits(note: &str, read: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n");
    plain(note).starts_with(plain(read).trim_end())
}

#[test]
fn a_file_that_breaks_off_is_read_up_to_the_break() {
    let mut wrong: Vec<String> = Vec::new();
    for file in made() {
        let before = wrong.len();
        // Of text every byte counts.
        let step = if file.ends.is_empty() { 5 } else { 1 };
        for length in (1..file.bytes.len()).step_by(step) {
            for why in faults(&file, length) {
                if wrong.len() < before + 5 {
                    wrong.push(format!("{} cut at {length}: {why}", file.what));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with what is read of the first bytes of a file.
fn faults(file: &Made, length: usize) -> Vec<String> {
    let (kept, gone) = file.bytes.split_at(length);
    let all = read_bytes(file.name, kept);
    let read = rows(&all, file.channel, file.event_id);
    let mut faults = Vec::new();
    for row in &read {
        // The records are a second apart.
        let time = one(row, "_time");
        let second = time
            .strip_prefix("170955360")
            .filter(|rest| rest.len() == 7)
            .and_then(|rest| rest.get(..1)?.parse::<usize>().ok());
        match second.and_then(|second| NOTES.get(second)) {
            None => faults.push(format!("a time was invented: {row:?}")),
            Some(note) if !fits(note, one(row, file.field)) => {
                faults.push(format!("{row:?} has more than {note:?}"));
            }
            Some(_) => {}
        }
    }
    let due = file.ends.iter().filter(|end| **end <= length).count();
    if read.len() < due {
        faults.push(format!("{} of {due} whole records are read", read.len()));
    }
    let is_told = all.sources.iter().any(|source| !source.problems.is_empty());
    if !is_told && !looks_whole(file, kept, gone) {
        faults.push("the break is not reported".to_owned());
    }
    faults
}

/// Whether nobody can tell from the first bytes of a file that there were more.
fn looks_whole(file: &Made, kept: &[u8], gone: &[u8]) -> bool {
    let blank = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_whitespace);
    let after = |end: &usize| kept.get(*end..).is_some_and(blank);
    let text = String::from_utf8_lossy(kept);
    // No record has begun.
    let only_head = !file.ends.is_empty()
        && !["{\"EventID", "<Event ", "2024-", "17095"]
            .iter()
            .any(|mark| text.contains(mark));
    // A last cell may have been longer.
    let in_last_cell = file.what == "a table"
        && text.rsplit(',').next().is_some_and(|cell| {
            cell.is_empty() && !text.ends_with("\",\"")
                || "last".starts_with(cell.get(..4).unwrap_or(cell))
        });
    let last = file.ends.last().copied().unwrap_or(usize::MAX);
    only_head
        || in_last_cell
        || file.whole.iter().any(after)
        || !file.whole.is_empty() && kept.len() >= last
        // All that is lacking is what closes the file.
        || blank(gone)
        || gone == b"}"
        || file.what == "tar" && gone.len() <= 512
}

#[test]
fn a_streamed_zip_without_its_directory_gives_its_members() {
    let (lines, _) = joined("", "\n", "\n", json);
    let (table, _) = joined(
        "TimeCreated,EventID,Channel,Computer,EventRecordID,Note,Last\r\n",
        "",
        "",
        csv,
    );
    let members: Vec<(&str, &[u8])> = vec![
        ("note.txt", b"nothing of interest"),
        ("one.jsonl", &lines),
        ("two.csv", &table),
    ];
    let whole = streamed_zip(&members);
    let directory = memchr::memmem::find(&whole, b"PK\x01\x02").unwrap();
    let all = read_bytes("a.zip", &whole[..directory]);
    let paths: Vec<_> = all
        .sources
        .iter()
        .map(|source| {
            (
                source.path.rsplit('/').next().unwrap_or_default(),
                source.records,
            )
        })
        .collect();
    assert_eq!(
        paths[1..],
        [("note.txt", 0), ("one.jsonl", 4), ("two.csv", 4)]
    );
    assert!(all.sources[0].is_lossy());
    // With it there is nothing to say.
    let all = read_bytes("a.zip", &whole);
    assert!(
        all.sources.iter().all(|source| !source.is_lossy()),
        "{:?}",
        all.sources
    );
}

#[test]
fn a_zip_in_a_zip_that_breaks_off_gives_the_members_before_the_break() {
    let (lines, _) = joined("", "\n", "\n", json);
    let noise: Vec<u8> = (0..4000_u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let inner = zip_of(&[("one.jsonl", &lines), ("noise.bin", &noise)]);
    let whole = zip_of(&[("in.zip", &inner)]);
    let all = read_bytes("a.zip", &whole[..whole.len() / 2]);
    assert_eq!(rows(&all, "Security", 4624).len(), 4, "{:?}", all.sources);
    assert!(all.sources.iter().any(|source| source.is_lossy()));
}
