//! `outputlookup`: writes the rows to a lookup of the run.

use std::fmt;
use std::sync::Arc;

use crabwalk_events::{LookupDefinition, LookupTable};

use crate::plan::{LookupWriting, Plan, Planner, Result, Rows, at, typed};
use crate::resources::lookup_name;
use crate::syntax::ast::Span;
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::quoted;
use crate::syntax::usage::{
    Cursor, Usage, Whole, count, field, flag, is_on, no_effect, only, whole_number,
};

pub(super) static COMMAND: Whole = typed::<Outputlookup>(Usage {
    name: "outputlookup",
    also: &[],
    syntax: "outputlookup [<options>] <name>",
    meaning: "Writes the rows to a lookup, which later searches of the run can read. Nothing is written to disk.",
    options: &[
        flag("append", "Keeps the existing rows."),
        flag(
            "override_if_empty",
            "Whether a result without rows empties the lookup; default true.",
        ),
        field(
            "key_field",
            "A row replaces an existing row with the same key.",
        ),
        count("max", "Maximum rows."),
        only(
            "create_empty",
            "true",
            "a result without rows gives an empty lookup; `override_if_empty=false` keeps the old one",
        ),
        no_effect("createinapp", "it sets where Splunk keeps the file"),
        no_effect("create_context", "it sets where Splunk keeps the file"),
        only(
            "output_format",
            "splunk_sv_csv",
            "multiple values of a field become the lines of a cell",
        ),
    ],
});

/// `outputlookup`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputlookup(LookupWriting);

impl Syntax for Outputlookup {
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self> {
        let (mut append, mut override_if_empty, mut key_field, mut max, mut lookup) =
            (false, true, None, None, None);
        while !cursor.at_end() {
            if let Some(option) = cursor.option_name() {
                let Some(value) = cursor.option(usage, &option)? else {
                    continue;
                };
                match option.text.as_str() {
                    "append" => append = is_on(&value.text),
                    "override_if_empty" => override_if_empty = is_on(&value.text),
                    "key_field" => key_field = Some(value),
                    _ => max = Some(whole_number("max", &value)?),
                }
            } else if lookup.is_none() {
                lookup = Some(cursor.name("the name of a lookup")?);
            } else {
                return Err(cursor.expected("the end of the command"));
            }
        }
        match lookup {
            Some(lookup) => Ok(Self(LookupWriting {
                lookup,
                append,
                override_if_empty,
                key_field,
                max,
            })),
            None => Err(cursor.expected("the name of a lookup")),
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(output) = self;
        write!(
            f,
            " append={} override_if_empty={}",
            output.append, output.override_if_empty
        )?;
        if let Some(key) = &output.key_field {
            write!(f, " key_field={}", quoted(&key.text))?;
        }
        if let Some(max) = output.max {
            write!(f, " max={max}")?;
        }
        write!(f, " {}", quoted(&output.lookup.text))
    }

    fn note(&self, _: &mut dyn Ledger) -> bool {
        false
    }

    fn writes_lookup(&self) -> bool {
        true
    }
}

impl Plan for Outputlookup {
    /// Passes the rows on.
    fn plan(&self, planner: &mut Planner<'_>, rows: Rows, span: Span) -> Result<Rows> {
        let Self(output) = self;
        if let Some(staged) = planner.stage(rows.clone(), Some(output), span)? {
            return at(span, staged.rows());
        }
        let name = lookup_name(&output.lookup.text);
        let table = LookupTable {
            definition: LookupDefinition::new(name),
            columns: rows.names(),
            rows: Vec::new(),
        };
        planner
            .made_lookups
            .insert(name.to_owned(), Arc::new(table));
        Ok(rows)
    }
}
