//! The arguments of a call.

use crabwalk_vocabulary::suggest::closest;
use serde_json::{Map, Value};

use super::data::Refusal;
use crate::units;

/// Maximum rows of an answer.
pub const MOST_ROWS: usize = 500;

/// Arguments by name.
pub struct Arguments<'a> {
    given: &'a Map<String, Value>,
}

impl<'a> Arguments<'a> {
    /// The arguments of a tool that takes only these.
    ///
    /// # Errors
    /// If there are others.
    pub fn of(given: &'a Map<String, Value>, names: &[&str]) -> Result<Self, Refusal> {
        for name in given.keys() {
            if !names.contains(&name.as_str()) {
                let like = closest(name, names.iter().copied());
                let like = like.map_or(String::new(), |like| format!(": `{like}`?"));
                return Err(Refusal::new(
                    format!("there is no argument `{name}`{like}"),
                    format!("The arguments of this tool are: {}.", names.join(", ")),
                ));
            }
        }
        Ok(Self { given })
    }

    fn wrong(name: &str, help: &str) -> Refusal {
        Refusal::new(format!("`{name}` has a wrong value"), help.to_owned())
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.given.get(name).filter(|value| !value.is_null())
    }

    /// A text; an empty one counts as none.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Some(_) => Err(Self::wrong(name, "It must be a text.")),
        }
    }

    /// A text that must be given.
    pub fn needed(&self, name: &str, help: &'static str) -> Result<&'a str, Refusal> {
        self.text(name)?
            .ok_or_else(|| Refusal::new(format!("`{name}` is missing"), help))
    }

    /// One of some texts.
    pub fn one_of(&self, name: &str, of: &[&str]) -> Result<Option<&'a str>, Refusal> {
        match self.text(name)? {
            Some(text) if !of.contains(&text) => Err(Self::wrong(
                name,
                &format!("It must be one of: {}.", of.join(", ")),
            )),
            text => Ok(text),
        }
    }

    /// Texts: a list, or one alone.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let all = match self.value(name) {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => vec![Some(text.clone())],
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Some(_) => vec![None],
        };
        all.into_iter()
            .collect::<Option<Vec<String>>>()
            .ok_or_else(|| Self::wrong(name, "It must be a list of texts."))
    }

    /// A whole number from 0 on; as text too, because not every client can write large ones.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => value.as_u64(),
        };
        number
            .map(Some)
            .ok_or_else(|| Self::wrong(name, "It must be a whole number from 0 on."))
    }

    /// Where a page begins, and how many rows it has at most.
    pub fn page(&self, default: usize) -> Result<(usize, usize), Refusal> {
        let number = |name| -> Result<Option<usize>, Refusal> {
            let number = self.number(name)?;
            Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
        };
        let offset = number("offset")?.unwrap_or(0).min(1 << 40);
        let count = number("count")?.unwrap_or(default);
        Ok((offset, count.clamp(1, MOST_ROWS)))
    }

    /// A time, in microseconds since 1970-01-01 UTC.
    pub fn time(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        units::parse_time(text).map(Some).map_err(|error| {
            Refusal::new(
                format!("`{name}`: {error}"),
                "Times are RFC 3339 (2024-03-01T08:00:00Z), dates, or relative to now (-7d).",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap_or_else(|| panic!("no object"))
    }

    #[test]
    fn arguments_are_checked() {
        let value = json!({"name": " a ", "list": ["x", "y"], "one": "z", "offset": "7", "count": 9999, "none": null,
            "empty": "", "since": "2024-03-01", "wrong": {"x": 1}});
        let names: Vec<&str> = map(&value).keys().map(String::as_str).collect();
        let own = Arguments::of(map(&value), &names).unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(own.text("name").ok(), Some(Some("a")));
        assert_eq!(own.text("empty").ok(), Some(None));
        assert_eq!(own.text("none").ok(), Some(None));
        assert_eq!(
            own.texts("list").ok(),
            Some(vec!["x".to_owned(), "y".to_owned()])
        );
        assert_eq!(own.texts("one").ok(), Some(vec!["z".to_owned()]));
        assert_eq!(own.page(50).ok(), Some((7, MOST_ROWS)));
        assert_eq!(own.time("since").ok(), Some(Some(1_709_251_200_000_000)));
        assert!(own.text("wrong").is_err() && own.texts("wrong").is_err());
        assert!(own.number("wrong").is_err() && own.time("name").is_err());
        assert!(own.needed("none", "").is_err() && own.one_of("name", &["b"]).is_err());
        let refused = Arguments::of(map(&value), &["names", "list"]).err();
        assert!(refused.is_some_and(|one| format!("{one:?}").contains("`names`?")));
    }
}
