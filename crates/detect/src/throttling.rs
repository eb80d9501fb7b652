//! How soon a finding similar to an earlier one is reported again.

/// Similar findings within this time are silenced after the first (`tags.throttling`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttling {
    /// The fields that findings must agree in; empty: all findings of the detection are similar.
    pub fields: Vec<String>,
    /// Duration in microseconds.
    pub period: i64,
}

impl Throttling {
    /// Parses fields and a period such as `60m`, `24h`, `86400s`, `7d`.
    ///
    /// # Errors
    /// What is wrong with the period.
    pub fn new(fields: Vec<String>, period: &str) -> Result<Self, String> {
        let period = crabwalk_vocabulary::time::duration(period.trim()).ok_or_else(|| {
            format!("`period: {period}` is not a duration: write a number and s, m, h, d or w, such as `24h`")
        })?;
        Ok(Self { fields, period })
    }
}
