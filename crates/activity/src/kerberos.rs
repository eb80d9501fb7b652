//! Kerberos terms, as sensors and controllers write them.

/// Ports that a client contacts with a ticket for a service of this class.
pub fn ports_of_class(class: &str) -> &'static [u16] {
    let class = class.to_lowercase();
    match class.as_str() {
        "http" | "wsman" => &[5985, 5986, 80, 443],
        "cifs" => &[445, 139],
        "rpcss" => &[135],
        "host" => &[445, 135, 5985, 5986],
        "termsrv" => &[3389],
        "mssqlsvc" => &[1433],
        "ldap" | "gc" => &[389, 636, 3268, 3269],
        _ => &[],
    }
}

/// Class and host of a service name: `cifs/ws6.example`, `MSSQLSvc/db1:1433`. A machine account covers every class.
pub fn service_of(service: &str) -> Option<(&str, &str)> {
    let (class, name) = match service.split_once('/') {
        Some((class, rest)) => (class, rest.split(['/', '@']).next().unwrap_or(rest)),
        None => ("host", service.split('@').next().unwrap_or(service)),
    };
    let name = name.split(':').next().unwrap_or(name);
    (!name.is_empty()
        && !class.eq_ignore_ascii_case("krbtgt")
        && !name.eq_ignore_ascii_case("krbtgt"))
    .then_some((class, name))
}

/// Whether a sensor saw it fail. The sensor may have missed the answer, in which case nobody knows.
pub fn is_refused(success: &str) -> bool {
    matches!(success, "F" | "false")
}

/// Whether a ticket was requested with a certificate or a public key (RFC 4556; Microsoft, event 4768).
pub fn is_certificate(pre_authentication: &str) -> bool {
    matches!(pre_authentication, "15" | "16" | "17")
}
