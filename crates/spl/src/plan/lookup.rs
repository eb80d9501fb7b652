//! `lookup` and `inputlookup`.

use std::sync::Arc;

use crabwalk_events::LookupTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};

use super::stage::MOST_ROWS;
use super::{Order, Planner, Result, Rows, at, cast_to, column, common_type, diagnostic};
use crate::clause::{Folded, fold};
use crate::expr::Fields;
use crate::suggest::did_you_mean;
use crate::syntax::ast::{Lookup, LookupOutput, Name, SearchExpr, Span};

/// Lookups that are programs on a Splunk server, such as those of URL Toolbox, and that can be worked out here.
fn computed(lookup: &Lookup, rows: &Rows) -> Option<Vec<(String, Expr)>> {
    if lookup.table.text != "ut_shannon_lookup" {
        return None;
    }
    let (_, field) = lookup.keys.iter().find(|(key, _)| key.text == "word")?;
    let output = match &lookup.output {
        LookupOutput::All => "ut_shannon".to_owned(),
        LookupOutput::Overwrite(outputs) | LookupOutput::KeepExisting(outputs) => outputs
            .iter()
            .find(|(column, _)| column.text == "ut_shannon")
            .map(|(_, field)| field.text.clone())?,
    };
    let value = match rows.field(&field.text) {
        Some(typed) => crate::ops::values::entropy(typed),
        None => super::null_text(),
    };
    Some(vec![(output, value)])
}

impl Planner<'_> {
    fn lookup_table(&self, name: &Name) -> Result<Arc<LookupTable>> {
        if let Some(table) = self.stored_lookup(&name.text).or_else(|| {
            self.made_lookups
                .get(crate::session::lookup_name(&name.text))
                .cloned()
        }) {
            return Ok(table);
        }
        let lookups = &self.knowledge.lookups;
        let without_ending = name.text.strip_suffix(".csv").unwrap_or(&name.text);
        if let Some(table) = lookups
            .get(&name.text)
            .or_else(|| lookups.get(without_ending))
        {
            return Ok(Arc::clone(table));
        }
        if let Some(table) = crate::tables::known_entities(&self.knowledge.assets, without_ending) {
            return Ok(Arc::new(table));
        }
        let mut missing = diagnostic(name.span, format!("there is no lookup `{}`", name.text));
        missing.help = did_you_mean(&name.text, lookups.keys().map(String::as_str)).or_else(|| {
            Some("give the folder that has its definition and CSV file with `--content`".to_owned())
        });
        Err(missing)
    }

    pub(super) fn lookup(&mut self, rows: Rows, lookup: &Lookup, span: Span) -> Result<Rows> {
        let table = match self.lookup_table(&lookup.table) {
            Ok(table) => table,
            Err(missing) => {
                let computed = computed(lookup, &rows);
                return match computed {
                    Some(columns) => at(span, rows.set(columns)),
                    None => Err(missing),
                };
            }
        };
        let no_column = |name: &Name| {
            let mut missing = diagnostic(
                name.span,
                format!(
                    "the lookup `{}` has no column `{}`",
                    lookup.table.text, name.text
                ),
            );
            missing.help = Some(format!("its columns are {}", table.columns.join(", ")));
            missing
        };
        let mut keys = Vec::new();
        let mut values = Vec::new();
        let mut unmatched = false;
        for (key, field) in &lookup.keys {
            if !table.columns.contains(&key.text) {
                return Err(no_column(key));
            }
            match rows.field(&field.text) {
                Some(typed) => {
                    keys.push(key.text.clone());
                    values.push(typed);
                }
                None => unmatched = true,
            }
        }
        let all: Vec<(Name, Name)>;
        let (outputs, keep) = match &lookup.output {
            LookupOutput::Overwrite(outputs) => (outputs, false),
            LookupOutput::KeepExisting(outputs) => (outputs, true),
            LookupOutput::All => {
                let named =
                    |column: &&String| !lookup.keys.iter().any(|(key, _)| key.text == **column);
                let name = |text: &String| Name {
                    text: text.clone(),
                    span: lookup.table.span,
                };
                all = table
                    .columns
                    .iter()
                    .filter(named)
                    .map(|column| (name(column), name(column)))
                    .collect();
                (&all, false)
            }
        };
        let mut assignments = Vec::new();
        for (output, field) in outputs {
            if !table.columns.contains(&output.text) {
                return Err(no_column(output));
            }
            let found = if unmatched {
                crate::enrich::unmatched(&table)
            } else {
                crate::enrich::lookup(self.session, &table, &keys, values.clone(), &output.text)
            };
            let expr = match rows.field(&field.text) {
                Some(existing) if keep => {
                    let data_type = common_type(&existing.data_type, &found.data_type);
                    super::coalesce(vec![
                        cast_to(existing, &data_type),
                        cast_to(found, &data_type),
                    ])
                }
                _ => found.expr,
            };
            assignments.push((field.text.clone(), expr));
        }
        at(span, rows.set(assignments))
    }

    pub(super) fn inputlookup(
        &mut self,
        name: &Name,
        filter: Option<&SearchExpr>,
        (start, max): (u64, Option<u64>),
        span: Span,
    ) -> Result<Rows> {
        let table = self.lookup_table(name)?;
        self.bounded &= table.rows.len() <= MOST_ROWS;
        let hash = self.session.add_table(&table);
        let provider = at(span, crate::tables::rows(&table, hash))?;
        let plan = at(
            span,
            LogicalPlanBuilder::scan(
                provider.name().reference(),
                provider_as_source(Arc::new(provider)),
                None,
            ),
        )?;
        let names: Vec<_> = table
            .columns
            .iter()
            .map(|name| column(name).alias(name))
            .collect();
        let plan = at(
            span,
            plan.project(names).and_then(LogicalPlanBuilder::build),
        )?;
        let mut rows = Rows {
            plan,
            order: Order::AsIs,
            empty: table.rows.is_empty(),
            open: false,
        };
        if let Some(filter) = filter {
            let filter = &self.resolve_clause(filter)?;
            match fold(filter, &rows, &self.context)? {
                Folded::Known(true) => {}
                Folded::Known(false) => {
                    rows = at(span, rows.filter(datafusion::logical_expr::lit(false)))?
                }
                Folded::Open(condition) => rows = at(span, rows.filter(condition))?,
            }
        }
        if start == 0 && max.is_none() {
            return Ok(rows);
        }
        let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let plan = LogicalPlanBuilder::from(rows.plan.clone()).limit(limit(start), max.map(limit));
        let plan = at(span, plan.and_then(LogicalPlanBuilder::build))?;
        Ok(rows.with(plan))
    }
}
