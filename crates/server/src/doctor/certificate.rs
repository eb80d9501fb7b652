//! The certificate: whether it belongs to the key, and until when it is valid.

use std::path::Path;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::Check;
use crate::server::{Config, check as would_start};

const NAME: &str = "certificate";
/// Days before its end from which on a certificate should be renewed.
const SOON: i64 = 21;
const DAY: i64 = 24 * 60 * 60;

pub fn check(config: &Config) -> Vec<Check> {
    if let Err(error) = would_start(config) {
        let advice = match config.tls {
            Some(_) => {
                "give a certificate and the key that belongs to it, both PEM and readable for the server"
            }
            None => "give a certificate and its key, or listen on loopback addresses only",
        };
        return vec![Check::failed(NAME, error.to_string(), advice)];
    }
    let Some((chain, _)) = &config.tls else {
        return vec![Check::ok(
            NAME,
            "none: only this machine can reach the server",
        )];
    };
    vec![dates(chain)]
}

/// The certificates of a file, the server's own first.
pub fn certificates(chain: &Path) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(chain);
    read.into_iter().flatten().flatten().collect()
}

fn dates(chain: &Path) -> Check {
    let now = jiff::Timestamp::now().as_second();
    let shown = chain.display();
    // The first of the chain to begin late, and the first to end.
    let spans: Vec<(i64, i64)> = certificates(chain)
        .iter()
        .filter_map(|der| validity(der))
        .collect();
    let (Some(from), Some(until)) = (
        spans.iter().map(|span| span.0).max(),
        spans.iter().map(|span| span.1).min(),
    ) else {
        return Check::warning(
            NAME,
            format!("{shown}: its dates cannot be read"),
            "look at it with `openssl x509 -dates -noout -in FILE`",
        );
    };
    let day = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).map_or_else(
            |_| "an unknown day".to_owned(),
            |time| time.strftime("%F").to_string(),
        )
    };
    if from > now {
        return Check::failed(
            NAME,
            format!("{shown} is valid from {} on, which is not yet", day(from)),
            "check the machine's clock, or get a certificate that is valid now",
        );
    }
    let days = (until - now).div_euclid(DAY);
    let found = format!("{shown} is valid until {}", day(until));
    let renew = "renew it: the server reads the new files within seconds, without a restart";
    match days {
        _ if until <= now => Check::failed(
            NAME,
            format!(
                "{shown} expired on {}: senders and browsers refuse it",
                day(until)
            ),
            renew,
        ),
        days if days < SOON => {
            Check::warning(NAME, format!("{found}, {days} days from now"), renew)
        }
        days => Check::ok(NAME, format!("{found}, {days} days from now")),
    }
}

/// A DER value: its tag, its content, and what follows it.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..=127 => (short, rest),
        long @ 0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(long - 0x80)?;
            let length = length
                .iter()
                .fold(0, |all, byte| all << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// From when until when a certificate is valid (RFC 5280, 4.1.2.5), in seconds since 1970-01-01 UTC.
fn validity(der: &[u8]) -> Option<(i64, i64)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = value(der)?;
    let (_, mut fields, _) = value(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = value(fields)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        fields = value(fields)?.2;
    }
    let (tag, span, _) = value(fields)?;
    let (from_tag, from, rest) = value(span)?;
    let (until_tag, until, _) = value(rest)?;
    (tag == SEQUENCE).then_some((seconds(from_tag, from)?, seconds(until_tag, until)?))
}

/// `YYMMDDHHMMSSZ` (UTCTime) or `YYYYMMDDHHMMSSZ` (GeneralizedTime).
fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Years below 50 are of this century.
        0x17 if text < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    let digits = |from: usize, to: usize| text.get(from..to);
    let time = format!(
        "{}-{}-{}T{}:{}:{}Z",
        digits(0, 4)?,
        digits(4, 6)?,
        digits(6, 8)?,
        digits(8, 10)?,
        digits(10, 12)?,
        digits(12, 14)?
    );
    Some(time.parse::<jiff::Timestamp>().ok()?.as_second())
}
