//! The syntax tree as text again, in a form that parses to the same tree.

use std::fmt::{self, Display, Formatter, Write as _};

use super::ast::{
    Aggregation, AggregationArgument, BinSpan, BinaryOp, ByField, Command, CommandKind, CompareOp,
    Directive, Expr, ExprKind, Name, Pipeline, SearchExpr, SearchValue, TimeSpan, TimeUnit,
};
use super::usage::Form;

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, command) in self.commands.iter().enumerate() {
            f.write_str(if index == 0 { "| " } else { " | " })?;
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.kind {
            CommandKind::Whole(command, arguments) => match command.form {
                Form::Own { print, .. } => print(arguments, f),
                Form::Plain { .. } | Form::Typed(_) | Form::Others(_) => {
                    options(f, &arguments.options)?;
                    names(f, &arguments.fields)?;
                    let subsearches = &arguments.subsearches;
                    subsearches.iter().try_for_each(|one| write!(f, " [{one}]"))
                }
            },
            CommandKind::Typed(_, syntax) => syntax.print(f),
            CommandKind::Unsupported { arguments } => write!(f, " {arguments}"),
        }
    }
}

/// In double quotes, with backslashes before what would end the string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// With a blank before the first and commas between them.
pub(crate) fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    mut item: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, value) in items.iter().enumerate() {
        f.write_str(if index == 0 { " " } else { ", " })?;
        item(f, value)?;
    }
    Ok(())
}

/// Names of fields.
pub(crate) fn names(f: &mut Formatter<'_>, fields: &[Name]) -> fmt::Result {
    list(f, fields, |f, name| f.write_str(&quoted(&name.text)))
}

/// Options with their values.
pub(crate) fn options(f: &mut Formatter<'_>, options: &[(Name, String)]) -> fmt::Result {
    options
        .iter()
        .try_for_each(|(name, value)| write!(f, " {}={}", name.text, quoted(value)))
}

/// Groups, if there are any.
pub(crate) fn by_clause(f: &mut Formatter<'_>, by: &[ByField]) -> fmt::Result {
    if by.is_empty() {
        return Ok(());
    }
    f.write_str(" by")?;
    list(f, by, |f, by| {
        f.write_str(&quoted(&by.field.text))?;
        by.span.map_or(Ok(()), |span| write!(f, " span={span}"))
    })
}

impl Display for Aggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match &self.argument {
            None => {}
            Some(AggregationArgument::Field(field)) => write!(f, "({})", quoted(&field.text))?,
            Some(AggregationArgument::Eval(expr)) => write!(f, "(eval({expr}))")?,
        }
        write!(f, " AS {}", quoted(&self.output.text))
    }
}

impl Display for BinSpan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(span) => span.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Log { coefficient, base } => write!(f, "{coefficient}log{base}"),
        }
    }
}

impl Display for TimeSpan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            TimeUnit::Microsecond => "us",
            TimeUnit::Millisecond => "ms",
            TimeUnit::Centisecond => "cs",
            TimeUnit::Decisecond => "ds",
            TimeUnit::Second => "s",
            TimeUnit::Minute => "m",
            TimeUnit::Hour => "h",
            TimeUnit::Day => "d",
            TimeUnit::Week => "w",
            TimeUnit::Month => "mon",
            TimeUnit::Quarter => "q",
            TimeUnit::Year => "y",
        };
        write!(f, "{}{unit}", self.amount)
    }
}

// Search clauses.

impl Display for SearchExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) if !all.is_empty() => {
                for (index, one) in all.iter().enumerate() {
                    if index > 0 {
                        f.write_char(' ')?;
                    }
                    operand(f, one)?;
                }
                Ok(())
            }
            Self::Or(one) => {
                for (index, one) in one.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" OR ")?;
                    }
                    operand(f, one)?;
                }
                Ok(())
            }
            _ => operand(f, self),
        }
    }
}

