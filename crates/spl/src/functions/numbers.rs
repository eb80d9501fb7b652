//! Functions of numbers and addresses (Splunk, Search Reference, "Mathematical functions", "Trigonometry and
//! hyperbolic functions", "Bitwise functions").

use std::net::Ipv4Addr;

use datafusion::arrow::datatypes::DataType;
use datafusion::scalar::ScalarValue;

use super::{Function, MANY, Made, constant_value, finite, number, owned, rows, text, whole};
use crate::ops::{Answer, Args, Call, Prepared};
use crate::value::number_of;

pub(super) const FUNCTIONS: &[Function] = &[
    rows(
        "abs",
        (1, 1),
        "abs(<number>)",
        "The absolute value.",
        "abs(delta)",
        |_| one(f64::abs),
    ),
    rows(
        "ceil",
        (1, 1),
        "ceil(<number>)",
        "The number rounded up.",
        "ceil(1.2)",
        |_| one(f64::ceil),
    ),
    rows(
        "ceiling",
        (1, 1),
        "ceiling(<number>)",
        "The number rounded up.",
        "ceiling(1.2)",
        |_| one(f64::ceil),
    ),
    rows(
        "floor",
        (1, 1),
        "floor(<number>)",
        "The number rounded down.",
        "floor(1.8)",
        |_| one(f64::floor),
    ),
    rows(
        "round",
        (1, 2),
        "round(<number>, [<decimals>])",
        "The number rounded to the given decimals, by default to a whole number.",
        "round(ratio, 2)",
        |call| {
            let whole = call.width() == 1;
            number(move |args| {
                let digits = if whole { 0.0 } else { args.number(1)? };
                let scale = 10_f64.powf(digits.clamp(-15.0, 15.0).trunc());
                finite((args.number(0)? * scale).round() / scale)
            })
        },
    ),
    rows(
        "exact",
        (1, 1),
        "exact(<number>)",
        "The number as calculated.",
        "exact(3.14 * size)",
        |_| one(std::convert::identity),
    ),
    rows(
        "sigfig",
        (1, 1),
        "sigfig(<number>)",
        "The number unchanged: significant digits are not tracked.",
        "sigfig(1.00 * size)",
        |_| one(std::convert::identity),
    ),
    rows(
        "pow",
        (2, 2),
        "pow(<number>, <exponent>)",
        "The number to the power of the exponent.",
        "pow(2, 10)",
        |_| two(f64::powf),
    ),
    rows(
        "exp",
        (1, 1),
        "exp(<number>)",
        "e to the power of the number.",
        "exp(1)",
        |_| one(f64::exp),
    ),
    rows(
        "sqrt",
        (1, 1),
        "sqrt(<number>)",
        "The square root, or NULL for negative numbers.",
        "sqrt(16)",
        |_| one(f64::sqrt),
    ),
    rows(
        "ln",
        (1, 1),
        "ln(<number>)",
        "The natural logarithm, or NULL for numbers that are not positive.",
        "ln(bytes)",
        |_| one(f64::ln),
    ),
    rows(
        "log",
        (1, 2),
        "log(<number>, [<base>])",
        "The logarithm; default base 10.",
        "log(bytes, 2)",
        |call| {
            let ten = call.width() == 1;
            number(move |args| {
                let base = if ten { 10.0 } else { args.number(1)? };
                finite(args.number(0)?.log(base)).filter(|_| base > 0.0)
            })
        },
    ),
    whole("pi", (0, 0), "pi()", "The number pi.", "pi()", |_| {
        constant_value(ScalarValue::Float64(Some(std::f64::consts::PI)))
    }),
    rows(
        "max",
        (1, MANY),
        "max(<value>...)",
        "The greatest value. Numbers compare as numbers and are less than text.",
        "max(src_port, dest_port)",
        |call| extreme(call, true),
    ),
    rows(
        "min",
        (1, MANY),
        "min(<value>...)",
        "The least value. Numbers compare as numbers and are less than text.",
        "min(src_port, dest_port)",
        |call| extreme(call, false),
    ),
    rows(
        "sum",
        (1, MANY),
        "sum(<value>...)",
        "The sum of the values that are numbers.",
        "sum(bytes_in, bytes_out)",
        |call| {
            let width = call.width();
            number(move |args| {
                let all = numbers(args, width);
                (!all.is_empty()).then(|| all.iter().sum())
            })
        },
    ),
    rows(
        "avg",
        (1, MANY),
        "avg(<value>...)",
        "The mean of the values that are numbers.",
        "avg(bytes_in, bytes_out)",
        |call| {
            let width = call.width();
            number(move |args| {
                let all = numbers(args, width);
                let count: u32 = u32::try_from(all.len()).ok()?;
                (count > 0).then(|| all.iter().sum::<f64>() / f64::from(count))
            })
        },
    ),
    rows(
        "sin",
        (1, 1),
        "sin(<number>)",
        "The sine of an angle in radians.",
        "sin(0.5)",
        |_| one(f64::sin),
    ),
    rows(
        "cos",
        (1, 1),
        "cos(<number>)",
        "The cosine of an angle in radians.",
        "cos(0.5)",
        |_| one(f64::cos),
    ),
    rows(
        "tan",
        (1, 1),
        "tan(<number>)",
        "The tangent of an angle in radians.",
        "tan(0.5)",
        |_| one(f64::tan),
    ),
    rows(
        "asin",
        (1, 1),
        "asin(<number>)",
        "The angle in radians with this sine.",
        "asin(0.5)",
        |_| one(f64::asin),
    ),
    rows(
        "acos",
        (1, 1),
        "acos(<number>)",
        "The angle in radians with this cosine.",
        "acos(0.5)",
        |_| one(f64::acos),
    ),
    rows(
        "atan",
        (1, 1),
        "atan(<number>)",
        "The angle in radians with this tangent.",
        "atan(0.5)",
        |_| one(f64::atan),
    ),
    rows(
        "sinh",
        (1, 1),
        "sinh(<number>)",
        "The hyperbolic sine.",
        "sinh(0.5)",
        |_| one(f64::sinh),
    ),
    rows(
        "cosh",
        (1, 1),
        "cosh(<number>)",
        "The hyperbolic cosine.",
        "cosh(0.5)",
        |_| one(f64::cosh),
    ),
    rows(
        "tanh",
        (1, 1),
        "tanh(<number>)",
        "The hyperbolic tangent.",
        "tanh(0.5)",
        |_| one(f64::tanh),
    ),
    rows(
        "asinh",
        (1, 1),
        "asinh(<number>)",
        "The inverse of the hyperbolic sine.",
        "asinh(0.5)",
        |_| one(f64::asinh),
    ),
    rows(
        "acosh",
        (1, 1),
        "acosh(<number>)",
        "The inverse of the hyperbolic cosine.",
        "acosh(0.5)",
        |_| one(f64::acosh),
    ),
    rows(
        "atanh",
        (1, 1),
        "atanh(<number>)",
        "The inverse of the hyperbolic tangent.",
        "atanh(0.5)",
        |_| one(f64::atanh),
    ),
    rows(
        "atan2",
        (2, 2),
        "atan2(<y>, <x>)",
        "The angle in radians of the point (x, y).",
        "atan2(1, 2)",
        |_| two(f64::atan2),
    ),
    rows(
        "hypot",
        (2, 2),
        "hypot(<x>, <y>)",
        "The distance of the point (x, y) from the origin.",
        "hypot(3, 4)",
        |_| two(f64::hypot),
    ),
    rows(
        "bit_and",
        (2, MANY),
        "bit_and(<number>, <number>...)",
        "Bitwise AND. Numbers must be whole and below 2^53.",
        "bit_and(flags, 8)",
        |call| folded(call, |a, b| a & b),
    ),
    rows(
        "bit_or",
        (2, MANY),
        "bit_or(<number>, <number>...)",
        "Bitwise OR.",
        "bit_or(flags, 8)",
        |call| folded(call, |a, b| a | b),
    ),
    rows(
        "bit_xor",
        (2, MANY),
        "bit_xor(<number>, <number>...)",
        "Bitwise XOR.",
        "bit_xor(flags, 8)",
        |call| folded(call, |a, b| a ^ b),
    ),
    rows(
        "bit_not",
        (1, 2),
        "bit_not(<number>, [<mask>])",
        "Bitwise NOT within the mask, by default 53 bits.",
        "bit_not(flags, 255)",
        |call| {
            let masked = call.width() == 2;
            number(move |args| {
                let mask = if masked {
                    whole_number(args, 1)?
                } else {
                    (1 << 53) - 1
                };
                Some(bits(!whole_number(args, 0)? & mask))
            })
        },
    ),
    rows(
        "bit_shift_left",
        (2, 2),
        "bit_shift_left(<number>, <bits>)",
        "The number with its bits shifted left.",
        "bit_shift_left(1, 4)",
        |_| shifted(u64::checked_shl),
    ),
    rows(
        "bit_shift_right",
        (2, 2),
        "bit_shift_right(<number>, <bits>)",
        "The number with its bits shifted right.",
        "bit_shift_right(flags, 4)",
        |_| shifted(u64::checked_shr),
    ),
    rows(
        "ipmask",
        (2, 2),
        "ipmask(<mask>, <address>)",
        "An IPv4 address masked with a mask such as `255.255.255.0`.",
        "ipmask(\"255.255.255.0\", src_ip)",
        |_| {
            text(|args| {
                let mask: Ipv4Addr = args.text(0)?.trim().parse().ok()?;
                let address: Ipv4Addr = args.text(1)?.trim().parse().ok()?;
                Some(Ipv4Addr::from_bits(mask.to_bits() & address.to_bits()).to_string())
            })
        },
    ),
    whole(
        "random",
        (0, 0),
        "random()",
        "Refused: a search always gives the same results.",
        "random()",
        |call| {
            Err(call.refused(
                "a search gives the same results each time. Use a field that differs between rows",
            ))
        },
    ),
];

