//! IP addresses as events write them.

use std::net::{IpAddr, Ipv4Addr};

/// An address in any form that events use: `::ffff:10.0.0.1`, `fe80::1%12`, `[10.0.0.1]:5000`, `10.0.0.1:5000`, `
/// [CLIENT: 10.0.0.1]`. IPv4 addresses mapped into IPv6 become IPv4 (RFC 4291, 2.5.5.2). `None` for `-`, `LOCAL` and
/// everything else that is not an address.
pub fn address(text: &str) -> Option<IpAddr> {
    // The commonest form, several times as fast as the general parser.
    if let Some(ip) = dotted(text) {
        return Some(IpAddr::V4(ip));
    }
    let text = text.trim();
    let text = text
        .strip_prefix("[CLIENT:")
        .map_or(text, |rest| rest.trim_end_matches(']').trim());
    let text = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => text,
    };
    let text = text.split('%').next().unwrap_or(text);
    let parsed: Option<IpAddr> = text.parse().ok().or_else(|| {
        let (front, port) = text.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        front.parse().ok()
    });
    parsed.map(|ip| ip.to_canonical())
}

/// An IPv4 address as [`Ipv4Addr`] parses it: four decimal numbers without leading zeros.
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let mut parts = [0_u8; 4];
    let mut all = parts.iter_mut();
    let (mut part, mut digits) = (0_u16, 0_u8);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' if digits < 3 && (digits == 0 || part != 0) => {
                part = part * 10 + u16::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 => {
                *all.next()? = u8::try_from(part).ok()?;
                (part, digits) = (0, 0);
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    *all.next()? = u8::try_from(part).ok()?;
    all.next().is_none().then(|| Ipv4Addr::from(parts))
}

/// Whether a host's only name is its address.
pub fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        for text in [
            "",
            ".",
            "1",
            "1.2.3",
            "1.2.3.4",
            "0.0.0.0",
            "255.255.255.255",
            "256.1.1.1",
            "1.2.3.4.5",
            "1..2.3",
            "01.2.3.4",
            "1.2.3.04",
            "1.2.3.00",
            "1.2.3.",
            ".1.2.3",
            "1.2.3.4 ",
            "1.2.3.4444",
            "1.2.3.x",
            "١.2.3.4",
        ] {
            assert_eq!(dotted(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn forms() {
        for (text, ip) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("fe80::1%12", Some("fe80::1")),
            ("[10.0.0.1]:5000", Some("10.0.0.1")),
            ("10.0.0.1:5000", Some("10.0.0.1")),
            (" [CLIENT: 10.0.0.1]", Some("10.0.0.1")),
            ("-", None),
            ("LOCAL", None),
            ("ws1:445", None),
        ] {
            assert_eq!(
                address(text).map(|ip| ip.to_string()).as_deref(),
                ip,
                "{text}"
            );
        }
    }
}
