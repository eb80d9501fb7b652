//! Likely mistakes in a search. Only those that change results are reported: each lint names the rows that are
//! lost or found by mistake.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crabwalk_events::{EventType, TypeMapping};
use crabwalk_spl::syntax::ast::{
    BinaryOp, Command, CompareOp, Expr, ExprKind, Pipeline, SearchExpr, Span,
};
use crabwalk_spl::syntax::command::Part;
use crabwalk_spl::syntax::effect::Effect;
use crabwalk_spl::syntax::parse_expr;
use crabwalk_spl::{Diagnostic, Knowledge, Search};
use crabwalk_vocabulary::text::list;

/// Fields whose values come in upper and lower case: `content/windows/varying_case.txt`.
static VARYING_CASE: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../../content/windows/varying_case.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// The pipelines of a search: itself and its subsearches.
pub(crate) fn pipelines(pipeline: &Pipeline) -> Vec<&Pipeline> {
    fn clause<'p>(expr: &'p SearchExpr, found: &mut Vec<&'p Pipeline>) {
        match expr {
            SearchExpr::And(all) | SearchExpr::Or(all) => {
                all.iter().for_each(|one| clause(one, found));
            }
            SearchExpr::Not(one) => clause(one, found),
            SearchExpr::Subsearch(inner)
            | SearchExpr::Given {
                subsearch: inner, ..
            } => add(inner, found),
            _ => {}
        }
    }
    fn add<'p>(pipeline: &'p Pipeline, found: &mut Vec<&'p Pipeline>) {
        found.push(pipeline);
        for command in &pipeline.commands {
            for part in command.kind.parts() {
                match part {
                    Part::Clause(expr) => clause(expr, found),
                    Part::Search(inner) | Part::Pipe(inner) => add(inner, found),
                    Part::Expression(_) => {}
                }
            }
        }
    }
    let mut found = Vec::new();
    add(pipeline, &mut found);
    found
}

/// The lints of a search that reads these event types, out of the known ones.
pub(crate) fn lint(search: &Search, read: &[&EventType], knowledge: &Knowledge) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    null_groups(search, read, knowledge, &mut found);
    for pipeline in pipelines(search.pipeline()) {
        let mut made: BTreeSet<String> = BTreeSet::new();
        for command in &pipeline.commands {
            let kind = &command.kind;
            for part in kind.parts() {
                if let Part::Clause(expr) = part {
                    precedence_in_clause(expr, search.text(), &mut found);
                }
            }
            if let Some(Part::Expression(expr)) = kind.condition() {
                precedence_in_where(expr, search.text(), &mut found);
                compared_by_case(expr, &made, &mut found);
            }
            made.extend(kind.assigned().iter().map(|name| name.text.clone()));
            let renamed = Effect::of(kind).renamed.into_iter();
            let renamed: Vec<String> = renamed
                .filter(|(from, _)| made.contains(&from.text))
                .map(|(_, to)| to.text)
                .collect();
            made.extend(renamed);
        }
    }
    found.dedup_by(|a, b| a.span == b.span && a.message == b.message);
    found
}

// ---- Groups that may be null ----------------------------------------------------------------------------------------

/// `stats … by field` drops rows without that field.
fn null_groups(
    search: &Search,
    read: &[&EventType],
    knowledge: &Knowledge,
    found: &mut Vec<Diagnostic>,
) {
    let mut commands = search.pipeline().commands.iter();
    let first = commands.next().and_then(|first| first.kind.condition());
    let Some(Part::Clause(first)) = first else {
        return;
    };
    // Fields that have a value here, or about which nothing is known any more.
    let mut present: BTreeSet<String> = BTreeSet::new();
    asked_for(first, &mut present);
    for command in commands {
        let kind = &command.kind;
        if !kind.groups().is_empty() {
            groups(command, &present, read, knowledge, found);
            return;
        }
        match kind.condition() {
            Some(Part::Clause(expr)) => asked_for(expr, &mut present),
            Some(Part::Expression(expr)) => fields_of(expr, &mut present),
            _ => {}
        }
        let effect = Effect::of(kind);
        if effect.opaque {
            return;
        }
        present.extend(effect.gives);
    }
}

