//! The kinds of records that are read, each with the columns that it is read for.
//!
//! A fact names its event types and its columns once. Readers decode exactly those ([`crate::demand`]), and the row of a
//! fact has one method per column and no other way to a value: a column cannot be read without being declared. A test
//! finds columns that nobody reads.
//!
//! Methods are named after the columns; where a log only numbers its values (`Param1`), after their meaning. Values have
//! no surrounding white space. Text is empty where the record has no value.

mod security;
mod services;
mod sysmon;
mod system;
mod unix;
mod user_access;
mod zeek;

use std::net::IpAddr;

pub use security::*;
pub use services::*;
pub use sysmon::*;
pub use system::*;
pub use unix::*;
pub use user_access::*;
pub use zeek::*;

use crate::identity::address;
use crate::row::Row;

/// A channel in lower case, and an event id.
pub type EventType = (&'static str, u32);

/// A kind of record. One fact may cover several event types, and several facts one type.
pub trait Fact: Copy {
    /// The event types.
    const OF: &'static [EventType];
    /// Columns that are this fact's own, in the order of its methods.
    const OWN: &'static [&'static str];
    /// Columns that it shares with other facts; they follow its own.
    const SHARED: &'static [&'static str] = &[];
}

/// Facts of the Security log that say who acted: `Subject…`.
pub trait BySubject: Fact {}

/// The columns of [`BySubject`].
const SUBJECT: &[&str] = &[
    "SubjectUserSid",
    "SubjectUserName",
    "SubjectDomainName",
    "SubjectLogonId",
];

impl<'a, F: BySubject> Row<'a, '_, F> {
    /// SID of the account that acted.
    pub fn subject_user_sid(&self) -> &'a str {
        self.text(F::OWN.len())
    }

    /// Name of the account that acted.
    pub fn subject_user_name(&self) -> &'a str {
        self.text(F::OWN.len() + 1)
    }

    /// Domain of the account that acted.
    pub fn subject_domain_name(&self) -> &'a str {
        self.text(F::OWN.len() + 2)
    }

    /// LogonId of the session that acted; 0 if there is none.
    pub fn subject_logon_id(&self) -> u64 {
        self.int(F::OWN.len() + 3)
    }
}

/// Facts of a sensor about a connection: Zeek's `id`.
pub trait BetweenEnds: Fact {}

/// The columns of [`BetweenEnds`].
const ENDS: &[&str] = &["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p"];

impl<F: BetweenEnds> Row<'_, '_, F> {
    /// Address of the end that opened the connection.
    pub fn orig_h(&self) -> Option<IpAddr> {
        address(self.text(F::OWN.len()))
    }

    /// Its port; 0 if the log does not say.
    pub fn orig_p(&self) -> u16 {
        self.port(F::OWN.len() + 1)
    }

    /// Address of the end that accepted it.
    pub fn resp_h(&self) -> Option<IpAddr> {
        address(self.text(F::OWN.len() + 2))
    }

    /// Its port; 0 if the log does not say.
    pub fn resp_p(&self) -> u16 {
        self.port(F::OWN.len() + 3)
    }
}

