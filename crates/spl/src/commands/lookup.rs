//! `lookup`: adds columns of a lookup to the rows.

use std::fmt;
use std::sync::Arc;

use crabwalk_events::LookupTable;
use datafusion::logical_expr::Expr;

use crate::expr::Fields;
use crate::plan::{
    Plan, Planner, Result, Rows, at, cast_to, coalesce, common_type, diagnostic, null_text, typed,
};
use crate::suggest::did_you_mean;
use crate::syntax::ast::{Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::{list, quoted};
use crate::syntax::usage::{Cursor, Usage, Whole, no_effect};

pub(super) static COMMAND: Whole = typed::<Lookup>(Usage {
    name: "lookup",
    also: &[],
    syntax: "lookup [<options>] <name> <column> [as <field>] … [OUTPUT|OUTPUTNEW <column> [as <field>] …]",
    meaning: "Adds columns of a lookup whose key columns match the values of fields.",
    options: &[
        no_effect("local", "everything runs on one machine"),
        no_effect(
            "update",
            "a lookup is read in its state when the search runs",
        ),
    ],
});

/// `lookup`.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// Name of the lookup definition or CSV file.
    pub table: Name,
    /// (column of the lookup, field of the event).
    pub keys: Vec<(Name, Name)>,
    /// What is added.
    pub output: LookupOutput,
}

/// What a lookup adds.
#[derive(Debug, Clone, PartialEq)]
pub enum LookupOutput {
    /// All other columns (no OUTPUT clause).
    All,
    /// `OUTPUT`: (column, field); existing fields are overwritten.
    Overwrite(Vec<(Name, Name)>),
    /// `OUTPUTNEW`: (column, field); fields that have a value keep it.
    KeepExisting(Vec<(Name, Name)>),
}

impl Syntax for Lookup {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        while let Some(option) = cursor.option_name() {
            cursor.option(usage, &option)?;
        }
        let table = cursor.name("the name of a lookup")?;
        let keys = pairs(cursor, true)?;
        if keys.is_empty() {
            return Err(cursor.expected("a field to look up"));
        }
        let new = cursor.eat_keyword("outputnew");
        let output = if new || cursor.eat_keyword("output") {
            let output = pairs(cursor, false)?;
            if output.is_empty() {
                return Err(cursor.expected("a column of the lookup"));
            }
            if new {
                LookupOutput::KeepExisting(output)
            } else {
                LookupOutput::Overwrite(output)
            }
        } else {
            LookupOutput::All
        };
        Ok(Self {
            table,
            keys,
            output,
        })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = |f: &mut fmt::Formatter<'_>, pairs: &[(Name, Name)]| {
            list(f, pairs, |f, (column, field)| {
                write!(f, "{} AS {}", quoted(&column.text), quoted(&field.text))
            })
        };
        write!(f, " {}", quoted(&self.table.text))?;
        pairs(f, &self.keys)?;
        match &self.output {
            LookupOutput::All => Ok(()),
            LookupOutput::Overwrite(output) => {
                f.write_str(" OUTPUT")?;
                pairs(f, output)
            }
            LookupOutput::KeepExisting(output) => {
                f.write_str(" OUTPUTNEW")?;
                pairs(f, output)
            }
        }
    }

    fn note(&self, ledger: &mut dyn Ledger) -> bool {
        ledger.reads_names(self.keys.iter().map(|(_, field)| field));
        match &self.output {
            LookupOutput::All => match ledger.lookup_columns(&self.table.text) {
                Some(columns) => columns.iter().for_each(|column| ledger.makes(column)),
                None => ledger.makes_any(),
            },
            LookupOutput::Overwrite(pairs) => {
                pairs
                    .iter()
                    .for_each(|(_, field)| ledger.makes(&field.text));
            }
            LookupOutput::KeepExisting(pairs) => {
                pairs
                    .iter()
                    .for_each(|(_, field)| ledger.fills(&field.text));
            }
        }
        false
    }

    fn needs_rows(&self) -> bool {
        true
    }
}

/// `a as b, c`: (a, b), (c, c).
fn pairs(cursor: &mut dyn Cursor, up_to_output: bool) -> Result<Vec<(Name, Name)>> {
    let mut pairs = Vec::new();
    loop {
        let ended = cursor.ended();
        let at_output = cursor.at_keyword("output") || cursor.at_keyword("outputnew");
        if ended || up_to_output && at_output {
            return Ok(pairs);
        }
        let column = cursor.single_name("a field")?;
        let field = if cursor.eat_keyword("as") {
            cursor.single_name("a name after `as`")?
        } else {
            column.clone()
        };
        pairs.push((column, field));
    }
}

impl Plan for Lookup {
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let table = match table_named(planner, &self.table) {
            Ok(table) => table,
            Err(missing) => {
                let computed = computed(self, &rows);
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
                    self.table.text, name.text
                ),
            );
            missing.help = Some(format!("its columns are {}", table.columns.join(", ")));
            missing
        };
        let mut keys = Vec::new();
        let mut values = Vec::new();
        let mut unmatched = false;
        for (key, field) in &self.keys {
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
        let (outputs, keep) = match &self.output {
            LookupOutput::Overwrite(outputs) => (outputs, false),
            LookupOutput::KeepExisting(outputs) => (outputs, true),
            LookupOutput::All => {
                let named =
                    |column: &&String| !self.keys.iter().any(|(key, _)| key.text == **column);
                let name = |text: &String| Name {
                    text: text.clone(),
                    span: self.table.span,
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
                crate::enrich::lookup(
                    planner.resources,
                    &table,
                    &keys,
                    values.clone(),
                    &output.text,
                )
            };
            let expr = match rows.field(&field.text) {
                Some(existing) if keep => {
                    let data_type = common_type(&existing.data_type, &found.data_type);
                    coalesce(vec![
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
}

/// The lookup with a name: one written by the search, one from content, or the known hosts and accounts.
pub(super) fn table_named(planner: &Planner<'_>, name: &Name) -> Result<Arc<LookupTable>> {
    if let Some(table) = planner.stored_lookup(&name.text).or_else(|| {
        planner
            .made_lookups
            .get(crate::resources::lookup_name(&name.text))
            .cloned()
    }) {
        return Ok(table);
    }
    let lookups = &planner.knowledge.lookups;
    let without_ending = name.text.strip_suffix(".csv").unwrap_or(&name.text);
    if let Some(table) = lookups
        .get(&name.text)
        .or_else(|| lookups.get(without_ending))
    {
        return Ok(Arc::clone(table));
    }
    if let Some(table) = crate::tables::known_entities(&planner.knowledge.assets, without_ending) {
        return Ok(Arc::new(table));
    }
    let mut missing = diagnostic(name.span, format!("there is no lookup `{}`", name.text));
    missing.help = did_you_mean(&name.text, lookups.keys().map(String::as_str)).or_else(|| {
        Some("pass the folder with its definition and CSV file with `--content`".to_owned())
    });
    Err(missing)
}

/// Lookups that are programs on a Splunk server, such as those of URL Toolbox, and that can be computed here.
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
        None => null_text(),
    };
    Some(vec![(output, value)])
}
