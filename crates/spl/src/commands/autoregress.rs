//! `autoregress`: a field's values from preceding rows.

use datafusion::logical_expr::Expr;

use crate::expr::Fields;
use crate::plan::{
    Passing, Planner, Result, Rows, at, column, diagnostic, nodes, null_text, running,
};
use crate::syntax::ast::{Arguments, Name, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole, obeyed};

/// Maximum number of rows to look back.
const MOST_BACK: u64 = 1_000;
/// The value of a preceding row.
const BEFORE: &str = hidden!("row_before");

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "autoregress",
        also: &[],
        syntax: "autoregress <field> [as <name>] [p=<number>[-<number>]]",
        meaning: "Adds a field's values from preceding rows.",
        options: &[obeyed("p", "How many rows back; default 1.")],
    },
    form: Form::Plain {
        names: (1, 3),
        expects: "a field",
        subsearches: 0,
    },
    reads: |arguments| match back(arguments, Span::default()) {
        Ok(back) => Reading {
            fields: vec![back.field.text.clone()],
            makes: (back.first..=back.last)
                .map(|rows| name(&back, rows))
                .collect(),
            ..Reading::default()
        },
        Err(_) => Reading::default(),
    },
    plan: &(plan as Passing),
};

fn name(back: &Back<'_>, rows: u64) -> String {
    match back.new {
        Some(new) => new.text.clone(),
        None => format!("{}_p{rows}", back.field.text),
    }
}

fn plan(planner: &mut Planner<'_>, rows: Rows, arguments: &Arguments, span: Span) -> Result<Rows> {
    let back = back(arguments, span)?;
    if let Some(new) = back.new
        && back.first != back.last
    {
        return Err(diagnostic(
            new.span,
            format!("`{}` would be the name of several fields", new.text),
        )
        .with_help(
            "with a range in `p=` leave `as` out, and rename the fields after the command",
        ));
    }
    back.beside(planner, rows, span, &mut |_, _, rows, before| {
        Ok((name(&back, rows), column(before)))
    })
}

/// `<field> [as <name>] p=<number>[-<number>]`.
pub(super) struct Back<'a> {
    pub field: &'a Name,
    pub new: Option<&'a Name>,
    pub first: u64,
    pub last: u64,
}

/// Parses the arguments of `autoregress` and `delta`.
pub(super) fn back(arguments: &Arguments, span: Span) -> Result<Back<'_>> {
    let (field, new) = match arguments.fields.as_slice() {
        [field] => (field, None),
        [field, word, new] if word.text.eq_ignore_ascii_case("as") => (field, Some(new)),
        [_, word, ..] => {
            return Err(diagnostic(
                word.span,
                format!("expected `as` and a name, found `{}`", word.text),
            ));
        }
        [] => return Err(diagnostic(span, "expected a field")),
    };
    let (first, last) = match arguments.written("p") {
        None => (1, 1),
        Some((option, value)) => {
            let (first, last) = value.split_once('-').unwrap_or((value, value));
            match (first.trim().parse(), last.trim().parse()) {
                (Ok(first), Ok(last)) if 1 <= first && first <= last && last <= MOST_BACK => {
                    (first, last)
                }
                _ => {
                    return Err(diagnostic(
                        option.span,
                        format!("`p` says how many rows back to look, from 1 to {MOST_BACK}"),
                    ));
                }
            }
        }
    };
    Ok(Back {
        field,
        new,
        first,
        last,
    })
}

/// Builds a column from the number of rows to look back and the column with that row's value.
type Make<'m> = dyn FnMut(&Planner<'_>, &Rows, u64, &str) -> Result<(String, Expr)> + 'm;

impl Back<'_> {
    /// Adds columns built from the value of a preceding row, for each number of rows back.
    pub(super) fn beside(
        &self,
        planner: &mut Planner<'_>,
        rows: Rows,
        span: Span,
        make: &mut Make<'_>,
    ) -> Result<Rows> {
        let (mut rows, place) = planner.placed(rows, span)?;
        let value = rows.field(&self.field.text);
        let mut kept = rows.all_names();
        let windows: Vec<(u64, String, Expr)> = (self.first..=self.last)
            .map(|back| {
                let value = value
                    .as_ref()
                    .map_or_else(null_text, |value| value.expr.clone());
                let name = format!("{BEFORE}{back}");
                let before = running::before(value, back.cast_signed(), &place).alias(&name);
                (back, name, before)
            })
            .collect();
        let exprs = windows.iter().map(|(_, _, window)| window.clone());
        let plan = at(span, nodes::window(rows.plan.clone(), exprs.collect()))?;
        rows = rows.with(plan);
        let mut set = Vec::new();
        for (back, before, _) in &windows {
            set.push(make(planner, &rows, *back, before)?);
        }
        kept.extend(
            set.iter()
                .map(|(name, _)| name.clone())
                .filter(|name| !rows.has(name)),
        );
        rows = at(span, rows.set(set))?;
        let kept = kept.into_iter().map(|name| (name.clone(), column(&name)));
        at(span, rows.reshape(kept.collect()))
    }
}
