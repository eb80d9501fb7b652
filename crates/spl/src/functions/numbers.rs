//! Further functions of numbers and addresses (Splunk, Search Reference, "Mathematical functions", "Trigonometry and
//! hyperbolic functions", "Bitwise functions").

use std::net::Ipv4Addr;

use super::{Function, finite, number, text};
use crate::expr::Typed;
use crate::ops::Args;

/// Names with the fewest and most arguments.
pub(super) const ARITIES: &[(&str, (usize, usize))] = &[
    ("acosh", (1, 1)),
    ("asinh", (1, 1)),
    ("atan2", (2, 2)),
    ("atanh", (1, 1)),
    ("avg", (1, usize::MAX)),
    ("bit_and", (2, usize::MAX)),
    ("bit_not", (1, 2)),
    ("bit_or", (2, usize::MAX)),
    ("bit_shift_left", (2, 2)),
    ("bit_shift_right", (2, 2)),
    ("bit_xor", (2, usize::MAX)),
    ("cosh", (1, 1)),
    ("hypot", (2, 2)),
    ("ipmask", (2, 2)),
    ("sigfig", (1, 1)),
    ("sinh", (1, 1)),
    ("sum", (1, usize::MAX)),
    ("tanh", (1, 1)),
];

/// Bitwise functions take whole numbers below 2^53.
fn whole(args: &Args<'_>, at: usize) -> Option<u64> {
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

fn folded(width: usize, fold: fn(u64, u64) -> u64) -> Function {
    number(move |args| {
        let all = (0..width)
            .map(|at| whole(args, at))
            .collect::<Option<Vec<_>>>()?;
        all.into_iter().reduce(fold).map(bits)
    })
}

/// All numbers of all arguments; what is none is left out.
fn numbers(args: &Args<'_>, width: usize) -> Vec<f64> {
    (0..width)
        .flat_map(|at| args.values(at))
        .filter_map(|value| crate::value::number_of(&value))
        .collect()
}

/// The function of a name, if it is one of these.
pub(super) fn function(name: &str, args: &[Typed]) -> Option<Function> {
    let width = args.len();
    let one = |run: fn(f64) -> f64| number(move |args| finite(run(args.number(0)?)));
    let two = |run: fn(f64, f64) -> f64| {
        number(move |args| finite(run(args.number(0)?, args.number(1)?)))
    };
    Some(match name {
        "acosh" => one(f64::acosh),
        "asinh" => one(f64::asinh),
        "atanh" => one(f64::atanh),
        "cosh" => one(f64::cosh),
        "sinh" => one(f64::sinh),
        "tanh" => one(f64::tanh),
        "atan2" => two(f64::atan2),
        "hypot" => two(f64::hypot),
        // A number keeps no count of its digits here.
        "sigfig" => one(std::convert::identity),
        "sum" => number(move |args| {
            let all = numbers(args, width);
            (!all.is_empty()).then(|| all.iter().sum())
        }),
        "avg" => number(move |args| {
            let all = numbers(args, width);
            let count: u32 = u32::try_from(all.len()).ok()?;
            (count > 0).then(|| all.iter().sum::<f64>() / f64::from(count))
        }),
        "bit_and" => folded(width, |a, b| a & b),
        "bit_or" => folded(width, |a, b| a | b),
        "bit_xor" => folded(width, |a, b| a ^ b),
        "bit_not" => number(move |args| {
            // Without a mask Splunk inverts 53 bits.
            let mask = if width == 2 {
                whole(args, 1)?
            } else {
                (1 << 53) - 1
            };
            Some(bits(!whole(args, 0)? & mask))
        }),
        "bit_shift_left" => number(|args| {
            let by = u32::try_from(whole(args, 1)?).ok()?;
            whole(args, 0)?.checked_shl(by).map(bits)
        }),
        "bit_shift_right" => number(|args| {
            let by = u32::try_from(whole(args, 1)?).ok()?;
            whole(args, 0)?.checked_shr(by).map(bits)
        }),
        "ipmask" => text(|args| {
            let mask: Ipv4Addr = args.text(0)?.trim().parse().ok()?;
            let address: Ipv4Addr = args.text(1)?.trim().parse().ok()?;
            Some(Ipv4Addr::from_bits(mask.to_bits() & address.to_bits()).to_string())
        }),
        _ => return None,
    })
}
