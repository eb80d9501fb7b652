//! Rewrites rules so that the Sigma library interprets them as the specification requires.
//!
//! What is rewritten, and why (facts: Sigma's specification 2.1, appendices on modifiers and conditions, and its
//! reference implementation):
//!
//! - `1 of x_*` and `all of x_*` become the search identifiers they stand for. One that stands for none is left out of its
//!   condition: the library takes `all of` nothing for true.
//! - `*` and `?` stand for any characters, line ends too. A keyword may stand anywhere in a text, also one with them, a number,
//!   or one of a list that must be there altogether.
//! - `windash` reads hyphens, slashes and the dashes of typesetting before a word alike, and only there.
//! - `neq` is the negation of its item: an event without the field differs as well.
//! - An empty text is the same as no value: logs write both where there is nothing to say.
//! - Regular expressions are Perl's: `$` stands before a line end at the end of the text, too. Those that need look-around or
//!   back-references are run here ([`Questions`]), and the rule asks for the answer.
//! - Keywords that must all be there may stand in different fields.
//! - An empty list is the same as no value.
//! - `wide`, `utf16…`, `base64` and `base64offset` work in the order in which they stand ([`encoded`]). The library leaves out
//!   UTF-16 without Base64, and takes letters into `base64offset` that depend on what follows.
//! - Parts of times (`hour` and the like) are read from every form in which logs write a time, and can be compared with `gt`,
//!   `gte`, `lt` and `lte`. The library knows few forms, and no comparison.
//! - `cidr` takes single addresses, and finds IPv4 addresses that are written as IPv6 (`::ffff:10.0.0.1`).

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, FieldSpec, FilterRule, Modifier,
    Quantifier, SelectorPattern, SigmaRule, SigmaString, SigmaValue, SpecialChar, StringPart,
};

use super::encode::encoded;
use super::question::{Part, Question, Questions, YES, network};

/// The characters that begin an option on Windows' command lines; `windash` accepts any of them.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// Maximum number of dash variants of a value that are written out; beyond that it becomes a pattern.
const MOST_VARIANTS: usize = 25;
/// Maximum number of choices that an `n of x_*` is expanded to.
const MOST_CHOICES: usize = 256;

/// The text of rules with values such as `12e5` quoted. YAML 1.1 readers, for which rules are written, read them as
/// texts (parts of hashes, for instance), but the library's YAML 1.2 reader as numbers.
pub(super) fn quoted(text: &str) -> Cow<'_, str> {
    static EXPONENT: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        regex::Regex::new(
            r"(?m)^(\s*(?:-\s+)?(?:[\w.|]+:\s+)?)([-+]?\d+[eE][-+]?\d+)(\s*(?:\s#.*)?)$",
        )
        .ok()
    });
    match EXPONENT.as_ref() {
        Some(exponent) => exponent.replace_all(text, "$1'$2'$3"),
        None => Cow::Borrowed(text),
    }
}

/// A rule in the form for the library.
///
/// # Errors
/// Why the rule can never run.
pub(super) fn rule(rule: &SigmaRule, questions: &mut Questions) -> Result<SigmaRule, String> {
    let mut rule = rule.clone();
    detections(&mut rule.detection, questions)?;
    Ok(rule)
}

/// A filter in the form for the library.
///
/// # Errors
/// Why the filter can never be used.
pub(super) fn filter(filter: &FilterRule, questions: &mut Questions) -> Result<FilterRule, String> {
    let mut filter = filter.clone();
    detections(&mut filter.detection, questions)?;
    Ok(filter)
}

/// The parts of a rule's condition that match no search identifier, as written.
pub(super) fn empty_selectors(detections: &Detections) -> BTreeSet<String> {
    fn walk(expr: &ConditionExpr, names: &[&String], found: &mut BTreeSet<String>) {
        match expr {
            ConditionExpr::And(parts) | ConditionExpr::Or(parts) => {
                parts.iter().for_each(|part| walk(part, names, found));
            }
            ConditionExpr::Not(part) => walk(part, names, found),
            ConditionExpr::Identifier(_) => {}
            ConditionExpr::Selector { pattern, .. } => {
                if chosen(pattern, names).is_empty() {
                    found.insert(expr.to_string());
                }
            }
        }
    }
    let names = names(detections);
    let mut found = BTreeSet::new();
    for condition in &detections.conditions {
        walk(condition, &names, &mut found);
    }
    found
}