/// Defines facts: `Name [: BySubject | BetweenEnds] = [types] { method: kind = "Column", … }`.
///
/// Kinds: `text`; `given` (none if empty or `-`); `int` (decimal or `0x…`; 0 if there is none); `byte` (none if there is
/// none); `port` (0 if there is none); `list` (by index). `text = "A" | "B"` takes the first column that has a value.
macro_rules! facts {
    ($(
        $(#[$doc:meta])*
        $name:ident $(: $group:ident)? = [$($of:expr),+ $(,)?] { $($field:tt)* }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl $crate::facts::Fact for $name {
                const OF: &'static [$crate::facts::EventType] = &[$($of),+];
                const OWN: &'static [&'static str] = $crate::facts::facts!(@columns [] $($field)*);
                $(const SHARED: &'static [&'static str] = $crate::facts::facts!(@shared $group);)?
            }
            $(impl $crate::facts::$group for $name {})?
            $crate::facts::facts!(@methods $name, 0, $($field)*);
        )*

        pub(super) const ALL: &[$crate::facts::Declaration] =
            &[$($crate::facts::Declaration::of::<$name>()),*];
    };
    (@shared BySubject) => { $crate::facts::SUBJECT };
    (@shared BetweenEnds) => { $crate::facts::ENDS };
    (@columns [$($done:literal),*]) => { &[$($done),*] };
    (@columns [$($done:literal),*] $m:ident: $k:ident = $a:literal | $b:literal, $($rest:tt)*) => {
        $crate::facts::facts!(@columns [$($done,)* $a, $b] $($rest)*)
    };
    (@columns [$($done:literal),*] $m:ident: $k:ident = $a:literal, $($rest:tt)*) => {
        $crate::facts::facts!(@columns [$($done,)* $a] $($rest)*)
    };
    (@methods $name:ident, $at:expr,) => {};
    (@methods $name:ident, $at:expr, $method:ident: text = $a:literal | $b:literal, $($rest:tt)*) => {
        impl<'a> $crate::row::Row<'a, '_, $name> {
            #[doc = concat!("`", $a, "`, or `", $b, "` where that is empty.")]
            pub fn $method(&self) -> &'a str {
                match self.text($at) {
                    "" => self.text($at + 1),
                    text => text,
                }
            }
        }
        $crate::facts::facts!(@methods $name, $at + 2, $($rest)*);
    };
    (@methods $name:ident, $at:expr, $method:ident: $kind:ident = $column:literal, $($rest:tt)*) => {
        impl<'a> $crate::row::Row<'a, '_, $name> {
            $crate::facts::facts!(@method $kind, $at, $method, $column);
        }
        $crate::facts::facts!(@methods $name, $at + 1, $($rest)*);
    };
    (@method text, $at:expr, $method:ident, $column:literal) => {
        #[doc = concat!("`", $column, "`.")]
        pub fn $method(&self) -> &'a str {
            self.text($at)
        }
    };
    (@method given, $at:expr, $method:ident, $column:literal) => {
        #[doc = concat!("`", $column, "`; none if it is empty or `-`.")]
        pub fn $method(&self) -> Option<&'a str> {
            $crate::text::given(self.text($at))
        }
    };
    (@method int, $at:expr, $method:ident, $column:literal) => {
        #[doc = concat!("`", $column, "`; 0 if there is none.")]
        pub fn $method(&self) -> u64 {
            self.int($at)
        }
    };
    (@method byte, $at:expr, $method:ident, $column:literal) => {
        #[doc = concat!("`", $column, "`; none if it is no number up to 255.")]
        pub fn $method(&self) -> Option<u8> {
            self.text($at).parse().ok()
        }
    };
    (@method port, $at:expr, $method:ident, $column:literal) => {
        #[doc = concat!("`", $column, "`; 0 if there is none.")]
        pub fn $method(&self) -> u16 {
            self.port($at)
        }
    };
    (@method list, $at:expr, $method:ident, $column:literal) => {
        #[doc = concat!("The value of `", $column, "` with an index from 0; empty beyond the last.")]
        pub fn $method(&self, n: usize) -> &'a str {
            self.nth($at, n)
        }
    };
}
pub(crate) use facts;

/// What a fact declares, without its type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declaration {
    pub of: &'static [EventType],
    pub own: &'static [&'static str],
    pub shared: &'static [&'static str],
}

impl Declaration {
    pub(crate) const fn of<F: Fact>() -> Self {
        Self {
            of: F::OF,
            own: F::OWN,
            shared: F::SHARED,
        }
    }
}

/// Every fact.
const ALL: [&[Declaration]; 7] = [
    security::ALL,
    system::ALL,
    sysmon::ALL,
    services::ALL,
    unix::ALL,
    user_access::ALL,
    zeek::ALL,
];

/// What the facts declare.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    ALL.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Code that reads rows, file by file.
    fn files(folder: &Path, all: &mut Vec<String>) {
        let entries = std::fs::read_dir(folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() && !path.ends_with("facts") {
                files(&path, all);
            } else if path.is_file() {
                let text = std::fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                all.push(text);
            }
        }
    }

    /// The methods of each fact, by its name, from the source of the facts.
    fn methods() -> Vec<(String, Vec<String>)> {
        let sources = [
            include_str!("security.rs"),
            include_str!("services.rs"),
            include_str!("sysmon.rs"),
            include_str!("system.rs"),
            include_str!("unix.rs"),
            include_str!("user_access.rs"),
            include_str!("zeek.rs"),
        ];
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for line in sources.iter().flat_map(|text| text.lines()) {
            let own = line.trim();
            if let Some((head, _)) = own.split_once(" = [") {
                let name = head.split(':').next().unwrap_or(head);
                all.push((name.to_owned(), Vec::new()));
            } else if let (Some((method, _)), Some((_, methods))) =
                (own.split_once(": "), all.last_mut())
                && own.ends_with("\",")
            {
                methods.push(method.to_owned());
            }
        }
        all
    }

    fn says(text: &str, word: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        text.match_indices(word).any(|(at, _)| {
            !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word)
        })
    }

    #[test]
    fn what_a_fact_declares_is_read_where_the_fact_is() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut code = Vec::new();
        for folder in ["src", "../movement/src", "../case/src/dossier"] {
            files(&here.join(folder), &mut code);
        }
        let methods = methods();
        assert_eq!(methods.len(), declarations().count());
        let unread: Vec<String> = methods
            .iter()
            .flat_map(|(fact, methods)| {
                let users: Vec<&String> = code.iter().filter(|text| says(text, fact)).collect();
                let is_read = |method: &String| {
                    let call = format!(".{method}(");
                    users.iter().any(|text| text.contains(&call))
                };
                let none = users.is_empty().then(|| fact.clone());
                let unread = methods.iter().filter(move |method| !is_read(method));
                none.into_iter()
                    .chain(unread.map(move |method| format!("{fact}::{method}")))
                    .collect::<Vec<String>>()
            })
            .collect();
        assert!(unread.is_empty(), "declared and unread: {unread:?}");
    }
}
