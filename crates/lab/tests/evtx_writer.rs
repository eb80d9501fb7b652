//! Logs written by the writer, read back by two foreign readers.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may panic.

use std::path::Path;
use std::process::Command;

use crabwalk_lab::evtx_writer::{Body, Event, EvtxWriter, Value, guid};
use serde_json::Value as Json;

fn event(id: u64) -> Event {
    let text = format!("Zeile {id} <&\"'> Ω 🦀");
    let fields = |pairs: &[(&str, Value)]| {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.clone()))
            .collect::<Vec<_>>()
    };
    let pairs = fields(&[
        ("Text", Value::Str(text)),
        ("Empty", Value::Str(String::new())),
        ("Nothing", Value::Null),
        ("Byte", Value::U8(7)),
        ("Word", Value::U16(65_535)),
        ("Number", Value::U32(4_000_000_000)),
        ("Long", Value::U64(u64::MAX)),
        ("Flag", Value::Bool(id.is_multiple_of(2))),
        (
            "Id",
            Value::Guid(guid("54849625-5478-4994-a5ba-3e3b0328c30d").unwrap()),
        ),
        ("Time", Value::FileTime(132_000_000_000_000_000)),
        ("Sid", Value::Sid("S-1-5-21-1-2-4294967295-500".into())),
        ("Hex", Value::Hex32(0x1f)),
        ("LongHex", Value::Hex64(0x8020_0000_0000_0000)),
    ]);
    let body = match id % 3 {
        0 => Body::UserData {
            element: "EventXML".into(),
            namespace: "Event_NS".into(),
            fields: pairs,
        },
        1 => Body::EventData(pairs),
        _ => Body::EventData(vec![(format!("Rare{}", id % 97), Value::U64(id))]),
    };
    Event {
        provider: "Crabwalk-Test".into(),
        provider_guid: guid("{12345678-1234-5678-9abc-def012345678}").unwrap(),
        event_source: id.is_multiple_of(5).then(|| "Source".into()),
        event_id: (id % 6000) as u16,
        qualifiers: id.is_multiple_of(7).then_some(16_384),
        version: 2,
        level: 4,
        task: 12_544,
        opcode: 1,
        keywords: 0x8020_0000_0000_0000,
        time: 1_780_000_000_000_000 + id as i64 * 1_000_001,
        record_id: id,
        activity_id: id.is_multiple_of(4).then_some([9; 16]),
        process_id: 4,
        thread_id: 88,
        channel: "Security".into(),
        computer: "ws.example".into(),
        user_sid: id.is_multiple_of(2).then(|| "S-1-5-18".into()),
        body,
    }
}

fn write(path: &Path, ids: std::ops::Range<u64>) {
    let mut writer = EvtxWriter::create(path).unwrap();
    for id in ids {
        writer.write(&event(id)).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn the_evtx_crate_reads_every_record_and_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Test.evtx");
    write(&path, 1000..2500);
    let settings = evtx::ParserSettings::new().validate_checksums(true);
    let mut parser = evtx::EvtxParser::from_path(&path)
        .unwrap()
        .with_configuration(settings);
    let mut expected = 1000;
    for record in parser.records_json_value() {
        let record = record.unwrap();
        let json = &record.data["Event"];
        let wanted = event(expected);
        assert_eq!(record.event_record_id, expected);
        assert_eq!(record.timestamp.as_microsecond(), wanted.time);
        let system = &json["System"];
        assert_eq!(system["EventRecordID"], expected);
        let id = system["EventID"].get("#text").unwrap_or(&system["EventID"]);
        assert_eq!(*id, wanted.event_id);
        assert_eq!(system["Provider"]["#attributes"]["Name"], "Crabwalk-Test");
        assert_eq!(system["Channel"], "Security");
        assert_eq!(system["Computer"], "ws.example");
        assert_eq!(system["Keywords"], "0x8020000000000000");
        let (data, pairs) = match &wanted.body {
            Body::EventData(pairs) => (&json["EventData"], pairs),
            Body::UserData {
                element, fields, ..
            } => (&json["UserData"][element.as_str()], fields),
        };
        for (name, value) in pairs {
            let read = &data[name.as_str()];
            match value {
                Value::Null => assert!(read.is_null() || *read == "", "{read}"),
                Value::Str(text) if text.is_empty() => {
                    assert!(read.is_null() || *read == "", "{read}")
                }
                Value::Str(text) | Value::Sid(text) => assert_eq!(read, text),
                Value::U8(number) => assert_eq!(read, number),
                Value::U16(number) => assert_eq!(read, number),
                Value::U32(number) => assert_eq!(read, number),
                Value::U64(number) => assert_eq!(read, number),
                Value::Bool(flag) => assert_eq!(read, flag),
                Value::Guid(_) => assert_eq!(read, "{54849625-5478-4994-a5ba-3e3b0328c30d}"),
                Value::FileTime(_) => assert!(
                    read.as_str().unwrap().starts_with("2019-04-17T18:40:00"),
                    "{read}"
                ),
                Value::Hex32(number) => assert_eq!(read, &Json::from(format!("0x{number:x}"))),
                Value::Hex64(number) => assert_eq!(read, &Json::from(format!("0x{number:x}"))),
            }
        }
        expected += 1;
    }
    assert_eq!(expected, 2500);
}

#[test]
fn evtxexport_reads_every_record_and_value() {
    if Command::new("evtxexport").arg("-V").output().is_err() {
        assert!(
            std::env::var_os("CRABWALK_REQUIRE_TOOLS").is_none(),
            "evtxexport (Debian: libevtx-utils) is missing"
        );
        eprintln!("skipped: evtxexport (Debian: libevtx-utils) is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Test.evtx");
    write(&path, 1..600);
    let output = Command::new("evtxexport")
        .args(["-f", "xml", "-m", "all"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.trim().is_empty(),
        "{errors}"
    );
    let events: Vec<&str> = text.split("<Event ").skip(1).collect();
    assert_eq!(events.len(), 599);
    assert!(!text.to_lowercase().contains("corrupt") && !text.to_lowercase().contains("recovered"));
    for (xml, id) in events.iter().zip(1..) {
        assert!(
            xml.contains(&format!("<EventRecordID>{id}</EventRecordID>")),
            "{xml}"
        );
        match id % 3 {
            2 => assert!(
                xml.contains(&format!("<Data Name=\"Rare{}\">{id}</Data>", id % 97)),
                "{xml}"
            ),
            rest => {
                let number = |name: &str, value: &str| match rest {
                    1 => xml.contains(&format!("<Data Name=\"{name}\">{value}</Data>")),
                    _ => xml.contains(&format!("<{name}>{value}</{name}>")),
                };
                for (name, value) in [
                    ("Byte", "7"),
                    ("Word", "65535"),
                    ("Number", "4000000000"),
                    ("Long", "18446744073709551615"),
                    ("Sid", "S-1-5-21-1-2-4294967295-500"),
                ] {
                    assert!(number(name, value), "{name} of {xml}");
                }
                assert!(xml.contains(&format!("Zeile {id} ")), "{xml}");
            }
        }
    }
}

#[test]
fn damaged_values_and_too_large_events_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EvtxWriter::create(&dir.path().join("x.evtx")).unwrap();
    let mut wrong = event(1);
    wrong.user_sid = Some("S-2-x".into());
    assert!(writer.write(&wrong).is_err());
    let mut large = event(1);
    large.body = Body::EventData(vec![("Big".into(), Value::Str("x".repeat(40_000)))]);
    assert!(writer.write(&large).is_err());
}