fn groups(
    command: &Command,
    present: &BTreeSet<String>,
    read: &[&EventType],
    knowledge: &Knowledge,
    found: &mut Vec<Diagnostic>,
) {
    const ALWAYS: [&str; 12] = [
        "_time",
        "host",
        "source",
        "sourcetype",
        "index",
        "EventCode",
        "EventID",
        "Channel",
        "Computer",
        "ComputerName",
        "dest",
        "signature_id",
    ];
    for by in command.kind.groups() {
        let name = by.field.text.as_str();
        if name.contains('*') || ALWAYS.contains(&name) || present.contains(name) {
            continue;
        }
        let (mut without, mut sometimes, mut with) = (Vec::new(), Vec::new(), 0);
        for event_type in read {
            let mapping = knowledge
                .mappings
                .of(&event_type.channel, event_type.event_id);
            match gives(&mapping, name, 0) {
                Gives::Never => without.push(event_type.to_string()),
                Gives::Sometimes => sometimes.push(event_type.to_string()),
                Gives::Always => with += 1,
            }
        }
        // A field that no type has is reported separately.
        if with + sometimes.len() == 0 || without.len() + sometimes.len() == 0 {
            continue;
        }
        let mut why = Vec::new();
        if !without.is_empty() {
            why.push(format!(
                "events of {} have no such field",
                list(&without, "and", MOST_TYPES)
            ));
        }
        if !sometimes.is_empty() {
            why.push(format!(
                "it may be empty in {}",
                list(&sometimes, "and", MOST_TYPES)
            ));
        }
        found.push(
            Diagnostic::new(
                format!(
                    "`{}` drops rows without `{name}`: {}",
                    command.name,
                    why.join("; ")
                ),
                by.field.span,
            )
            .with_help(format!("put `fillnull value=\"unknown\" {name}` before it")),
        );
    }
}

/// Most event types that a message names.
const MOST_TYPES: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gives {
    Never,
    Sometimes,
    Always,
}

/// Whether events of a type have a field, by their mapping.
fn gives(mapping: &TypeMapping, name: &str, depth: usize) -> Gives {
    if mapping.has_event_data(name) {
        return Gives::Always;
    }
    let Some(expr) = mapping.alias(name).and_then(|text| parse_expr(text).ok()) else {
        return Gives::Never;
    };
    if depth < 8 && may_be_null(&expr, mapping, depth) {
        Gives::Sometimes
    } else {
        Gives::Always
    }
}

fn may_be_null(expr: &Expr, mapping: &TypeMapping, depth: usize) -> bool {
    let null = |expr: &Expr| may_be_null(expr, mapping, depth + 1);
    match &expr.kind {
        ExprKind::Null => true,
        ExprKind::Field(name) => {
            !mapping.has_event_data(name)
                && mapping.alias(name).is_some()
                && gives(mapping, name, depth + 1) == Gives::Sometimes
        }
        ExprKind::Call { name, args, .. } => match name.as_str() {
            "dash_to_null" | "ip_normalise" => true,
            "coalesce" => args.iter().all(null),
            "if" => args.iter().skip(1).any(null),
            "case" => {
                let complete = args.chunks(2).any(|pair| {
                    matches!(
                        pair.first().map(|one| &one.kind),
                        Some(ExprKind::Bool(true))
                    ) || matches!(pair.first().map(|one| &one.kind),
                        Some(ExprKind::Call { name, .. }) if name == "true")
                });
                !complete || args.iter().skip(1).step_by(2).any(null)
            }
            _ => args.iter().any(null),
        },
        _ => false,
    }
}

/// The fields that events must have to match a search clause.
fn asked_for(expr: &SearchExpr, present: &mut BTreeSet<String>) {
    match expr {
        SearchExpr::And(all) => all.iter().for_each(|one| asked_for(one, present)),
        SearchExpr::Or(all) => {
            // What every alternative requires.
            let mut common: Option<BTreeSet<String>> = None;
            for one in all {
                let mut own = BTreeSet::new();
                asked_for(one, &mut own);
                common = Some(match common {
                    None => own,
                    Some(common) => common.intersection(&own).cloned().collect(),
                });
            }
            present.extend(common.unwrap_or_default());
        }
        SearchExpr::Compare { field, .. }
        | SearchExpr::In { field, .. }
        | SearchExpr::Given { field, .. } => {
            present.insert(field.text.clone());
        }
        SearchExpr::Not(_) | SearchExpr::Term(_) | SearchExpr::Subsearch(_) => {}
    }
}

fn fields_of(expr: &Expr, names: &mut BTreeSet<String>) {
    match &expr.kind {
        ExprKind::Field(name) => {
            names.insert(name.clone());
        }
        ExprKind::Negate(one) | ExprKind::Not(one) => fields_of(one, names),
        ExprKind::Binary { left, right, .. } => {
            fields_of(left, names);
            fields_of(right, names);
        }
        ExprKind::In { value, list } => {
            fields_of(value, names);
            list.iter().for_each(|one| fields_of(one, names));
        }
        ExprKind::Call { args, .. } => args.iter().for_each(|one| fields_of(one, names)),
        _ => {}
    }
}

