//! `cluster`: rows with similar texts.

use std::collections::{BTreeMap, HashMap};

use crate::plan::{Made, Passing, Planner, Result, Rows, at, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, field, flag, obeyed};

/// Maximum terms of a text to compare.
const MOST_TERMS: usize = 200;
/// Maximum number of clusters.
const MOST_CLUSTERS: usize = 1_000;
/// Maximum steps of comparing terms: they take a few seconds.
const MOST_WORK: usize = 4_000_000_000;

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "cluster",
        also: &[],
        syntax: "cluster [<options>]",
        meaning: "Clusters rows with similar texts, and keeps the first row of each cluster. A row joins the \
                  first cluster whose first row is at least `t` similar to it, from 0 to 1. Similarity is what \
                  both have in common divided by the size of the longer one, in terms in order (`termlist`), \
                  terms in any order (`termset`), or character trigrams (`ngramset`).",
        options: &[
            obeyed("t", "Minimum similarity, above 0 and below 1; default 0.8."),
            obeyed(
                "match",
                "`termlist`, `termset` or `ngramset`; default `termlist`.",
            ),
            obeyed(
                "delims",
                "Characters that separate terms; by default all except letters, digits and `_`.",
            ),
            field("field", "Field with the text; default `_raw`."),
            flag("showcount", "Adds the number of rows in the cluster."),
            field("countfield", "Name of that field; default `cluster_count`."),
            field(
                "labelfield",
                "Field for the cluster's number; default `cluster_label`.",
            ),
            flag(
                "labelonly",
                "Keeps all rows, labelled with their cluster's number.",
            ),
        ],
    },
    form: Form::OPTIONS,
    reads: |arguments| Reading {
        fields: vec![arguments.option("field").unwrap_or("_raw").to_owned()],
        makes: vec![
            arguments
                .option("countfield")
                .unwrap_or("cluster_count")
                .to_owned(),
            arguments
                .option("labelfield")
                .unwrap_or("cluster_label")
                .to_owned(),
        ],
        ..Reading::default()
    },
    plan: &(plan as Passing),
};

#[derive(Clone, Copy, PartialEq)]
enum By {
    List,
    Set,
    Grams,
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let least = match arguments.written("t") {
        None => 0.8,
        Some((option, value)) => value
            .parse::<f64>()
            .ok()
            .filter(|least| 0.0 < *least && *least < 1.0)
            .ok_or_else(|| {
                diagnostic(
                    option.span,
                    format!("`t` is a number above 0 and below 1, not `{value}`"),
                )
            })?,
    };
    let by = match arguments.written("match") {
        None | Some((_, "termlist")) => By::List,
        Some((_, "termset")) => By::Set,
        Some((_, "ngramset")) => By::Grams,
        Some((option, other)) => {
            return Err(diagnostic(
                option.span,
                format!("`match` is termlist, termset or ngramset, not `{other}`"),
            ));
        }
    };
    let field = arguments.option("field").unwrap_or("_raw");
    let Some(staged) = planner.stage(rows.clone(), None, span)? else {
        return Ok(rows);
    };
    let texts = (0..staged.len()).map(|row| staged.text(field, row));
    let likeness = Likeness {
        by,
        least,
        delims: arguments.option("delims"),
    };
    let (clusters, of_row) = likeness.clusters(texts, MOST_WORK).map_err(|too_much| {
        let (message, help) = match too_much {
            TooMuch::Clusters => (
                format!("`cluster` would make more than {MOST_CLUSTERS} clusters"),
                "lower `t=`, or reduce the rows first",
            ),
            TooMuch::Work => (
                "`cluster` would compare too many different texts".to_owned(),
                "reduce the rows first, such as with `dedup` or `head`, lower `t=`, or use `match=termset`",
            ),
        };
        diagnostic(span, message).with_help(help)
    })?;
    let all = arguments.flag("labelonly", false);
    let kept: Vec<(usize, usize)> = of_row
        .iter()
        .enumerate()
        .filter_map(|(row, cluster)| Some((row, (*cluster)?)))
        .filter(|(row, cluster)| {
            all || clusters
                .get(*cluster)
                .is_some_and(|cluster| cluster.first == *row)
        })
        .collect();
    let from: Vec<Option<usize>> = kept.iter().map(|(row, _)| Some(*row)).collect();
    let label = arguments.option("labelfield").unwrap_or("cluster_label");
    let count = arguments
        .flag("showcount", false)
        .then(|| arguments.option("countfield").unwrap_or("cluster_count"));
    let mut made = Made::new(kept.len());
    let names = staged.names();
    let old: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| *name != label && Some(*name) != count)
        .chain(staged.origins())
        .collect();
    at(span, made.taken(&staged, &old, &from))?;
    if let Some(count) = count {
        let counts = kept.iter().map(|(_, cluster)| {
            let number = clusters
                .get(*cluster)
                .map(|cluster| cluster.rows.to_string());
            number.into_iter().collect()
        });
        made.texts(count, counts.collect());
    }
    let labels = kept
        .iter()
        .map(|(_, cluster)| vec![(cluster + 1).to_string()]);
    made.texts(label, labels.collect());
    at(span, made.rows(planner.fresh()))
}

/// When texts are alike.
struct Likeness<'a> {
    by: By,
    least: f64,
    delims: Option<&'a str>,
}

