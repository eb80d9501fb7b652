//! Risk factors: what is known about a machine or an account changes the risk that findings add to it.

use crabwalk_events::Assets;
use serde::Deserialize;

use crate::detection::RiskObjectKind;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    risk_factors: Vec<RawFactor>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFactor {
    name: String,
    risk_object_type: String,
    field: String,
    values: Vec<String>,
    #[serde(default = "one")]
    multiply: f64,
    #[serde(default)]
    add: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Clone)]
struct Factor {
    name: String,
    kind: RiskObjectKind,
    field: String,
    values: Vec<String>,
    multiply: f64,
    add: f64,
}

/// All risk factors of a run.
#[derive(Debug, Clone, Default)]
pub struct RiskFactors {
    factors: Vec<Factor>,
}

impl RiskFactors {
    /// Adds the factors of one YAML text; a later one replaces an earlier one of the same name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn add_yaml(&mut self, text: &str) -> Result<(), String> {
        let raw: RawDocument = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for one in raw.risk_factors {
            let kind = match one.risk_object_type.as_str() {
                "user" => RiskObjectKind::User,
                "system" => RiskObjectKind::System,
                other => {
                    return Err(format!(
                        "`{}`: `risk_object_type: {other}` is neither user nor system",
                        one.name
                    ));
                }
            };
            if !(0.0..=100.0).contains(&one.multiply) || !(-100.0..=100.0).contains(&one.add) {
                return Err(format!(
                    "`{}`: `multiply` must be between 0 and 100, `add` between -100 and 100",
                    one.name
                ));
            }
            self.factors.retain(|old| old.name != one.name);
            self.factors.push(Factor {
                name: one.name,
                kind,
                field: one.field,
                values: one
                    .values
                    .iter()
                    .map(|value| value.to_lowercase())
                    .collect(),
                multiply: one.multiply,
                add: one.add,
            });
        }
        Ok(())
    }

    /// The score of an object adjusted by what is known about it, in whole numbers.
    pub fn calculate(&self, kind: RiskObjectKind, value: &str, score: u32, assets: &Assets) -> u32 {
        let known = match kind {
            RiskObjectKind::System => assets.assets.find(value),
            RiskObjectKind::User => assets.identities.find(value),
            RiskObjectKind::Other => None,
        };
        let Some(known) = known.filter(|_| score > 0) else {
            return score;
        };
        let (mut product, mut sum) = (f64::from(score), 0.0);
        for factor in self.factors.iter().filter(|factor| factor.kind == kind) {
            let fits = known
                .get(&factor.field)
                .into_iter()
                .flatten()
                .any(|own| factor.values.contains(&own.to_lowercase()));
            if fits {
                product *= factor.multiply;
                sum += factor.add;
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped just before"
        )]
        let whole = (product + sum).round().clamp(0.0, 1e6) as u32;
        whole
    }
}