// ---- OR and AND --------------------------------------------------------------------------------------------------------

/// The text covered by a clause, from its first to its last word.
fn clause_span(expr: &SearchExpr) -> Option<Span> {
    match expr {
        SearchExpr::And(all) | SearchExpr::Or(all) => {
            all.iter().filter_map(clause_span).reduce(|a, b| a.to(b))
        }
        SearchExpr::Not(one) => clause_span(one),
        SearchExpr::Compare { field, value, .. } => Some(field.span.to(value.span)),
        SearchExpr::In { field, values } => Some(
            values
                .iter()
                .fold(field.span, |span, value| span.to(value.span)),
        ),
        SearchExpr::Term(value) => Some(value.span),
        SearchExpr::Subsearch(inner) => Some(inner.span),
        SearchExpr::Given {
            field, subsearch, ..
        } => Some(field.span.to(subsearch.span)),
    }
}

/// Whether a span is alone in its parentheses.
fn bracketed(text: &str, span: Span) -> bool {
    let before = text.get(..span.start as usize).unwrap_or_default();
    let after = text.get(span.end as usize..).unwrap_or_default();
    before.trim_end().ends_with('(') && after.trim_start().starts_with([')', '"'])
}

/// In search clauses OR binds tighter than AND: `a=1 b=2 OR c=3` is `a=1 (b=2 OR c=3)`, which surprises people used to
/// other languages. If all alternatives are about one field, the meaning is clear.
fn precedence_in_clause(expr: &SearchExpr, text: &str, found: &mut Vec<Diagnostic>) {
    match expr {
        SearchExpr::And(all) => {
            for one in all {
                if let SearchExpr::Or(alternatives) = one
                    && let Some(span) = clause_span(one)
                    // To its author, a macro's content is a unit.
                    && text.get(span.start as usize..).is_some_and(|rest| !rest.starts_with('`'))
                    && text.get(span.start as usize..span.end as usize).is_some_and(|own| {
                        own.to_uppercase().contains(" OR ") || own.to_uppercase().contains("\nOR ")
                    })
                    && !bracketed(text, span)
                    && !same_field(alternatives)
                {
                    found.push(
                        Diagnostic::new(
                            "OR binds tighter than AND here: only these alternatives are joined, and the terms beside them must hold as well",
                            span,
                        )
                        .with_help("put parentheses around what belongs together"),
                    );
                }
                precedence_in_clause(one, text, found);
            }
        }
        SearchExpr::Or(all) => all
            .iter()
            .for_each(|one| precedence_in_clause(one, text, found)),
        SearchExpr::Not(one) => precedence_in_clause(one, text, found),
        _ => {}
    }
}

fn same_field(alternatives: &[SearchExpr]) -> bool {
    fn name(expr: &SearchExpr) -> Option<&str> {
        match expr {
            SearchExpr::Compare { field, .. } | SearchExpr::In { field, .. } => Some(&field.text),
            SearchExpr::Not(one) => name(one),
            SearchExpr::Term(_) => Some(""),
            SearchExpr::Or(all) => {
                let first = name(all.first()?)?;
                same_field(all).then_some(first)
            }
            _ => None,
        }
    }
    let Some(first) = alternatives.first().and_then(name) else {
        return false;
    };
    alternatives.iter().all(|one| name(one) == Some(first))
}

/// In `where`, AND binds tighter than OR, unlike in search clauses. `x=1 OR x=2 AND y=3` accepts every `x=1`: if
/// alternatives of one field are followed by a condition, they are usually meant to share it.
fn precedence_in_where(expr: &Expr, text: &str, found: &mut Vec<Diagnostic>) {
    match &expr.kind {
        ExprKind::Binary {
            op: BinaryOp::Or,
            left,
            right,
        } => {
            for (alone, joined, end) in [(left, right, false), (right, left, true)] {
                if let ExprKind::Binary {
                    op: BinaryOp::And,
                    left: first,
                    right: last,
                } = &joined.kind
                {
                    let near = if end { last } else { first };
                    if compared_field(last_or(alone)).is_some()
                        && compared_field(last_or(alone)) == compared_field(near)
                        && !bracketed(text, joined.span)
                    {
                        found.push(
                            Diagnostic::new(
                                "AND binds tighter than OR in `where`: the condition joined by AND holds for one alternative only",
                                joined.span,
                            )
                            .with_help("put parentheses around the alternatives, or around the AND if that is what you mean"),
                        );
                    }
                }
                precedence_in_where(alone, text, found);
            }
        }
        ExprKind::Binary { left, right, .. } => {
            precedence_in_where(left, text, found);
            precedence_in_where(right, text, found);
        }
        ExprKind::Not(one) => precedence_in_where(one, text, found),
        _ => {}
    }
}

