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
    /// `search`, written or implied.
    Search(SearchExpr),
    /// `tstats`.
    Tstats(Tstats),
    /// `mstats`.
    Mstats(Mstats),
    /// `stats`.
    Stats(Stats),
    /// `eventstats`.
    Eventstats(Stats),
    /// `streamstats`.
    Streamstats(Streamstats),
    /// `where`.
    Where(Expr),
    /// `eval`: assignments from left to right.
    Eval(Vec<(Name, Expr)>),
    /// A command of options, names and what else [`Arguments`] has.
    Whole(&'static Whole, Arguments),
    /// A command whose arguments have a type of their own.
    Typed(&'static Whole, Arc<dyn Syntax>),
    /// `return`.
    Return(Return),
    /// `foreach`.
    Foreach(Foreach),
    /// `map`.
    Map(Map),
    /// `transaction`.
    Transaction(Transaction),
    /// `timechart` and `chart`.
    Chart(Chart),
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

    /// The expressions, clauses and searches that stand in it.
    pub fn parts(&self) -> Vec<Part<'_>> {
        match self {
            Self::Whole(_, arguments) => {
                let expressions = arguments.expressions.iter().map(Part::Expression);
                let searches = arguments.subsearches.iter().map(Part::Search);
                expressions.chain(searches).collect()
            }
            Self::Typed(_, syntax) => syntax.parts(),
            _ => Vec::new(),
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

/// `tstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tstats {
    /// `prestats=`, `summariesonly=`, … as written, names lower case.
    pub options: Vec<(Name, String)>,
    /// The aggregations.
    pub aggregations: Vec<Aggregation>,
    /// The data model and node (`Endpoint.Processes`), `None` when over indexed fields.
    pub datamodel: Option<Name>,
    /// `nodename=` is part of `filter`.
    pub filter: Option<SearchExpr>,
    /// The groups.
    pub by: Vec<ByField>,
}

impl Tstats {
    /// Whether an option is on; all are off by default.
    pub fn flag(&self, name: &str) -> bool {
        let mut options = self.options.iter();
        options.any(|(own, value)| own.text == name && super::usage::is_on(value))
    }

    /// `fillnull_value=`, if given.
    pub fn fillnull_value(&self) -> Option<&str> {
        self.options
            .iter()
            .find(|(name, _)| name.text == "fillnull_value")
            .map(|(_, value)| value.as_str())
    }
}

/// `mstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Mstats {
    /// Options, aggregations, filter and groups; it has no data model.
    pub stats: Tstats,
    /// `span=`: with it, results are by time.
    pub span: Option<BinSpan>,
}

/// `stats` and `eventstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// `allnum=`, `delim=` … as written, names lower case.
    pub options: Vec<(Name, String)>,
    /// The aggregations.
    pub aggregations: Vec<Aggregation>,
    /// The groups.
    pub by: Vec<ByField>,
}

/// `streamstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Streamstats {
    /// Aggregations and groups.
    pub stats: Stats,
    /// `current=`, default true.
    pub current: bool,
    /// `window=`, 0 for all before.
    pub window: u64,
    /// `global=`, default true: the window is over all rows, not over those of each group.
    pub global: bool,
    /// `time_window=`: the window is as long as this instead of so many rows.
    pub time_window: Option<TimeSpan>,
    /// `reset_before=`: the statistics restart at a row for which it holds.
    pub reset_before: Option<Expr>,
    /// `reset_after=`: they restart after such a row.
    pub reset_after: Option<Expr>,
    /// `reset_on_change=`: they restart where the group differs from that of the row before.
    pub reset_on_change: bool,
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

/// `return`.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// Rows returned at most.
    pub count: u64,
    /// (name in the result, field, whether only the value is given).
    pub fields: Vec<(Name, Name, bool)>,
}

/// `foreach`.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreach {
    /// Over what it goes.
    pub mode: ForeachMode,
    /// What stands in the template for the parts of a field's name, or for an item and its number, where that is not the
    /// default such as `<<FIELD>>`: (option, text).
    pub tokens: Vec<(Name, String)>,
    /// Names may hold `*`; one where it goes over the values of a field.
    pub fields: Vec<Name>,
    /// The text in the brackets.
    pub template: Name,
}

impl Foreach {
    /// What stands in the template: the text of an option such as `itemstr`.
    pub fn token<'t>(&'t self, option: &str, default: &'t str) -> &'t str {
        self.tokens
            .iter()
            .rev()
            .find(|(name, _)| name.text == option)
            .map_or(default, |(_, text)| text)
    }
}

/// Over what `foreach` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeachMode {
    /// The fields that fit the names.
    Fields,
    /// The values of a field.
    Values,
    /// The items of a JSON array in a field.
    Items,
    /// The values of a field, or the items of a JSON array where it is one.
    Either,
}

impl ForeachMode {
    /// Each mode and how `mode=` names it.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Fields, "multifield"),
        (Self::Values, "multivalue"),
        (Self::Items, "json_array"),
        (Self::Either, "auto_collections"),
    ];
}

/// `map`.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// `maxsearches=`, default 10.
    pub max: u64,
    /// The search with `$field$` in it; its macros are expanded when it is run.
    pub search: Name,
}

/// `transaction`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    /// Events of a transaction have the same values of these.
    pub fields: Vec<Name>,
    /// `startswith=`.
    pub starts: Option<Mark>,
    /// `endswith=`.
    pub ends: Option<Mark>,
    /// `maxspan=` in seconds.
    pub max_span: Option<f64>,
    /// `maxpause=` in seconds.
    pub max_pause: Option<f64>,
    /// `maxevents=`.
    pub max_events: Option<u64>,
    /// `connected=`.
    pub connected: bool,
    /// `keepevicted=`.
    pub keep_evicted: bool,
    /// `mvlist=true`: all values in the order of the events, not the distinct ones. A list of fields: of these.
    pub lists: Option<Vec<String>>,
}

/// By what `transaction` tells the first or the last event of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A search clause or phrase.
    Search(SearchExpr),
    /// `eval(…)`.
    Eval(Expr),
}

/// `timechart` and `chart`.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Over time: `timechart`.
    pub time: bool,
    /// `limit=`, `useother=`, … as written, names lower case.
    pub options: Vec<(Name, String)>,
    /// `span=`.
    pub span: Option<BinSpan>,
    /// The aggregations.
    pub aggregations: Vec<Aggregation>,
    /// Expressions of aggregations.
    pub computed: Vec<Computed>,
    /// `timechart`: the field of the series. `chart`: that of the rows, then that of the series.
    pub by: Vec<Name>,
}

/// An expression of aggregations such as `eval(avg(a)/max(b)) as x`.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// How many aggregations stand before it.
    pub place: usize,
    /// The expression, in which a call with the name of an aggregation and at most one argument is one.
    pub expr: Expr,
    /// Output name: the alias, else the expression as written.
    pub output: Name,
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
    /// Numbers, then IP addresses, then text, each in its own order.
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
