//! minimal stand-in
use crate::ops::{Answer, call};
use crate::syntax::ast::{self, BinaryOp, CompareOp, ExprKind, Span};
use crate::value::number_of;
use datafusion::arrow::datatypes::DataType;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Case, Expr, lit};

#[derive(Debug, Clone, Copy)]
pub struct EvalContext {
    pub now: f64,
}
#[derive(Debug, Clone)]
pub struct Typed {
    pub expr: Expr,
    pub data_type: DataType,
}
pub trait Fields {
    fn field(&self, name: &str) -> Option<Typed>;
}
#[derive(Debug, Clone)]
pub struct ExprError {
    pub message: String,
    pub span: Span,
    pub help: Option<String>,
}

pub fn register(_: &SessionContext) {}

fn boolean(
    name: &'static str,
    key: String,
    args: Vec<Expr>,
    f: impl Fn(&crate::ops::Args<'_>) -> Option<bool> + Send + Sync + 'static,
) -> Expr {
    let t = call(name, key, DataType::Float64, args, move |a| {
        f(a).map_or(Answer::Null, |b| Answer::Number(f64::from(u8::from(b))))
    });
    t.expr.eq(lit(1.0))
}

fn glob(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (
        pattern.to_lowercase().chars().collect(),
        text.to_lowercase().chars().collect(),
    );
    let (mut i, mut j, mut star) = (0, 0, None);
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && p[i] == t[j] {
            i += 1;
            j += 1;
        } else if let Some((a, b)) = star {
            i = a + 1;
            j = b + 1;
            star = Some((a, b + 1));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

pub fn search_matches_literal(value: &str, pattern: &str) -> bool {
    glob(pattern, value)
}
pub fn search_equals(value: Typed, patterns: &[String]) -> Expr {
    let p = patterns.to_vec();
    boolean("m_eq", format!("{p:?}"), vec![value.expr], move |a| {
        let v = a.values(0);
        if v.is_empty() {
            return None;
        }
        Some(v.iter().any(|v| {
            p.iter().any(|p| {
                glob(p, v)
                    || p.parse::<ipnet::IpNet>()
                        .is_ok_and(|n| v.parse().is_ok_and(|a: std::net::IpAddr| n.contains(&a)))
            })
        }))
    })
}
pub fn search_compare(value: Typed, op: CompareOp, text: &str) -> Expr {
    let t = text.to_owned();
    boolean("m_cmp", format!("{op:?}{t}"), vec![value.expr], move |a| {
        let v = a.text(0)?;
        cmp(&v, op, &t)
    })
}
fn cmp(a: &str, op: CompareOp, b: &str) -> Option<bool> {
    let o = match (number_of(a), number_of(b)) {
        (Some(x), Some(y)) => x.partial_cmp(&y)?,
        _ => a.cmp(b),
    };
    Some(match op {
        CompareOp::Eq => o.is_eq(),
        CompareOp::Ne => o.is_ne(),
        CompareOp::Lt => o.is_lt(),
        CompareOp::Le => o.is_le(),
        CompareOp::Gt => o.is_gt(),
        CompareOp::Ge => o.is_ge(),
    })
}
pub fn time_modifier(text: &str, _: &EvalContext) -> Option<f64> {
    number_of(text)
}

pub fn plan_predicate(
    expr: &ast::Expr,
    fields: &dyn Fields,
    context: &EvalContext,
) -> Result<Expr, ExprError> {
    Ok(plan_expr(expr, fields, context)?.expr)
}
pub fn plan_expr(
    expr: &ast::Expr,
    fields: &dyn Fields,
    context: &EvalContext,
) -> Result<Typed, ExprError> {
    let t = |expr: Expr, data_type| Typed { expr, data_type };
    Ok(match &expr.kind {
        ExprKind::Null => t(crate::plan::null_text(), DataType::Utf8),
        ExprKind::Bool(b) => t(lit(*b), DataType::Boolean),
        ExprKind::Number(n) => t(lit(*n), DataType::Float64),
        ExprKind::Text(s) => t(lit(s.clone()), DataType::Utf8),
        ExprKind::Field(f) => fields
            .field(f)
            .unwrap_or(t(crate::plan::null_text(), DataType::Utf8)),
        ExprKind::Not(x) => t(
            Expr::Not(Box::new(plan_expr(x, fields, context)?.expr)),
            DataType::Boolean,
        ),
        ExprKind::Binary { op, left, right } => {
            let (l, r) = (
                plan_expr(left, fields, context)?,
                plan_expr(right, fields, context)?,
            );
            match op {
                BinaryOp::And => t(l.expr.and(r.expr), DataType::Boolean),
                BinaryOp::Or => t(l.expr.or(r.expr), DataType::Boolean),
                BinaryOp::Compare(op) => {
                    let op = *op;
                    t(
                        boolean(
                            "m_compare",
                            format!("{op:?}"),
                            vec![l.expr, r.expr],
                            move |a| cmp(&a.text(0)?, op, &a.text(1)?),
                        ),
                        DataType::Boolean,
                    )
                }
                BinaryOp::Add | BinaryOp::Concat => {
                    let add = *op == BinaryOp::Add;
                    call(
                        "m_add",
                        format!("{op:?}"),
                        DataType::Utf8,
                        vec![l.expr, r.expr],
                        move |a| {
                            if add {
                                if let (Some(x), Some(y)) = (a.number(0), a.number(1)) {
                                    return Answer::Number(x + y);
                                }
                            }
                            match (a.text(0), a.text(1)) {
                                (Some(x), Some(y)) => Answer::Text(format!("{x}{y}")),
                                _ => Answer::Null,
                            }
                        },
                    )
                }
                BinaryOp::Multiply => call(
                    "m_mul",
                    String::new(),
                    DataType::Float64,
                    vec![l.expr, r.expr],
                    |a| match (a.number(0), a.number(1)) {
                        (Some(x), Some(y)) => Answer::Number(x * y),
                        _ => Answer::Null,
                    },
                ),
                _ => {
                    return Err(ExprError {
                        message: "stand-in".into(),
                        span: expr.span,
                        help: None,
                    });
                }
            }
        }
        ExprKind::Call {
            name,
            args,
            name_span,
        } => {
            let args = args
                .iter()
                .map(|a| plan_expr(a, fields, context))
                .collect::<Result<Vec<_>, _>>()?;
            if name == "if" {
                let mut a = args.into_iter();
                let (c, x, y) = (a.next().unwrap(), a.next().unwrap(), a.next().unwrap());
                let dt = crate::plan::common_type(&x.data_type, &y.data_type);
                return Ok(t(
                    Expr::Case(Case::new(
                        None,
                        vec![(Box::new(c.expr), Box::new(crate::plan::cast_to(x, &dt)))],
                        Some(Box::new(crate::plan::cast_to(y, &dt))),
                    )),
                    dt,
                ));
            }
            plan_call(name, args, *name_span, context)?
        }
        _ => {
            return Err(ExprError {
                message: "stand-in".into(),
                span: expr.span,
                help: None,
            });
        }
    })
}
pub fn plan_call(
    name: &str,
    args: Vec<Typed>,
    span: Span,
    _: &EvalContext,
) -> Result<Typed, ExprError> {
    let exprs: Vec<Expr> = args.iter().map(|a| a.expr.clone()).collect();
    Ok(match name {
        "match" => Typed {
            expr: boolean("m_match", String::new(), exprs, |a| {
                let r = regex::Regex::new(&a.text(1)?).ok()?;
                Some(r.is_match(&a.text(0)?))
            }),
            data_type: DataType::Boolean,
        },
        "replace" => call(
            "m_replace",
            String::new(),
            DataType::Utf8,
            exprs,
            |a| match (a.text(0), a.text(1), a.text(2)) {
                (Some(t), Some(p), Some(r)) => Answer::Text(
                    regex::Regex::new(&p)
                        .map(|p| p.replace_all(&t, r.as_ref()).into_owned())
                        .unwrap_or_default(),
                ),
                _ => Answer::Null,
            },
        ),
        "strftime" => call(
            "m_strftime",
            String::new(),
            DataType::Utf8,
            exprs,
            |a| match (a.number(0), a.text(1)) {
                (Some(n), Some(f)) => Answer::Text(
                    jiff::Timestamp::from_second(n as i64)
                        .map(|t| t.strftime(f.as_ref()).to_string())
                        .unwrap_or_default(),
                ),
                _ => Answer::Null,
            },
        ),
        _ => {
            return Err(ExprError {
                message: format!("stand-in {name}"),
                span,
                help: None,
            });
        }
    })
}
pub fn plan_aggregate(
    function: &str,
    span: Span,
    argument: Option<Typed>,
    _time: Option<Expr>,
) -> Result<Typed, ExprError> {
    use datafusion::functions_aggregate::expr_fn as f;
    let num = |a: Option<Typed>| crate::plan::cast_to(a.unwrap(), &DataType::Float64);
    let t = |expr: Expr, data_type| Typed { expr, data_type };
    Ok(match function {
        "count" | "c" => match argument {
            Some(a) if a.data_type == DataType::Boolean => t(
                f::count(Expr::Case(Case::new(
                    None,
                    vec![(Box::new(a.expr), Box::new(lit(1)))],
                    None,
                ))),
                DataType::Int64,
            ),
            Some(a) => t(f::count(a.expr), DataType::Int64),
            None => t(f::count(lit(1)), DataType::Int64),
        },
        "min" => t(f::min(num(argument)), DataType::Float64),
        "max" => t(f::max(num(argument)), DataType::Float64),
        "avg" => t(f::avg(num(argument)), DataType::Float64),
        "dc" => t(f::count_distinct(argument.unwrap().expr), DataType::Int64),
        "values" => t(
            f::array_agg(argument.unwrap().expr),
            crate::plan::list_type(),
        ),
        _ => {
            return Err(ExprError {
                message: format!("stand-in {function}"),
                span,
                help: None,
            });
        }
    })
}
pub fn collect_refs(refs: Typed) -> Expr {
    datafusion::functions_aggregate::expr_fn::array_agg(refs.expr)
}