fn names(detections: &Detections) -> Vec<&String> {
    let mut names: Vec<&String> = detections.named.keys().collect();
    names.sort();
    names
}

fn chosen<'a>(pattern: &SelectorPattern, names: &[&'a String]) -> Vec<&'a String> {
    names
        .iter()
        .filter(|name| pattern.matches_detection_name(name))
        .copied()
        .collect()
}

fn detections(all: &mut Detections, questions: &mut Questions) -> Result<(), String> {
    let names = names(all);
    let conditions = all
        .conditions
        .iter()
        .map(|condition| {
            expand(condition, &names)
                .ok_or_else(|| format!("its condition `{condition}` names no search identifier"))
        })
        .collect::<Result<Vec<ConditionExpr>, String>>()?;
    all.conditions = conditions;
    for one in all.named.values_mut() {
        *one = detection(one, questions)?;
    }
    Ok(())
}

/// A condition with its selectors expanded; none if nothing of it is left.
fn expand(expr: &ConditionExpr, names: &[&String]) -> Option<ConditionExpr> {
    match expr {
        ConditionExpr::Identifier(_) => Some(expr.clone()),
        ConditionExpr::Not(part) => {
            expand(part, names).map(|part| ConditionExpr::Not(Box::new(part)))
        }
        ConditionExpr::And(parts) => join(
            parts.iter().filter_map(|part| expand(part, names)),
            ConditionExpr::And,
        ),
        ConditionExpr::Or(parts) => join(
            parts.iter().filter_map(|part| expand(part, names)),
            ConditionExpr::Or,
        ),
        ConditionExpr::Selector {
            quantifier,
            pattern,
        } => {
            let chosen = chosen(pattern, names);
            let all = chosen
                .iter()
                .map(|name| ConditionExpr::Identifier((*name).clone()));
            match quantifier {
                Quantifier::Any | Quantifier::Count(1) => join(all, ConditionExpr::Or),
                Quantifier::All => join(all, ConditionExpr::And),
                Quantifier::Count(count) => {
                    let count = usize::try_from(*count).ok()?;
                    match choices(&chosen, count) {
                        _ if chosen.is_empty() => None,
                        Some(choices) if !choices.is_empty() => join(
                            choices.into_iter().filter_map(|some| {
                                let some = some.into_iter().cloned();
                                join(some.map(ConditionExpr::Identifier), ConditionExpr::And)
                            }),
                            ConditionExpr::Or,
                        ),
                        _ => Some(expr.clone()),
                    }
                }
            }
        }
    }
}

fn join(
    parts: impl Iterator<Item = ConditionExpr>,
    with: fn(Vec<ConditionExpr>) -> ConditionExpr,
) -> Option<ConditionExpr> {
    let mut parts: Vec<ConditionExpr> = parts.collect();
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(with(parts)),
    }
}

/// Every choice of `count` names; none if there are too many.
fn choices<'a>(names: &[&'a String], count: usize) -> Option<Vec<Vec<&'a String>>> {
    let mut all: Vec<Vec<&String>> = vec![Vec::new()];
    for (at, name) in names.iter().enumerate() {
        let left = names.len() - at - 1;
        let mut next = Vec::new();
        for some in all {
            if some.len() + left >= count {
                next.push(some.clone());
            }
            if some.len() < count {
                let mut more = some;
                more.push(name);
                next.push(more);
            }
        }
        all = next;
        if all.len() > MOST_CHOICES {
            return None;
        }
    }
    all.retain(|some| some.len() == count);
    Some(all)
}

fn detection(one: &Detection, questions: &mut Questions) -> Result<Detection, String> {
    Ok(match one {
        Detection::AllOf(items) => {
            let mut plain = Vec::new();
            let mut others = Vec::new();
            for one in items {
                match item(one, questions)? {
                    Detection::AllOf(mut items) if items.len() == 1 => plain.append(&mut items),
                    other => others.push(other),
                }
            }
            if others.is_empty() {
                Detection::AllOf(plain)
            } else {
                if !plain.is_empty() {
                    others.insert(0, Detection::AllOf(plain));
                }
                Detection::And(others)
            }
        }
        Detection::AnyOf(all) => Detection::AnyOf(each(all, questions)?),
        Detection::And(all) => Detection::And(each(all, questions)?),
        Detection::Keywords(values) => {
            let keyword = DetectionItem {
                field: FieldSpec::new(None, Vec::new()),
                values: values.clone(),
            };
            item(&keyword, questions)?
        }
        // Members of arrays: only documents have them, and no reader provides them as such.
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => one.clone(),
    })
}