fn one(run: fn(f64) -> f64) -> Made {
    number(move |args| finite(run(args.number(0)?)))
}

fn two(run: fn(f64, f64) -> f64) -> Made {
    number(move |args| finite(run(args.number(0)?, args.number(1)?)))
}

fn shifted(run: fn(u64, u32) -> Option<u64>) -> Made {
    number(move |args| {
        let by = u32::try_from(whole_number(args, 1)?).ok()?;
        run(whole_number(args, 0)?, by).map(bits)
    })
}

fn extreme(call: &Call<'_>, largest: bool) -> Made {
    let width = call.width();
    let output = if (0..width).all(|at| call.is_number(at)) {
        DataType::Float64
    } else {
        DataType::Utf8
    };
    Ok(Prepared::rows(output, move |args| {
        greatest(args, width, largest)
    }))
}

/// Numbers compare as numbers, and are less than text.
fn greatest(args: &Args<'_>, width: usize, largest: bool) -> Answer {
    let key = |value: &str| (number_of(value).is_none(), number_of(value).unwrap_or(0.0));
    let values = (0..width).flat_map(|at| owned(args.values(at)));
    let compare = |a: &String, b: &String| {
        let ((a_text, a_number), (b_text, b_number)) = (key(a), key(b));
        a_text.cmp(&b_text).then_with(|| {
            if a_text {
                a.cmp(b)
            } else {
                a_number.total_cmp(&b_number)
            }
        })
    };
    let best = if largest {
        values.max_by(compare)
    } else {
        values.min_by(compare)
    };
    match best {
        None => Answer::Null,
        Some(value) => match number_of(&value) {
            Some(number) => Answer::Number(number),
            None => Answer::Text(value),
        },
    }
}

/// Bitwise functions take integers below 2^53.
fn whole_number(args: &Args<'_>, at: usize) -> Option<u64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    let value = args.number(at)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and within what a double holds exactly"
    )]
    ((0.0..MOST).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a number of SPL is a double, also where more than 53 bits are set"
)]
fn bits(value: u64) -> f64 {
    value as f64
}

fn folded(call: &Call<'_>, fold: fn(u64, u64) -> u64) -> Made {
    let width = call.width();
    number(move |args| {
        let all = (0..width)
            .map(|at| whole_number(args, at))
            .collect::<Option<Vec<_>>>()?;
        all.into_iter().reduce(fold).map(bits)
    })
}

/// All numbers in all arguments; other values are ignored.
fn numbers(args: &Args<'_>, width: usize) -> Vec<f64> {
    (0..width)
        .flat_map(|at| args.values(at))
        .filter_map(|value| number_of(&value))
        .collect()
}
