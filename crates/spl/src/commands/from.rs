//! `from`: the events of a data model, or the rows of a lookup.

use std::collections::BTreeSet;
use std::fmt;

use super::inputlookup::rows_of;
use crate::expr::EvalContext;
use crate::knowledge::Knowledge;
use crate::plan::model::{self, condition_fields, find_node};
use crate::plan::needs::Needs;
use crate::plan::{
    Plan, Planner, Reads, Result, Rows, Source, TypeInfo, diagnostic, not_first, typed,
};
use crate::syntax::ast::{Name, Span};
use crate::syntax::command::{Ledger, Syntax};
use crate::syntax::print::quoted;
use crate::syntax::usage::{Cursor, Usage, Whole};

pub(super) static COMMAND: Whole = typed::<FromDataset>(Usage {
    name: "from",
    also: &[],
    syntax: "from datamodel:<Model.Node> | from lookup:<name>",
    meaning: "The events of a data model, or the rows of a lookup.",
    options: &[],
});

/// `from datamodel:A.B` / `from datamodel A.B` / `from lookup:x`.
#[derive(Debug, Clone, PartialEq)]
pub struct FromDataset {
    /// `datamodel`, `lookup`, …, lower case.
    pub kind: String,
    /// What is named.
    pub name: Name,
}

impl FromDataset {
    /// The data model and its node, if it reads one.
    pub fn datamodel(&self) -> Option<&Name> {
        (self.kind == "datamodel").then_some(&self.name)
    }
}

impl Syntax for FromDataset {
    fn parse(cursor: &mut dyn Cursor, _: &Usage) -> Result<Self> {
        cursor.at_end();
        let start = cursor.place();
        let mut name = cursor.name("`datamodel:` and a name")?;
        let (kind, rest) = match name.text.split_once(':') {
            Some((kind, rest)) => (kind.trim().to_lowercase(), rest.trim().to_owned()),
            None => (name.text.to_lowercase(), String::new()),
        };
        if !matches!(
            kind.as_str(),
            "datamodel" | "lookup" | "inputlookup" | "savedsearch"
        ) {
            let message = format!("unknown dataset type `{kind}` in `from`");
            return Err(cursor
                .error(&message, start, cursor.place())
                .with_help("write `from datamodel:Model.Node` or `from lookup:name`"));
        }
        if rest.is_empty() {
            cursor.eat(b':');
            name = cursor.name(&format!("the name of a {kind}"))?;
        } else {
            name.text = rest;
        }
        // "Model"."Node"
        while cursor.ahead().starts_with(".\"") {
            cursor.skip(1);
            let node = cursor.name("the name of a node")?;
            name = Name {
                text: format!("{}.{}", name.text, node.text),
                span: name.span.to(node.span),
            };
        }
        Ok(Self { kind, name })
    }

    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " {}:{}", self.kind, quoted(&self.name.text))
    }

    fn note(&self, _: &mut dyn Ledger) -> bool {
        false
    }

    fn needs_events(&self) -> bool {
        self.datamodel().is_some()
    }
}

impl Plan for FromDataset {
    fn plan(&self, _: &mut Planner<'_>, _: Rows, span: Span) -> Result<Rows> {
        Err(not_first("from", span))
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

impl Source for FromDataset {
    fn rows(&self, planner: &mut Planner<'_>, needs: &Needs, _: Span) -> Result<Rows> {
        let name = &self.name;
        match self.kind.as_str() {
            "datamodel" => {}
            "lookup" | "inputlookup" => return rows_of(planner, name, name.span),
            kind => {
                return Err(diagnostic(
                    name.span,
                    format!(
                        "`from {kind}` is not known: write `from datamodel:Model.Node` or `from lookup:name`"
                    ),
                ));
            }
        }
        let node = find_node(planner.knowledge, name)?;
        let mut fields: Vec<String> = needs
            .names()
            .filter(|name| !matches!(*name, "_time"))
            .map(str::to_owned)
            .collect();
        for (field, span) in needs
            .named
            .iter()
            .filter_map(|(name, span)| Some((name, (*span)?)))
        {
            planner.warn_of_unknown_node_field(node, field, span);
        }
        if needs.all_columns || needs.all_names {
            fields.extend(["host", "source", "sourcetype"].map(str::to_owned));
            fields.extend(node.fields.iter().cloned());
        }
        let mut unique = BTreeSet::new();
        fields.retain(|field| unique.insert(field.clone()));
        let filter = planner.child_filter(name)?;
        let mut rows = planner.node_rows(node, &filter, &fields, name.span)?;
        rows.open = needs.all_columns;
        Ok(rows)
    }

    fn may_read(&self, info: &TypeInfo, knowledge: &Knowledge, context: &EvalContext) -> bool {
        let name = self.datamodel();
        name.is_some_and(|name| model::may_be_in(&name.text, info, knowledge, context))
    }

    fn reads(&self, needs: &Needs, info: &TypeInfo, knowledge: &Knowledge) -> Reads {
        let mut names: Vec<String> = needs.names().map(str::to_owned).collect();
        let node = knowledge.models.node(&self.name.text);
        if let (Some(node), true) = (node, needs.all_columns || needs.all_names) {
            names.extend(node.fields.iter().cloned());
        }
        names.extend(node.into_iter().flat_map(condition_fields));
        Reads::columns(info, &names)
    }
}
