//! What a command is to the rest of the engine whose arguments have a type of their own.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::ast::{
    Aggregation, AggregationArgument, ByField, Command, Expr, Name, Pipeline, SearchExpr, Span,
};
use super::diagnostic::Diagnostic;
use super::macros::Macros;
use super::usage::{Cursor, Usage};

/// The arguments of a command in a type of their own: how they are read and written, what the command reads and makes, and
/// what else stands in it.
///
/// How it is planned is said by the planner's trait `Plan`, since the syntax does not know the planner.
pub trait Syntax: Erased + Any + fmt::Debug + Send + Sync {
    /// Reads the arguments.
    ///
    /// # Errors
    /// What is wrong with them.
    fn parse(cursor: &mut dyn Cursor, usage: &Usage) -> Result<Self, Diagnostic>
    where
        Self: Sized;

    /// Writes the arguments so that they parse to the same.
    ///
    /// # Errors
    /// Those of the formatter.
    fn print(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// Notes what the command reads of the rows before it, and makes. Whether no field of these rows passes it.
    fn note(&self, ledger: &mut dyn Ledger) -> bool;

    /// The expressions, clauses and searches that stand in it.
    fn parts(&self) -> Vec<Part<'_>> {
        Vec::new()
    }

    /// Its expressions, to be changed: those among the [`parts`](Self::parts).
    fn expressions_mut(&mut self) -> Vec<&mut Expr> {
        Vec::new()
    }

    /// What every row behind it fulfils: a clause or an expression.
    fn condition(&self) -> Option<Part<'_>> {
        None
    }

    /// Fields whose values it works out from expressions.
    fn assigned(&self) -> Vec<&Name> {
        Vec::new()
    }

    /// Fields by which it groups rows. One without a value of each is left out.
    fn groups(&self) -> &[ByField] {
        &[]
    }

    /// The names of the columns behind it, given those before it; none where its text does not tell.
    fn columns(&self, _before: Option<Vec<String>>) -> Option<Vec<String>> {
        None
    }

    /// Whether there is surely no row behind it where there is none before it, and nothing else is lost if it does not run.
    fn needs_rows(&self) -> bool {
        false
    }

    /// Whether, as the first command, it surely gives no row where no event fits it.
    fn needs_events(&self) -> bool {
        false
    }

    /// Whether, as the last command of a subsearch, it gives values that stand for themselves, not fields with theirs.
    fn gives_values(&self) -> bool {
        false
    }

    /// Whether it reads events of its own even where it stands behind other commands.
    fn reads_events(&self) -> bool {
        false
    }

    /// Searches that are written in it as text, in which `macros` may be called.
    fn searches(&self, _macros: &dyn Macros) -> Vec<Pipeline> {
        Vec::new()
    }

    /// Whether it writes a lookup itself.
    fn writes_lookup(&self) -> bool {
        false
    }
}

/// Something that stands in a command.
#[derive(Debug, Clone, Copy)]
pub enum Part<'c> {
    /// An expression of `eval`.
    Expression(&'c Expr),
    /// A search clause.
    Clause(&'c SearchExpr),
    /// A search with events of its own.
    Search(&'c Pipeline),
    /// Commands that work on the rows before the command.
    Pipe(&'c Pipeline),
}

/// What any type with `Clone` and `PartialEq` can do where its type is not known.
pub trait Erased {
    /// A copy.
    fn copied(&self) -> Box<dyn Syntax>;
    /// Whether it is the same.
    fn is_same(&self, other: &dyn Any) -> bool;
}

impl<S: Syntax + Clone + PartialEq> Erased for S {
    fn copied(&self) -> Box<dyn Syntax> {
        Box::new(self.clone())
    }

    fn is_same(&self, other: &dyn Any) -> bool {
        other
            .downcast_ref::<Self>()
            .is_some_and(|other| self == other)
    }
}

impl PartialEq for dyn Syntax {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other as &dyn Any)
    }
}

/// Arguments that were read, or what is wrong with them.
pub type Parsed = Result<Arc<dyn Syntax>, Diagnostic>;

/// Reads the arguments of a command of a type.
pub(crate) fn parsed<S: Syntax>(cursor: &mut dyn Cursor, usage: &Usage) -> Parsed {
    Ok(Arc::new(S::parse(cursor, usage)?))
}

/// Notes of what the commands of a search read of its events, and make, in their order.
pub trait Ledger {
    /// A field is read; its name may hold `*`.
    fn reads(&mut self, name: &str, place: Span);
    /// An expression is worked out.
    fn works_out(&mut self, expr: &Expr);
    /// Rows are looked for by a clause.
    fn looks_for(&mut self, clause: &SearchExpr);
    /// All fields are read, by whatever name.
    fn reads_all(&mut self);
    /// A field is made.
    fn makes(&mut self, name: &str);
    /// A field is read where the rows have it, and made where not.
    fn fills(&mut self, name: &str);
    /// Fields of any names may be made.
    fn makes_any(&mut self);
    /// A command works on the rows. Whether no field of these passes it.
    fn runs(&mut self, command: &Command) -> bool;
    /// Commands work on the rows, and what they make is not there in the rows themselves.
    fn runs_aside(&mut self, commands: &[Command]);
    /// The columns of a lookup, if it is known.
    fn lookup_columns(&self, lookup: &str) -> Option<Vec<String>>;
}

impl dyn Ledger + '_ {
    /// Fields are read that the command names.
    pub fn reads_names<'n>(&mut self, names: impl IntoIterator<Item = &'n Name>) {
        for name in names {
            self.reads(&name.text, name.span);
        }
    }

    /// Rows are aggregated, in groups of the same values of fields.
    pub fn aggregates(&mut self, aggregations: &[Aggregation], by: &[ByField]) {
        for aggregation in aggregations {
            match &aggregation.argument {
                None => {}
                Some(AggregationArgument::Field(name)) => self.reads(&name.text, name.span),
                Some(AggregationArgument::Eval(expr)) => self.works_out(expr),
            }
        }
        self.reads_names(by.iter().map(|by| &by.field));
    }
}

/// The expressions that aggregations are over.
pub(crate) fn expressions_of(aggregations: &[Aggregation]) -> impl Iterator<Item = Part<'_>> {
    let arguments = aggregations.iter().filter_map(|one| one.argument.as_ref());
    arguments.filter_map(|argument| match argument {
        AggregationArgument::Eval(expr) => Some(Part::Expression(expr)),
        AggregationArgument::Field(_) => None,
    })
}

/// The same, to be changed.
pub(crate) fn expressions_of_mut(
    aggregations: &mut [Aggregation],
) -> impl Iterator<Item = &mut Expr> {
    let arguments = aggregations
        .iter_mut()
        .filter_map(|one| one.argument.as_mut());
    arguments.filter_map(|argument| match argument {
        AggregationArgument::Eval(expr) => Some(expr),
        AggregationArgument::Field(_) => None,
    })
}

/// The names of the columns that aggregation leaves, if its text tells.
pub(crate) fn columns_of(aggregations: &[Aggregation], by: &[ByField]) -> Option<Vec<String>> {
    let outputs = aggregations.iter().map(|one| &one.output);
    exact(by.iter().map(|by| &by.field).chain(outputs))
}

/// Names, if none of them holds `*`.
pub(crate) fn exact<'n>(names: impl Iterator<Item = &'n Name>) -> Option<Vec<String>> {
    names
        .map(|name| (!name.text.contains('*')).then(|| name.text.clone()))
        .collect()
}
