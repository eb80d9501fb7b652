//! What of a case is listed whole.
//!
//! Most of a case is daily work, of which a few events prove what is said and are where to read on. Whatever a reported
//! path, a notable finding or a movement out of the ordinary needs is listed whole, and its raw records are in the report.
//! Without other days, or enough accounts, to compare with nothing shows what daily work is, and everything is listed whole but findings that habit explains.

use std::collections::BTreeSet;

use crabwalk_vocabulary::Standing;

/// The rule, for findings that are known by an `F`: their place before there is a document, and their id in it.
pub(crate) struct Attention<'c, F> {
    /// Ids of the hops on reported paths.
    told: BTreeSet<&'c str>,
    /// The findings about them.
    findings: BTreeSet<F>,
    /// Whether other days or other accounts show what daily work is.
    is_compared: bool,
}

impl<'c, F: Ord> Attention<'c, F> {
    /// From the hops of the reported paths, and the findings about each hop.
    pub fn new<Of: IntoIterator<Item = F>>(
        is_compared: bool,
        told: impl IntoIterator<Item = &'c str>,
        hops: impl IntoIterator<Item = (&'c str, Of)>,
    ) -> Self {
        let told: BTreeSet<&str> = told.into_iter().collect();
        let findings = hops
            .into_iter()
            .filter(|(id, _)| told.contains(id))
            .flat_map(|(_, findings)| findings)
            .collect();
        Self {
            told,
            findings,
            is_compared,
        }
    }

    pub fn hop(&self, id: &str, standing: Standing) -> bool {
        let quiet = self.is_compared && standing == Standing::Routine;
        !quiet || self.told.contains(id)
    }

    pub fn finding(&self, finding: &F, notable: bool, daily_work: bool) -> bool {
        let quiet = daily_work || self.is_compared && !notable;
        !quiet || self.findings.contains(finding)
    }
}
