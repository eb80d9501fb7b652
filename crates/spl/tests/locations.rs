//! `iplocation` with a database that the test writes in MaxMind's format.

use std::net::IpAddr;

use crabwalk_spl::{LocationFile, Locations};

fn text(value: &str) -> Vec<u8> {
    assert!(value.len() < 29, "longer texts have another form");
    let mut out = vec![0x40 | u8::try_from(value.len()).unwrap_or(0)];
    out.extend(value.as_bytes());
    out
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = vec![0xE0 | u8::try_from(entries.len()).unwrap_or(0)];
    for (key, value) in entries {
        out.extend(text(key));
        out.extend(value);
    }
    out
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![u8::try_from(items.len()).unwrap_or(0), 4];
    out.extend(items.concat());
    out
}

fn number(value: f64) -> Vec<u8> {
    let mut out = vec![0x68];
    out.extend(value.to_be_bytes());
    out
}

fn short(value: u16) -> Vec<u8> {
    let mut out = vec![0xA2];
    out.extend(value.to_be_bytes());
    out
}

/// Addresses whose first bit is 0 are in one place, the others are not known.
fn database() -> Vec<u8> {
    let names = |name: &str| map(&[("names", map(&[("en", text(name))]))]);
    let record = map(&[
        ("city", names("Testville")),
        ("country", names("Testland")),
        ("subdivisions", array(&[names("North")])),
        (
            "location",
            map(&[
                ("latitude", number(12.5)),
                ("longitude", number(-3.25)),
                ("time_zone", text("Etc/UTC")),
            ]),
        ),
    ]);
    let mut file = vec![0, 0, 17, 0, 0, 1];
    file.extend([0; 16]);
    file.extend(record);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let mut epoch = vec![0x08, 2];
    epoch.extend(1_700_000_000_u64.to_be_bytes());
    file.extend(map(&[
        ("node_count", vec![0xC4, 0, 0, 0, 1]),
        ("record_size", short(24)),
        ("ip_version", short(4)),
        ("database_type", text("Test-City")),
        ("languages", array(&[text("en")])),
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", epoch),
        ("description", map(&[("en", text("a test"))])),
    ]));
    file
}

#[test]
fn fields_of_a_database() {
    let file = match LocationFile::from_bytes(database()) {
        Ok(file) => file,
        Err(error) => panic!("{error}"),
    };
    let known = IpAddr::from([8, 8, 8, 8]);
    for (field, expected) in [
        ("City", Some("Testville")),
        ("Country", Some("Testland")),
        ("Region", Some("North")),
        ("lat", Some("12.5")),
        ("lon", Some("-3.25")),
        ("Timezone", Some("Etc/UTC")),
        ("MetroCode", None),
        ("Continent", None),
    ] {
        assert_eq!(file.find(known, field).as_deref(), expected, "{field}");
        assert_eq!(
            file.find(IpAddr::from([200, 1, 1, 1]), field),
            None,
            "{field}"
        );
    }
}

#[test]
fn other_files_are_refused() {
    for bytes in [
        Vec::new(),
        b"no database".to_vec(),
        database()[..40].to_vec(),
    ] {
        assert!(LocationFile::from_bytes(bytes).is_err());
    }
}
