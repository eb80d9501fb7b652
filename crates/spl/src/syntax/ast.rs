//! The syntax tree of SPL.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::command::{Part, Syntax};
pub use super::span::{Name, Span};
pub use super::usage::{Arguments, Whole};

/// A search: commands joined by `|`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// At least one command.
    pub commands: Vec<Command>,
    /// All of it.
    pub span: Span,
}

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Its name, lower case; `search` for the implicit one.
    pub name: String,
    /// The whole command.
    pub span: Span,
    /// What it does.
    pub kind: CommandKind,
}

/// The commands with their arguments.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandKind {
    /// A command of options, names and what else [`Arguments`] has.
    Whole(&'static Whole, Arguments),
    /// A command whose arguments have a type of their own.
    Typed(&'static Whole, Arc<dyn Syntax>),
    /// A command that this version does not run.
    Unsupported {
        /// Its arguments as text.
        arguments: String,
    },
}

impl CommandKind {
    /// The arguments, if they are of a type.
    pub fn of<S: Syntax>(&self) -> Option<&S> {
        match self {
            Self::Typed(_, syntax) => (&**syntax as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// What every row behind it fulfils: a clause or an expression.
    pub fn condition(&self) -> Option<Part<'_>> {
        self.typed()?.condition()
    }

    /// Fields whose values it works out from expressions.
    pub fn assigned(&self) -> Vec<&Name> {
        self.typed().map_or_else(Vec::new, Syntax::assigned)
    }

    /// Fields by which it groups rows. One without a value of each is left out.
    pub fn groups(&self) -> &[ByField] {
        self.typed().map_or(&[], Syntax::groups)
    }

    fn typed(&self) -> Option<&dyn Syntax> {
        match self {
            Self::Typed(_, syntax) => Some(&**syntax),
            Self::Whole(..) | Self::Unsupported { .. } => None,
        }
    }

    /// The expressions, clauses and searches that stand in it.
    pub fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Whole(_, arguments) => {
                let expressions = arguments.expressions.iter().map(Part::Expression);
                let searches = arguments.subsearches.iter().map(Part::Search);
                expressions.chain(searches).collect()
            }
            Self::Typed(_, syntax) => syntax.parts(),
            Self::Unsupported { .. } => Vec::new(),
        }
    }
}

/// Search clauses: `OR` binds tighter than `AND`, and `AND` may be left out.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchExpr {
    /// All hold. Empty: everything.
    And(Vec<SearchExpr>),
    /// One holds.
    Or(Vec<SearchExpr>),
    /// It does not hold.
    Not(Box<SearchExpr>),
    /// `field op value`.
    Compare {
        /// Left side.
        field: Name,
        /// Operator.
        op: CompareOp,
        /// Right side.
        value: SearchValue,
    },
    /// `field IN (values)`.
    In {
        /// Left side.
        field: Name,
        /// Right side.
        values: Vec<SearchValue>,
    },
    /// A word or phrase of the raw event; may hold `*`. `*` alone holds always.
    Term(SearchValue),
    /// `[ … ]`: its rows become an OR of ANDs.
    Subsearch(Box<Pipeline>),
    /// `field op [ … ]` or `field IN ([ … ])`: what its `return $x` gives is the value.
    Given {
        /// Left side.
        field: Name,
        /// Operator; none for `IN`.
        op: Option<CompareOp>,
        /// What gives the right side.
        subsearch: Box<Pipeline>,
    },
}

/// A value in a search clause.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchValue {
    /// Unescaped text; `*` is a wildcard, quoted or not.
    pub text: String,
    /// Whether it stood in double quotes.
    pub quoted: bool,
    /// What it stood in, if in `CASE(…)` or `TERM(…)`.
    pub directive: Option<Directive>,
    /// Where it stands.
    pub span: Span,
}

impl SearchValue {
    /// A value that stands in no text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            quoted: true,
            directive: None,
            span: Span::default(),
        }
    }
}

/// How a value is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Directive {
    /// `CASE(…)`: with regard to case.
    Case,
    /// `TERM(…)`: as it stands between major breakers, minor ones and all.
    Term,
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=` or `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl CompareOp {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Eq, Self::Ne, Self::Lt, Self::Le, Self::Gt, Self::Ge];
}

/// An eval expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

