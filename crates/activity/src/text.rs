//! Values as events write them.

pub use crabwalk_vocabulary::text::base_name;
pub use crabwalk_vocabulary::time::SECOND;

/// A number as read by [`crabwalk_vocabulary::number::number`]; 0, which Windows writes for "none", if there is none.
pub fn number(text: &str) -> u64 {
    crabwalk_vocabulary::number::number(text).unwrap_or(0)
}

/// A value, unless it is empty or `-`, which Windows writes for "none".
pub fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty() && *text != "-")
}

/// `DOMAIN\\user` from two values; the name alone without a domain, none without a name.
pub fn qualified(domain: &str, user: &str) -> Option<String> {
    let user = given(user)?;
    Some(match given(domain) {
        Some(domain) => format!("{domain}\\{user}"),
        None => user.to_owned(),
    })
}