fn each(all: &[Detection], questions: &mut Questions) -> Result<Vec<Detection>, String> {
    all.iter().map(|one| detection(one, questions)).collect()
}

/// How the values of an item are compared.
#[derive(Clone, Copy)]
struct How {
    contains: bool,
    startswith: bool,
    endswith: bool,
    cased: bool,
    keyword: bool,
}

impl How {
    fn of(field: &FieldSpec) -> Self {
        let has = |one| field.has_modifier(one);
        Self {
            contains: has(Modifier::Contains),
            startswith: has(Modifier::StartsWith),
            endswith: has(Modifier::EndsWith),
            cased: has(Modifier::Cased),
            keyword: field.name.is_none(),
        }
    }

    /// Whether the whole text is compared.
    fn whole(self) -> bool {
        !(self.contains || self.startswith || self.endswith || self.keyword)
    }

    /// A text with wildcards as a pattern.
    fn pattern(self, value: &SigmaString, windash: bool) -> String {
        let anywhere = self.contains || self.keyword;
        let mut pattern = String::new();
        if !anywhere && !self.endswith {
            pattern.push_str(r"\A");
        }
        let letters: Vec<Option<char>> = value
            .parts
            .iter()
            .flat_map(|part| match part {
                StringPart::Plain(text) => text.chars().map(Some).collect(),
                StringPart::Special(_) => vec![None],
            })
            .collect();
        let mut wildcards = value.parts.iter().filter_map(|part| match part {
            StringPart::Special(one) => Some(one),
            StringPart::Plain(_) => None,
        });
        for (at, letter) in letters.iter().enumerate() {
            match letter {
                None => pattern.push_str(match wildcards.next() {
                    Some(SpecialChar::WildcardSingle) => ".",
                    _ => ".*",
                }),
                Some(letter) if windash && DASHES.contains(letter) && is_option(&letters, at) => {
                    pattern.push_str("[-/\u{2013}\u{2014}\u{2015}]");
                }
                Some(letter) => {
                    let mut bytes = [0; 4];
                    pattern.push_str(&regex::escape(letter.encode_utf8(&mut bytes)));
                }
            }
        }
        if !anywhere && !self.startswith {
            pattern.push_str(r"\z");
        }
        pattern
    }
}

/// Whether a dash is at the start of a word, not inside one.
fn is_option(letters: &[Option<char>], at: usize) -> bool {
    let is_word = |letter: Option<&Option<char>>| {
        letter
            .copied()
            .flatten()
            .is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    };
    let before = at.checked_sub(1).and_then(|at| letters.get(at));
    !is_word(before) && is_word(letters.get(at + 1))
}

/// A plain text with every variant of its option dashes; none if there are too many.
pub(super) fn dashes(text: &str) -> Option<Vec<String>> {
    let letters: Vec<Option<char>> = text.chars().map(Some).collect();
    let mut all = vec![String::with_capacity(text.len())];
    for (at, letter) in letters.iter().copied().enumerate() {
        let Some(letter) = letter else { continue };
        if DASHES.contains(&letter) && is_option(&letters, at) {
            if all.len() * DASHES.len() > MOST_VARIANTS {
                return None;
            }
            all = DASHES
                .iter()
                .flat_map(|dash| all.iter().map(move |text| format!("{text}{dash}")))
                .collect();
        } else {
            all.iter_mut().for_each(|text| text.push(letter));
        }
    }
    Some(all)
}

