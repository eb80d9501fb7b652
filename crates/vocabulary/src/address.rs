//! IP addresses as events write them.

use std::net::IpAddr;

/// An address in any form that events use: `::ffff:10.0.0.1`, `fe80::1%12`, `[10.0.0.1]:5000`, `10.0.0.1:5000`, `
/// [CLIENT: 10.0.0.1]`. IPv4 addresses mapped into IPv6 become IPv4 (RFC 4291, 2.5.5.2). `None` for `-`, `LOCAL` and
/// everything else that is not an address.
pub fn address(text: &str) -> Option<IpAddr> {
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

/// Whether a host's only name is its address.
pub fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