impl Expr {
    /// The same expression with every part of it at one place: for text that was cut out of a search.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        let boxed = |inner: Box<Self>| Box::new(inner.at(span));
        let all = |list: Vec<Self>| list.into_iter().map(|one| one.at(span)).collect();
        let kind = match self.kind {
            ExprKind::Negate(inner) => ExprKind::Negate(boxed(inner)),
            ExprKind::Not(inner) => ExprKind::Not(boxed(inner)),
            ExprKind::Binary { op, left, right } => ExprKind::Binary {
                op,
                left: boxed(left),
                right: boxed(right),
            },
            ExprKind::In { value, list } => ExprKind::In {
                value: boxed(value),
                list: all(list),
            },
            ExprKind::Call { name, args, .. } => ExprKind::Call {
                name,
                name_span: span,
                args: all(args),
            },
            other => other,
        };
        Self { kind, span }
    }
}

/// Kinds of eval expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `null` as a bare word, or `null()`.
    Null,
    /// `true`, `false`, bare or with `()`.
    Bool(bool),
    /// A number as written.
    Number(f64),
    /// A double-quoted string, unescaped.
    Text(String),
    /// A field: bare, or in single quotes.
    Field(String),
    /// `-x` or `+x`.
    Negate(Box<Expr>),
    /// `NOT x` or `!x`.
    Not(Box<Expr>),
    /// `a op b`.
    Binary {
        /// Operator.
        op: BinaryOp,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// `x IN (a, b)`; also the function form `in(x, a, b)`.
    In {
        /// What is looked for.
        value: Box<Expr>,
        /// Among these.
        list: Vec<Expr>,
    },
    /// `f(a, b)`; infix `LIKE` becomes `like(a, b)`. The name is lower case.
    Call {
        /// Lower case.
        name: String,
        /// Where the name stands.
        name_span: Span,
        /// Arguments.
        args: Vec<Expr>,
    },
    /// `[ … ]`: what its rows are as text, read as an expression.
    Subsearch(Box<Pipeline>),
}

/// Binary operators of eval, in the order of binding: the later binds tighter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `OR`
    Or,
    /// `XOR`
    Xor,
    /// `AND`
    And,
    /// A comparison.
    Compare(CompareOp),
    /// `.`: concatenation.
    Concat,
    /// `+`: addition, or concatenation if both sides are text.
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// An aggregation such as `count(eval(x=1)) as n`.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    /// Function name, lower case, as written otherwise (`p95`, `perc95`, `distinct_count`).
    pub function: String,
    /// Where the function's name stands.
    pub span: Span,
    /// The argument; `None` for `count` or `count()`.
    pub argument: Option<AggregationArgument>,
    /// Output name: the alias, else the call as SPL names it (`count`, `values(x)`, `dc(x)`); may hold `*`.
    pub output: Name,
}

/// What an aggregation is over.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregationArgument {
    /// A field; may hold `*`.
    Field(Name),
    /// `eval(…)`.
    Eval(Expr),
}

/// A field of a `by` clause, with its `span=` where the command knows one.
#[derive(Debug, Clone, PartialEq)]
pub struct ByField {
    /// The field.
    pub field: Name,
    /// `span=` after it (tstats: after `_time`).
    pub span: Option<BinSpan>,
}

/// Width of a bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BinSpan {
    /// A length of time: `5m`.
    Time(TimeSpan),
    /// A distance between numbers: `100`.
    Number(f64),
    /// Ranges that grow by a factor: `2log10` is 2 times the powers of 10.
    Log {
        /// From 1 up to the base.
        coefficient: f64,
        /// More than 1.
        base: f64,
    },
}

/// A length of time with its unit: `5m`, `1h`, `30d`, `1mon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct TimeSpan {
    /// The number in front of the unit.
    pub amount: u64,
    /// The unit that is counted.
    pub unit: TimeUnit,
}

/// Units of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimeUnit {
    Microsecond,
    Millisecond,
    Centisecond,
    Decisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// A key of `sort`.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// The field.
    pub field: Name,
    /// `-`.
    pub descending: bool,
    /// How values compare.
    pub order: SortOrder,
}

/// How `sort` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortOrder {
    /// Numbers and texts that begin with one, then IP addresses, then other texts, each in its own order.
    Auto,
    /// `num(f)`.
    Number,
    /// `str(f)`.
    Text,
    /// `ip(f)`.
    Address,
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}
