//! MaxMind databases for `iplocation`.

use std::net::IpAddr;

use maxminddb::{PathElement, Reader};

use crate::knowledge::Locations;

/// A MaxMind database (`.mmdb`) with the records of GeoLite2-City or GeoLite2-Country. Names are English.
#[derive(Debug)]
pub struct LocationFile {
    reader: Reader<Vec<u8>>,
    content_hash: u64,
}

/// Why a file is not such a database.
#[derive(Debug, thiserror::Error)]
#[error("this is not a database in MaxMind's format: {0}")]
pub struct LocationFileError(String);

impl LocationFile {
    /// Parses the bytes of a file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LocationFileError> {
        let content_hash = xxhash_rust::xxh3::xxh3_64(&bytes);
        match Reader::from_source(bytes) {
            Ok(reader) => Ok(Self {
                reader,
                content_hash,
            }),
            Err(error) => Err(LocationFileError(error.to_string())),
        }
    }
}

impl Locations for LocationFile {
    fn content_hash(&self) -> u64 {
        self.content_hash
    }

    fn find(&self, address: IpAddr, field: &str) -> Option<String> {
        use PathElement::{Index, Key};
        let found = self.reader.lookup(address).ok()?;
        let text = |path: &[PathElement<'_>]| found.decode_path::<String>(path).ok().flatten();
        let number = |path: &[PathElement<'_>]| {
            let number: Option<f64> = found.decode_path(path).ok().flatten();
            number.map(crate::value::format_number)
        };
        match field {
            "City" => text(&[Key("city"), Key("names"), Key("en")]),
            "Country" => text(&[Key("country"), Key("names"), Key("en")]),
            "Region" => text(&[Key("subdivisions"), Index(0), Key("names"), Key("en")]),
            "Continent" => text(&[Key("continent"), Key("names"), Key("en")]),
            "Timezone" => text(&[Key("location"), Key("time_zone")]),
            "MetroCode" => {
                let code: Option<u16> = found
                    .decode_path(&[Key("location"), Key("metro_code")])
                    .ok()
                    .flatten();
                code.map(|code| code.to_string())
            }
            "lat" => number(&[Key("location"), Key("latitude")]),
            "lon" => number(&[Key("location"), Key("longitude")]),
            _ => None,
        }
    }
}
