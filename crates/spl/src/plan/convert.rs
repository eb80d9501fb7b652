//! `convert`: numbers and times to text and back.

use super::{Planner, Result, Rows, as_value, at, diagnostic, is_hidden};
use crate::expr::{Fields, Typed, plan_call};
use crate::syntax::ast::{Convert, Span};

/// Splunk's default of `timeformat`.
const DEFAULT_FORMAT: &str = "%m/%d/%Y %H:%M:%S";

impl Planner<'_> {
    pub(super) fn convert(&mut self, rows: Rows, convert: &Convert, span: Span) -> Result<Rows> {
        let format = convert.time_format.as_deref().unwrap_or(DEFAULT_FORMAT);
        let mut assignments = Vec::new();
        for conversion in &convert.conversions {
            let names: Vec<String> = if conversion.field.text.contains('*') {
                let fits = |name: &String| {
                    !is_hidden(name)
                        && super::wildcards::wildcard_parts(&conversion.field.text, name).is_some()
                };
                rows.names().into_iter().filter(fits).collect()
            } else {
                vec![conversion.field.text.clone()]
            };
            for name in names {
                let Some(value) = rows.field(&name) else {
                    continue;
                };
                let output = match &conversion.output {
                    Some(output) => super::wildcards::renamed(&name, &conversion.field, output)
                        .unwrap_or_else(|| output.text.clone()),
                    None => name.clone(),
                };
                if let Some(converted) = self.conversion(
                    &conversion.function.text,
                    value,
                    format,
                    conversion.function.span,
                )? {
                    assignments.push((output, as_value(converted).expr));
                }
            }
        }
        at(span, rows.set(assignments))
    }

    fn conversion(
        &self,
        function: &str,
        value: Typed,
        format: &str,
        span: Span,
    ) -> Result<Option<Typed>> {
        let literal = |value: &str| Typed {
            expr: super::text(value),
            data_type: datafusion::arrow::datatypes::DataType::Utf8,
        };
        let call = |name: &str, args: Vec<Typed>| plan_call(name, args, span, &self.context);
        Ok(Some(match function {
            "ctime" => call("strftime", vec![value, literal(format)])?,
            "mktime" => call("strptime", vec![value, literal(format)])?,
            // Values are numbers on demand: `auto` leaves what is none.
            "auto" => value,
            "none" => return Ok(None),
            "rmcomma" => call("replace", vec![value, literal(","), literal("")])?,
            "num" | "rmunit" | "memk" | "dur2sec" | "mstime" => {
                return Ok(crate::ops::units::convert(function, value));
            }
            other => {
                return Err(diagnostic(
                    span,
                    format!(
                        "`convert` knows no function `{other}`: there are auto, ctime, dur2sec, memk, mktime, mstime, none, num, rmcomma, rmunit"
                    ),
                ));
            }
        }))
    }
}