/// What stands beside an operator: in parentheses unless it binds tighter than any.
fn operand(f: &mut Formatter<'_>, expr: &SearchExpr) -> fmt::Result {
    match expr {
        SearchExpr::And(all) if all.is_empty() => f.write_str("()"),
        SearchExpr::And(_) | SearchExpr::Or(_) => write!(f, "({expr})"),
        SearchExpr::Not(inner) => {
            f.write_str("NOT ")?;
            operand(f, inner)
        }
        SearchExpr::Compare { field, op, value } => {
            // A value that begins with `=` must not become part of the operator.
            let space = if !value.quoted && value.text.starts_with('=') {
                " "
            } else {
                ""
            };
            write!(f, "{}{op}{space}{value}", quoted(&field.text))
        }
        SearchExpr::In { field, values } => {
            write!(f, "{} IN (", quoted(&field.text))?;
            for (index, value) in values.iter().enumerate() {
                write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
            }
            f.write_char(')')
        }
        // These would be read as part of the grammar beside other conditions.
        SearchExpr::Term(value) if !value.quoted && is_keyword(&value.text) => {
            write!(f, "({value})")
        }
        SearchExpr::Term(value) => value.fmt(f),
        SearchExpr::Subsearch(pipeline) => write!(f, "[{pipeline}]"),
        SearchExpr::Given {
            field,
            op: Some(op),
            subsearch,
        } => write!(f, "{}{op}[{subsearch}]", quoted(&field.text)),
        SearchExpr::Given {
            field, subsearch, ..
        } => write!(f, "{} IN ([{subsearch}])", quoted(&field.text)),
    }
}

fn is_keyword(word: &str) -> bool {
    ["in", "not", "by", "groupby", "and", "or"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

impl Display for SearchValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(directive) = self.directive {
            let word = match directive {
                Directive::Case => "CASE",
                Directive::Term => "TERM",
            };
            return write!(f, "{word}({})", quoted(&self.text));
        }
        if self.quoted {
            return f.write_str(&quoted(&self.text));
        }
        for c in self.text.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        Ok(())
    }
}

// Eval expressions.

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Null => f.write_str("null()"),
            ExprKind::Bool(value) => write!(f, "{value}()"),
            ExprKind::Number(number) => number.fmt(f),
            ExprKind::Text(text) => f.write_str(&quoted(text)),
            ExprKind::Field(name) => {
                f.write_char('\'')?;
                for c in name.chars() {
                    if matches!(c, '\'' | '\\') {
                        f.write_char('\\')?;
                    }
                    f.write_char(c)?;
                }
                f.write_char('\'')
            }
            ExprKind::Negate(inner) => {
                f.write_char('-')?;
                operand_expr(f, inner)
            }
            ExprKind::Not(inner) => {
                f.write_str("NOT ")?;
                operand_expr(f, inner)
            }
            ExprKind::Binary { op, left, right } => {
                operand_expr(f, left)?;
                write!(f, " {op} ")?;
                operand_expr(f, right)
            }
            ExprKind::In { value, list } => {
                operand_expr(f, value)?;
                f.write_str(" IN (")?;
                arguments(f, list)
            }
            ExprKind::Subsearch(pipeline) => write!(f, "[{pipeline}]"),
            ExprKind::Call { name, args, .. } => {
                write!(f, "{name}(")?;
                arguments(f, args)
            }
        }
    }
}

fn arguments(f: &mut Formatter<'_>, args: &[Expr]) -> fmt::Result {
    for (index, arg) in args.iter().enumerate() {
        write!(f, "{}{arg}", if index == 0 { "" } else { ", " })?;
    }
    f.write_char(')')
}

fn operand_expr(f: &mut Formatter<'_>, expr: &Expr) -> fmt::Result {
    match &expr.kind {
        ExprKind::Negate(_) | ExprKind::Not(_) | ExprKind::Binary { .. } | ExprKind::In { .. } => {
            write!(f, "({expr})")
        }
        _ => expr.fmt(f),
    }
}

impl Display for BinaryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Or => "OR",
            Self::Xor => "XOR",
            Self::And => "AND",
            Self::Compare(CompareOp::Eq) => "=",
            Self::Compare(op) => return op.fmt(f),
            Self::Concat => ".",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        })
    }
}