/// In `a OR b`, the part closest to what follows.
fn last_or(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Binary {
            op: BinaryOp::Or,
            right,
            ..
        } => last_or(right),
        _ => expr,
    }
}

fn compared_field(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Binary {
            op: BinaryOp::Compare(CompareOp::Eq),
            left,
            ..
        } => match &left.kind {
            ExprKind::Field(name) => Some(name),
            _ => None,
        },
        ExprKind::Call { name, args, .. } if name == "like" || name == "match" => {
            match &args.first()?.kind {
                ExprKind::Field(name) => Some(name),
                _ => None,
            }
        }
        _ => None,
    }
}

// ---- Case -----------------------------------------------------------------------------------------------------------------

/// `where` compares text case-sensitively. `made` are the fields created by the search itself, whose case is known.
fn compared_by_case(expr: &Expr, made: &BTreeSet<String>, found: &mut Vec<Diagnostic>) {
    let varying = |expr: &Expr| match &expr.kind {
        ExprKind::Field(name)
            if VARYING_CASE.contains(name.as_str()) && !made.contains(name.as_str()) =>
        {
            Some(name.clone())
        }
        _ => None,
    };
    let letters = |text: &str| text.chars().any(char::is_alphabetic);
    let text = |expr: &Expr| match &expr.kind {
        // Text that searches write themselves is not event text.
        ExprKind::Text(text) if letters(text) && !matches!(text.as_str(), "unknown" | "null") => {
            Some(text.clone())
        }
        _ => None,
    };
    let mut tell = |name: &str, span: Span, help: String| {
        found.push(
            Diagnostic::new(
                format!("this compares `{name}` exactly, but its case varies from event to event"),
                span,
            )
            .with_help(help),
        );
    };
    match &expr.kind {
        ExprKind::Binary {
            op: BinaryOp::Compare(CompareOp::Eq | CompareOp::Ne),
            left,
            right,
        } => {
            let name = match (varying(left), varying(right)) {
                (Some(name), _) if text(right).is_some() => Some(name),
                (_, Some(name)) if text(left).is_some() => Some(name),
                _ => None,
            };
            if let Some(name) = name {
                let help = format!("compare `lower({name})` with lower-case text, or use `search`");
                tell(&name, expr.span, help);
            }
        }
        ExprKind::In { value, list } => {
            if let Some(name) = varying(value)
                && list.iter().any(|one| text(one).is_some())
            {
                tell(
                    &name,
                    value.span,
                    format!("write `lower({name}) IN (…)` with lower-case text, or use `search`"),
                );
            }
        }
        ExprKind::Call {
            name: function,
            args,
            ..
        } if function == "match" || function == "like" => {
            if let [value, pattern] = args.as_slice()
                && let (Some(name), Some(pattern)) = (varying(value), text(pattern))
                && !pattern.starts_with("(?i")
                && fixed_letters(&pattern, function == "match")
            {
                let help = if function == "match" {
                    "begin the pattern with (?i)".to_owned()
                } else {
                    format!("write `like(lower({name}), …)` with lower-case text")
                };
                tell(&name, expr.span, help);
            }
        }
        ExprKind::Call { args, .. } => {
            for one in args {
                compared_by_case(one, made, found);
            }
        }
        ExprKind::Binary { left, right, .. } => {
            compared_by_case(left, made, found);
            compared_by_case(right, made, found);
        }
        ExprKind::Not(one) | ExprKind::Negate(one) => compared_by_case(one, made, found),
        _ => {}
    }
}

/// Whether a pattern contains literal letters, not only classes such as `\d`, `\w` and `[a-zA-Z]`.
fn fixed_letters(pattern: &str, regex: bool) -> bool {
    if !regex {
        return true;
    }
    let mut characters = pattern.chars();
    let mut class = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                // An escape; `\x41` and the like are not interpreted.
                characters.next();
            }
            '[' => class = true,
            ']' => class = false,
            c if c.is_alphabetic() && !class => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
