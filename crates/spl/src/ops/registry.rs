//! The list of all functions in plans.

use std::borrow::Cow;

use super::{Entry, Prepare};

/// The functions for commands and operators.
const OWN: &[&[Entry]] = &[
    super::bins::FUNCTIONS,
    super::documents::FUNCTIONS,
    super::extract::FUNCTIONS,
    super::json::FUNCTIONS,
    super::order::FUNCTIONS,
    super::recipes::FUNCTIONS,
    super::refs::FUNCTIONS,
    super::tables::FUNCTIONS,
    super::units::FUNCTIONS,
    super::values::FUNCTIONS,
    super::FUNCTIONS,
    crate::enrich::FUNCTIONS,
    crate::expr::FUNCTIONS,
    crate::raw::FUNCTIONS,
];

/// Every function by its name in plans: those for commands and operators, and those of eval.
pub(super) fn all() -> impl Iterator<Item = (Cow<'static, str>, Prepare)> {
    let own = OWN.iter().copied().flatten();
    own.map(|entry| (Cow::Borrowed(entry.name), entry.prepare))
        .chain(crate::functions::bodies())
}
