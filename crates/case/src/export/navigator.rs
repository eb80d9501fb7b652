//! A layer for the ATT&CK Navigator: format 4.5,
//! <https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md>.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::document::Case;
use crate::names::Names;
use crate::sentences::{technique, when};
use crabwalk_detect::attack::{self, ATTACK_VERSION};

/// Evidence of one technique.
#[derive(Default)]
struct Seen {
    hops: u64,
    findings: u64,
    score: u64,
    comments: Vec<String>,
}

/// Maximum lines of a technique's comment; more are counted.
const MOST_LINES: usize = 12;

/// Writes a layer with the techniques of hops and findings. The score, 0 to 100, is the confidence of the most certain
/// hop, or the risk score of the worst finding if that is higher.
///
/// # Errors
/// What writing gives.
pub fn navigator(case: &Case, out: impl Write) -> io::Result<()> {
    let names = Names::new(case);
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for hop in &case.hops {
        for id in &hop.techniques {
            let one = seen.entry(id).or_default();
            one.hops += 1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 100"
            )]
            let score = (hop.confidence.clamp(0.0, 1.0) * 100.0).round() as u64;
            one.score = one.score.max(score);
            one.comments.push(format!(
                "{} {} → {}",
                when(hop.first.as_deref()),
                names.source(hop.src.as_deref()),
                names.host(&hop.dst)
            ));
        }
    }
    for finding in case
        .findings
        .iter()
        .filter(|finding| finding.suppressed.is_none())
    {
        for id in &finding.techniques {
            let one = seen.entry(id).or_default();
            one.findings += 1;
            one.score = one.score.max(u64::from(finding.risk_score.min(100)));
            one.comments.push(format!(
                "{} {}",
                when(finding.first.as_deref()),
                finding.detection
            ));
        }
    }
    let techniques: Vec<Value> = seen
        .into_iter()
        .filter(|(id, _)| is_id(id))
        .map(|(id, one)| {
            let left = one.comments.len().saturating_sub(MOST_LINES);
            let mut comment = one.comments;
            comment.truncate(MOST_LINES);
            if left > 0 {
                comment.push(format!("and {left} more"));
            }
            json!({
                "techniqueID": id,
                "score": one.score,
                "comment": comment.join("\n"),
                "enabled": true,
                "showSubtechniques": true,
                "metadata": [
                    {"name": "hops", "value": one.hops.to_string()},
                    {"name": "findings", "value": one.findings.to_string()},
                ],
            })
        })
        .collect();
    let described: Vec<String> = techniques
        .iter()
        .filter_map(|one| one.get("techniqueID").and_then(Value::as_str))
        .map(technique)
        .collect();
    let layer = json!({
        "name": format!("Crabwalk case {}", when(case.stats.first.as_deref())),
        "versions": {"attack": ATTACK_VERSION, "navigator": "5.1.0", "layer": "4.5"},
        "domain": "enterprise-attack",
        "description": format!(
            "{} hops and {} findings, by {} {}. {}",
            case.hops.len(),
            case.stats.findings,
            case.tool.name,
            case.tool.version,
            described.join(", ")
        ),
        "sorting": 3,
        "hideDisabled": false,
        "techniques": techniques,
        "gradient": {"colors": ["#fff3e0", "#d84315"], "minValue": 0, "maxValue": 100},
        "showTacticRowBackground": false,
        "selectTechniquesAcrossTactics": true,
        "selectSubtechniquesWithParent": false,
    });
    crate::json::to_json(&layer, out)
}

/// Whether the Navigator accepts it: `T1021`, `T1021.002`.
fn is_id(id: &str) -> bool {
    let digits = |text: &str, number: usize| {
        text.len() == number && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some(rest) = id.strip_prefix('T') else {
        return false;
    };
    attack::technique(id).is_some()
        && match rest.split_once('.') {
            Some((whole, part)) => digits(whole, 4) && digits(part, 3),
            None => digits(rest, 4),
        }
}