/// An item in the form for the library; a single item that is compared unchanged stays one.
fn item(one: &DetectionItem, questions: &mut Questions) -> Result<Detection, String> {
    let has = |modifier| one.field.has_modifier(modifier);
    if has(Modifier::Expand) {
        let names: Vec<String> = one
            .values
            .iter()
            .filter_map(text_of)
            .map(|text| format!("`{text}`"))
            .collect();
        let verb = if names.len() == 1 { "stands" } else { "stand" };
        return Err(format!(
            "{} {verb} for values of your environment (`expand`), which are not known here: write them out",
            names.join(", ")
        ));
    }
    if has(Modifier::Neq) {
        let mut positive = one.clone();
        positive
            .field
            .modifiers
            .retain(|modifier| *modifier != Modifier::Neq);
        let name = "value".to_owned();
        return Ok(Detection::Conditional {
            named: HashMap::from([(name.clone(), item(&positive, questions)?)]),
            condition: ConditionExpr::Not(Box::new(ConditionExpr::Identifier(name))),
        });
    }
    if one.values.is_empty() && one.field.name.is_some() && !has(Modifier::Exists) {
        return Ok(joined(vec![empty(one)], false));
    }
    let modifiers = &one.field.modifiers;
    let only = |allowed: &[Modifier]| modifiers.iter().all(|modifier| allowed.contains(modifier));
    if let Some(field) = &one.field.name {
        if has(Modifier::Cidr) && only(&[Modifier::Cidr, Modifier::All, Modifier::Cased]) {
            return within(field, one, questions);
        }
        let mut parts = modifiers.iter().copied().filter_map(Part::of);
        if let (Some(part), None) = (parts.next(), parts.next())
            && modifiers.iter().all(|modifier| {
                Part::of(*modifier).is_some()
                    || matches!(
                        modifier,
                        Modifier::Gt | Modifier::Gte | Modifier::Lt | Modifier::Lte
                    )
            })
        {
            return part_of_time(field, part, one, questions);
        }
    }
    let all = has(Modifier::All);
    if let Some((modifiers, values)) = encoded(one)? {
        let item = |values: Vec<SigmaValue>| with(one, modifiers.clone(), values);
        let pieces = if all {
            values.into_iter().map(item).collect()
        } else {
            vec![item(values.into_iter().flatten().collect())]
        };
        return Ok(joined(pieces, all));
    }
    let sorted = if has(Modifier::Re) {
        Sorted::expressions(one, questions)?
    } else {
        Sorted::values(one)
    };
    Ok(joined(sorted.items(one), all))
}

/// The values of an item by how they are compared.
struct Sorted {
    /// As they are, with these modifiers.
    plain: Vec<SigmaValue>,
    rest: Vec<Modifier>,
    /// As regular expressions, with these modifiers.
    patterned: Vec<SigmaValue>,
    how_patterned: Vec<Modifier>,
    /// Items of their own.
    pieces: Vec<DetectionItem>,
}

impl Sorted {
    fn new(one: &DetectionItem) -> Self {
        let rest = one.field.modifiers.iter().copied();
        Self {
            plain: Vec::new(),
            rest: rest
                .filter(|modifier| !matches!(modifier, Modifier::All | Modifier::WindAsh))
                .collect(),
            patterned: Vec::new(),
            how_patterned: vec![Modifier::Re, Modifier::DotAll],
            pieces: Vec::new(),
        }
    }

    /// The values are regular expressions; those that do not run in linear time become questions.
    fn expressions(one: &DetectionItem, questions: &mut Questions) -> Result<Self, String> {
        let has = |modifier| one.field.has_modifier(modifier);
        let mut sorted = Self::new(one);
        sorted.how_patterned.clone_from(&sorted.rest);
        let flags: String = [
            (Modifier::IgnoreCase, 'i'),
            (Modifier::Multiline, 'm'),
            (Modifier::DotAll, 's'),
        ]
        .into_iter()
        .filter_map(|(modifier, flag)| has(modifier).then_some(flag))
        .collect();
        for value in &one.values {
            let text = text_of(value).ok_or("a regular expression must be a text")?;
            let pattern = perl(&text, has(Modifier::Multiline));
            if is_linear(&pattern) {
                sorted.patterned.push(raw(&pattern));
                continue;
            }
            let pattern = if flags.is_empty() {
                pattern
            } else {
                format!("(?{flags}){pattern}")
            };
            let field = one.field.name.clone();
            let question = Question::Fits { field, pattern };
            sorted.pieces.push(asked(question, questions)?);
        }
        Ok(sorted)
    }

