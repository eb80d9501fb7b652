//! `set`: rows of two searches as sets.

use std::collections::HashSet;

use crate::plan::{Made, Making, Planner, Result, Rows, Staged, at, diagnostic};
use crate::syntax::ast::{Arguments, Span};
use crate::syntax::usage::{Form, Reading, Usage, Whole};

pub(super) static COMMAND: Whole = Whole {
    usage: Usage {
        name: "set",
        also: &[],
        syntax: "set union|diff|intersect [ <subsearch> ] [ <subsearch> ]",
        meaning: "Combines the rows of two searches as sets: rows in either (`union`), in only one (`diff`), or \
                  in both (`intersect`). Rows are equal if all fields are whose names do not begin with `_`, and \
                  `_raw` if both have it.",
        options: &[],
    },
    form: Form::Plain {
        names: (1, 1),
        expects: "`union`, `diff` or `intersect`",
        subsearches: 2,
    },
    reads: |_| Reading {
        adds_rows: true,
        ..Reading::default()
    },
    plan: &(plan as Making),
};

fn plan(planner: &mut Planner<'_>, arguments: &Arguments, span: Span) -> Result<Rows> {
    let ([operation], [first, second]) = (
        arguments.fields.as_slice(),
        arguments.subsearches.as_slice(),
    ) else {
        return Err(diagnostic(span, "`set` takes two subsearches in brackets"));
    };
    let keeps: fn(usize, bool) -> bool = match operation.text.to_lowercase().as_str() {
        "union" => |side, in_other| side == 0 || !in_other,
        "diff" => |_, in_other| !in_other,
        "intersect" => |side, in_other| side == 0 && in_other,
        other => {
            return Err(diagnostic(
                operation.span,
                format!("`set` knows union, diff and intersect, not `{other}`"),
            ));
        }
    };
    let first = planner.pipeline(first)?;
    let second = planner.pipeline(second)?;
    let both = [first.clone(), second.clone()];
    let mut staged = Vec::new();
    for rows in both {
        match planner.stage(rows, None, span)? {
            Some(rows) => staged.push(rows),
            None => return planner.below(first, second, span),
        }
    }
    let [first, second] = staged.as_slice() else {
        return planner.below(first, second, span);
    };
    let raw = [first, second]
        .iter()
        .all(|side| side.names().iter().any(|name| name == "_raw"));
    let sides = [(first, second), (second, first)];
    let mut results = Vec::new();
    for (side, (own, other)) in sides.into_iter().enumerate() {
        let in_other: HashSet<Key> = (0..other.len()).map(|row| key(other, row, raw)).collect();
        let mut seen = HashSet::new();
        let kept: Vec<Option<usize>> = (0..own.len())
            .filter(|row| {
                let key = key(own, *row, raw);
                keeps(side, in_other.contains(&key)) && seen.insert(key)
            })
            .map(Some)
            .collect();
        let mut made = Made::new(kept.len());
        let names = own.names();
        let names: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .chain(own.origins())
            .collect();
        at(span, made.taken(own, &names, &kept))?;
        results.push(at(span, made.rows(planner.fresh()))?);
    }
    let mut results = results.into_iter();
    match (results.next(), results.next()) {
        (Some(first), Some(second)) => planner.below(first, second, span),
        _ => Err(diagnostic(span, "`set` takes two subsearches in brackets")),
    }
}

type Key = Vec<(String, Vec<String>)>;

/// The values that identify a row.
fn key(staged: &Staged, row: usize, raw: bool) -> Key {
    let mut key: Key = staged
        .names()
        .into_iter()
        .filter(|name| !name.starts_with('_') || raw && name == "_raw")
        .map(|name| {
            let values = staged.values(&name, row);
            (name, values)
        })
        .filter(|(_, values)| !values.is_empty())
        .collect();
    key.sort();
    key
}
