//! Identifiers that derive from content: the same thing has the same one in each run.

use sha1::{Digest, Sha1};
use uuid::Uuid;

use crate::document::{Case, PathInfo};
use crate::sentences::hops_of;

/// Crabwalk's own namespace.
pub(super) const OWN: Uuid = Uuid::from_u128(0x3a1c_58f7_0e7d_4d0f_9d0c_6b1f_0a52_c4e9);

/// A version 5 identifier (RFC 9562, section 5.5).
pub(super) fn version_5(namespace: Uuid, name: &str) -> Uuid {
    let mut hash = Sha1::new();
    hash.update(namespace.as_bytes());
    hash.update(name.as_bytes());
    let [bytes @ .., _, _, _, _]: [u8; 20] = hash.finalize().into();
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

/// Identifies a path by its movements, whatever its number in the case.
pub(super) fn of_path(case: &Case, path: &PathInfo) -> Uuid {
    let hops: Vec<String> = hops_of(case, path)
        .iter()
        .map(|hop| {
            let (src, first) = (hop.src.as_deref(), hop.first.as_deref());
            let technique = hop.techniques.first().map(String::as_str);
            format!(
                "{} {} {} {}",
                src.unwrap_or("?"),
                hop.dst,
                first.unwrap_or("?"),
                technique.unwrap_or("?")
            )
        })
        .collect();
    version_5(OWN, &format!("path\n{}", hops.join("\n")))
}