    fn values(one: &DetectionItem) -> Self {
        let how = How::of(&one.field);
        let mut sorted = Self::new(one);
        if !how.cased {
            sorted.how_patterned.push(Modifier::IgnoreCase);
        }
        let is_text = one.field.modifiers.iter().all(|modifier| {
            matches!(
                modifier,
                Modifier::All
                    | Modifier::WindAsh
                    | Modifier::Cased
                    | Modifier::Contains
                    | Modifier::StartsWith
                    | Modifier::EndsWith
            )
        });
        // A keyword may be anywhere in a text.
        if is_text && how.keyword && !(how.contains || how.startswith || how.endswith) {
            sorted.rest.push(Modifier::Contains);
        }
        for value in &one.values {
            match value {
                SigmaValue::Null => sorted.pieces.push(empty(one)),
                SigmaValue::Integer(number) if how.keyword && is_text => {
                    sorted.plain.push(raw(&number.to_string()));
                }
                SigmaValue::Float(number) if how.keyword && is_text => {
                    sorted.plain.push(raw(&number.to_string()));
                }
                SigmaValue::Bool(value) if !how.whole() && is_text => {
                    sorted.plain.push(raw(&value.to_string()));
                }
                SigmaValue::String(text) if is_text => sorted.text(one, how, text, value),
                _ => sorted.plain.push(value.clone()),
            }
        }
        sorted
    }

    fn text(&mut self, one: &DetectionItem, how: How, text: &SigmaString, value: &SigmaValue) {
        let dashed = one.field.has_modifier(Modifier::WindAsh);
        if text.parts.is_empty() && how.whole() {
            self.pieces.push(empty(one));
        } else if text.contains_wildcards() {
            self.patterned.push(raw(&how.pattern(text, dashed)));
        } else if !dashed {
            self.plain.push(value.clone());
        } else if let Some(variants) = text.as_plain().as_deref().and_then(dashes) {
            let values: Vec<SigmaValue> = variants.iter().map(|text| raw(text)).collect();
            // One of the variants of each value.
            if one.field.has_modifier(Modifier::All) {
                self.pieces.push(with(one, self.rest.clone(), values));
            } else {
                self.plain.extend(values);
            }
        } else {
            self.patterned.push(raw(&how.pattern(text, true)));
        }
    }

    fn items(self, one: &DetectionItem) -> Vec<DetectionItem> {
        let all = one.field.has_modifier(Modifier::All);
        let linked = |mut modifiers: Vec<Modifier>, values: Vec<SigmaValue>| {
            // Several keywords may each be in a different field.
            if all && one.field.name.is_none() {
                return values
                    .into_iter()
                    .map(|value| with(one, modifiers.clone(), vec![value]))
                    .collect();
            }
            // The library rejects `all` over a single value.
            if all && values.len() > 1 {
                modifiers.push(Modifier::All);
            }
            vec![with(one, modifiers, values)]
        };
        let mut pieces = self.pieces;
        if !self.patterned.is_empty() {
            pieces.extend(linked(self.how_patterned, self.patterned));
        }
        if !self.plain.is_empty() || pieces.is_empty() {
            pieces.splice(0..0, linked(self.rest, self.plain));
        }
        pieces
    }
}

/// Another item about the same field.
fn with(one: &DetectionItem, modifiers: Vec<Modifier>, values: Vec<SigmaValue>) -> DetectionItem {
    DetectionItem {
        field: FieldSpec::new(one.field.name.clone(), modifiers),
        values,
    }
}

/// The field is empty or missing.
fn empty(one: &DetectionItem) -> DetectionItem {
    with(one, Vec::new(), vec![SigmaValue::Null])
}

/// Items combined with `and` or `or`.
fn joined(pieces: Vec<DetectionItem>, all: bool) -> Detection {
    let mut pieces: Vec<Detection> = pieces
        .into_iter()
        .map(|piece| Detection::AllOf(vec![piece]))
        .collect();
    match pieces.len() {
        1 => pieces.remove(0),
        _ if all => Detection::And(pieces),
        _ => Detection::AnyOf(pieces),
    }
}

/// The item that holds if the answer to a question is yes.
fn asked(question: Question, questions: &mut Questions) -> Result<DetectionItem, String> {
    Ok(DetectionItem {
        field: FieldSpec::new(Some(questions.ask(question)?), Vec::new()),
        values: vec![raw(YES)],
    })
}

/// An item of `cidr`.
fn within(
    field: &str,
    one: &DetectionItem,
    questions: &mut Questions,
) -> Result<Detection, String> {
    let networks = one
        .values
        .iter()
        .map(|value| {
            let text = text_of(value).ok_or("`cidr` needs a network such as `10.0.0.0/8`")?;
            network(&text).ok_or_else(|| {
                format!("`{text}` is not a network: write `10.0.0.0/8` or `fe80::/10`")
            })
        })
        .collect::<Result<Vec<_>, String>>()?;
    let all = one.field.has_modifier(Modifier::All);
    let sets = if all {
        networks.into_iter().map(|one| vec![one]).collect()
    } else {
        vec![networks]
    };
    let pieces = sets
        .into_iter()
        .map(|networks| {
            let field = field.to_owned();
            asked(Question::Within { field, networks }, questions)
        })
        .collect::<Result<_, _>>()?;
    Ok(joined(pieces, all))
}

