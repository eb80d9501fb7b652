//! Names of hosts.

use crate::address::is_address;

/// One name for a machine that events call `WS1`, `ws1` and `ws1.example.org`.
pub fn host_key(name: &str) -> String {
    let name = name.trim().trim_end_matches('.').to_lowercase();
    if is_address(&name) {
        return name;
    }
    match name.split_once('.') {
        Some((short, _)) if !short.is_empty() => short.to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_one_name() {
        for (name, key) in [
            ("WS1", "ws1"),
            ("ws1.example.org.", "ws1"),
            ("10.0.0.1", "10.0.0.1"),
            ("fe80::1", "fe80::1"),
            (".odd", ".odd"),
        ] {
            assert_eq!(host_key(name), key, "{name}");
        }
    }
}