struct Cluster {
    /// The text of the first row.
    terms: Vec<String>,
    first: usize,
    rows: usize,
}

/// Why clusters cannot be made.
#[derive(Debug, PartialEq)]
enum TooMuch {
    Clusters,
    Work,
}

type Clusters = (Vec<Cluster>, Vec<Option<usize>>);

impl Likeness<'_> {
    /// The clusters of texts, and the one each text belongs to.
    fn clusters(
        &self,
        texts: impl Iterator<Item = Option<String>>,
        most_work: usize,
    ) -> std::result::Result<Clusters, TooMuch> {
        let mut clusters: Vec<Cluster> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut of_row: Vec<Option<usize>> = Vec::new();
        let mut work = 0_usize;
        for (row, text) in texts.enumerate() {
            let Some(text) = text else {
                of_row.push(None);
                continue;
            };
            let found = match known.get(&text) {
                Some(found) => *found,
                None => {
                    let terms = terms(&text, self.by, self.delims);
                    let alike = clusters.iter().position(|cluster| {
                        work += self.work(&cluster.terms, &terms);
                        work <= most_work
                            && similarity(&cluster.terms, &terms, self.by, self.least) >= self.least
                    });
                    if work > most_work {
                        return Err(TooMuch::Work);
                    }
                    let found = alike.unwrap_or(clusters.len());
                    if alike.is_none() {
                        if clusters.len() >= MOST_CLUSTERS {
                            return Err(TooMuch::Clusters);
                        }
                        clusters.push(Cluster {
                            terms,
                            first: row,
                            rows: 0,
                        });
                    }
                    known.insert(text, found);
                    found
                }
            };
            if let Some(cluster) = clusters.get_mut(found) {
                cluster.rows += 1;
            }
            of_row.push(Some(found));
        }
        Ok((clusters, of_row))
    }

    /// The number of steps for comparing two texts.
    fn work(&self, a: &[String], b: &[String]) -> usize {
        match self.by {
            By::List => 1 + a.len() * b.len(),
            By::Set | By::Grams => 1 + a.len() + b.len(),
        }
    }
}

/// The part of a text to compare.
fn terms(text: &str, by: By, delims: Option<&str>) -> Vec<String> {
    if by == By::Grams {
        let chars: Vec<char> = text.chars().take(MOST_TERMS + 2).collect();
        if chars.len() < 3 {
            return vec![text.to_owned()];
        }
        return chars.windows(3).map(|gram| gram.iter().collect()).collect();
    }
    let between = |char: char| match delims {
        Some(delims) => delims.contains(char),
        None => !(char.is_alphanumeric() || char == '_'),
    };
    text.split(between)
        .filter(|term| !term.is_empty())
        .take(MOST_TERMS)
        .map(str::to_owned)
        .collect()
}

fn similarity(a: &[String], b: &[String], by: By, least: f64) -> f64 {
    let longer = a.len().max(b.len());
    if longer == 0 {
        return 1.0;
    }
    // Texts so different in length are not similar, whatever they say.
    #[expect(clippy::cast_precision_loss, reason = "a number of terms")]
    let most = a.len().min(b.len()) as f64 / longer as f64;
    if most < least {
        return most;
    }
    let common = match by {
        By::List => in_order(a, b),
        By::Set | By::Grams => {
            let mut left: BTreeMap<&str, usize> = BTreeMap::new();
            for term in a {
                *left.entry(term).or_default() += 1;
            }
            let shared = |term: &&String| {
                left.get_mut(term.as_str()).is_some_and(|count| {
                    let any = *count > 0;
                    *count = count.saturating_sub(1);
                    any
                })
            };
            b.iter().filter(shared).count()
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "a number of terms")]
    let similarity = common as f64 / longer as f64;
    similarity
}

/// The largest number of terms that both have in the same order.
fn in_order(a: &[String], b: &[String]) -> usize {
    let mut before = vec![0_usize; b.len() + 1];
    for one in a {
        let mut now = vec![0_usize; b.len() + 1];
        for (at, other) in b.iter().enumerate() {
            let left = now.get(at).copied().unwrap_or(0);
            let (above, beside) = (
                before.get(at).copied().unwrap_or(0),
                before.get(at + 1).copied().unwrap_or(0),
            );
            if let Some(best) = now.get_mut(at + 1) {
                *best = if one == other {
                    above + 1
                } else {
                    left.max(beside)
                };
            }
        }
        before = now;
    }
    before.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_can_be_compared_is_refused() {
        let likeness = Likeness {
            by: By::List,
            least: 0.8,
            delims: None,
        };
        let texts = |rows: usize| (0..rows).map(|row| Some(format!("logon {row} of user {row}")));
        let count = |found: std::result::Result<Clusters, TooMuch>| {
            found.map(|(clusters, of_row)| (clusters.len(), of_row.len()))
        };
        assert_eq!(count(likeness.clusters(texts(10), 10_000)), Ok((10, 10)));
        assert_eq!(
            count(likeness.clusters(texts(200), 10_000)),
            Err(TooMuch::Work)
        );
        // Do not compare the same text again.
        let same = (0..10_000).map(|_| Some("logon of ann".to_owned()));
        assert_eq!(count(likeness.clusters(same, 10_000)), Ok((1, 10_000)));
        assert_eq!(
            count(likeness.clusters(texts(2_000), usize::MAX)),
            Err(TooMuch::Clusters)
        );
    }
}