/// An item about a part of a time: the part becomes a separate number, compared as numbers are.
fn part_of_time(
    field: &str,
    part: Part,
    one: &DetectionItem,
    questions: &mut Questions,
) -> Result<Detection, String> {
    let field = field.to_owned();
    let field = questions.ask(Question::Part { field, part })?;
    let modifiers = one
        .field
        .modifiers
        .iter()
        .copied()
        .filter(|modifier| Part::of(*modifier).is_none())
        .collect();
    let values = one
        .values
        .iter()
        .map(|value| match value {
            SigmaValue::Integer(_) | SigmaValue::Float(_) => Ok(value.clone()),
            value => text_of(value)
                .and_then(|text| text.trim().parse().ok())
                .map(SigmaValue::Integer)
                .ok_or_else(|| format!("a time part must be a number, and `{value}` is not")),
        })
        .collect::<Result<_, String>>()?;
    Ok(Detection::AllOf(vec![DetectionItem {
        field: FieldSpec::new(Some(field), modifiers),
        values,
    }]))
}

pub(super) fn raw(text: &str) -> SigmaValue {
    SigmaValue::String(SigmaString::from_raw(text))
}

pub(super) fn text_of(value: &SigmaValue) -> Option<String> {
    match value {
        SigmaValue::String(text) => Some(text.as_plain().unwrap_or_else(|| text.original.clone())),
        SigmaValue::Integer(number) => Some(number.to_string()),
        SigmaValue::Float(number) => Some(number.to_string()),
        SigmaValue::Bool(_) | SigmaValue::Null => None,
    }
}

/// A Perl pattern in the syntax of our engines. `{,n}` becomes `{0,n}`: Perl (since 5.34), PCRE2 (since 10.43) and
/// Python read it this way. `$` also matches before a line break at the end of the text, unless `multiline` changes its
/// meaning.
fn perl(pattern: &str, multiline: bool) -> String {
    static LINES: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r"\(\?[a-z]*m").ok());
    let lines = multiline
        || LINES
            .as_ref()
            .is_some_and(|inline| inline.is_match(pattern));
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = after;
        if letter == '$' && !in_class && !lines {
            out.push_str(r"(?:\n?\z)");
            continue;
        }
        out.push(letter);
        match letter {
            '\\' => {
                if let Some(escaped) = after.chars().next() {
                    out.push(escaped);
                    rest = &after[escaped.len_utf8()..];
                }
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '{' if !in_class => {
                let digits = after
                    .strip_prefix(',')
                    .and_then(|after| after.split_once('}'))
                    .map(|(digits, _)| digits);
                if digits.is_some_and(|digits| {
                    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
                }) {
                    out.push('0');
                }
            }
            _ => {}
        }
    }
    out
}

/// Whether the library runs a pattern, and reads it as Perl does.
fn is_linear(pattern: &str) -> bool {
    // Word borders and set operations in Rust's syntax, plain characters in Perl's.
    let other = [r"\<", r"\>", "&&", "~~"];
    !other.iter().any(|text| pattern.contains(text)) && regex::Regex::new(pattern).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_all_of_a_size() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        let names: Vec<&String> = names.iter().collect();
        let of = |count| choices(&names, count).map(|all| all.len());
        assert_eq!(
            [of(1), of(2), of(4), of(5)],
            [Some(4), Some(6), Some(1), Some(0)]
        );
    }

    #[test]
    fn patterns_are_perls() {
        for (pattern, expected) in [
            ("a{,3}b", "a{0,3}b"),
            ("a{2,3}", "a{2,3}"),
            (r"a\{,3}", r"a\{,3}"),
            ("[{,3}]", "[{,3}]"),
            ("{,}", "{,}"),
            ("{,x}", "{,x}"),
            ("é{,12}", "é{0,12}"),
            (r"a$|\$[$]", r"a(?:\n?\z)|\$[$]"),
            ("(?im)a$", "(?im)a$"),
        ] {
            assert_eq!(perl(pattern, false), expected, "{pattern}");
        }
    }
}
