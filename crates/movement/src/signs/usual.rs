//! How often an edge may be used before its use says nothing.

use crabwalk_activity::SECOND;

/// An edge that is used more often, or over a longer time, is how these hosts usually work.
const USUAL: usize = 64;
/// See [`USUAL`]; microseconds.
const USUAL_SPAN: i64 = 3600 * SECOND;

/// Whether what was seen at these times, in order, is how hosts usually work.
pub(crate) fn is_usual(times: &[i64]) -> bool {
    times.len() > USUAL
        || matches!((times.first(), times.last()), (Some(first), Some(last)) if last - first > USUAL_SPAN)
}
