//! Tests created at run time, one for each case of a file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cases::Expected;

/// The actual result of a case, if it is not the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differs {
    /// The difference, for people.
    pub why: String,
    /// What the case would have to contain: `BLESS=1` writes it. None if no text can express the actual result.
    pub instead: Option<Vec<String>>,
}

/// New lines for positions in files.
type Blessed = BTreeMap<PathBuf, Vec<(Range<usize>, Vec<String>)>>;

/// Named tests, run like those of `#[test]`: the same arguments filter, list and count them, and a test that panics has
/// failed.
#[derive(Default)]
pub struct Suite {
    trials: Vec<Trial>,
    names: BTreeSet<String>,
    blessed: Arc<Mutex<Blessed>>,
}

impl Suite {
    /// Adds a test.
    ///
    /// # Panics
    /// If another has the same name.
    pub fn test(&mut self, name: &str, run: impl FnOnce() + Send + 'static) {
        self.add(name, move || {
            run();
            Ok(())
        });
    }

    /// Adds a case: its expectation, and a check. With `BLESS=1` in the environment, the actual result replaces the
    /// expected one in the file.
    ///
    /// # Panics
    /// If another has the same name.
    pub fn case(
        &mut self,
        name: &str,
        expected: Expected,
        run: impl FnOnce(&[String]) -> Result<(), Differs> + Send + 'static,
    ) {
        let blessed = Arc::clone(&self.blessed);
        let bless = std::env::var_os("BLESS").is_some_and(|value| value == "1");
        self.add(name, move || match run(&expected.lines) {
            Err(Differs {
                instead: Some(lines),
                ..
            }) if bless => {
                let mut all = blessed.lock().unwrap_or_else(PoisonError::into_inner);
                let file = all.entry(expected.path.to_path_buf()).or_default();
                file.push((expected.place, lines));
                Ok(())
            }
            Err(differs) => Err(differs.why.into()),
            Ok(()) => Ok(()),
        });
    }

    fn add(&mut self, name: &str, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) {
        assert!(
            self.names.insert(name.to_owned()),
            "two tests are called `{name}`"
        );
        self.trials.push(Trial::test(name, run));
    }

    /// Number of tests.
    pub fn len(&self) -> usize {
        self.trials.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// Runs the tests selected by the program's arguments, and writes blessed results.
    pub fn run(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let conclusion = libtest_mimic::run(&arguments, self.trials);
        let mut blessed = self.blessed.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, changes) in std::mem::take(&mut *blessed) {
            let count = changes.len();
            let written = std::fs::read_to_string(&path)
                .and_then(|text| std::fs::write(&path, rewritten(&text, changes)));
            match written {
                Ok(()) => eprintln!("blessed {count} cases of {}", path.display()),
                Err(error) => {
                    eprintln!("{}: {error}", path.display());
                    return ExitCode::FAILURE;
                }
            }
        }
        conclusion.exit_code()
    }
}

/// A text with some ranges of lines, which do not overlap, replaced.
fn rewritten(text: &str, mut changes: Vec<(Range<usize>, Vec<String>)>) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the end, so that earlier positions stay valid.
    changes.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    for (place, new) in changes {
        lines.splice(place, new);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::blocks;

    #[test]
    fn what_is_blessed_takes_the_place_of_what_was_expected() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let path = folder.path().join("some.txt");
        let text = "# of all\ncase one\nx\n----\na\n# why\nb\n\ncase two\n----\n\ncase three\ny\n----\nc\n";
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
        let all = blocks(&path);
        let heads: Vec<&str> = all.iter().map(|block| block.head()).collect();
        assert_eq!(heads, ["case one", "case two", "case three"]);
        let expected: Vec<Expected> = all.iter().filter_map(|block| block.expected()).collect();
        assert_eq!(expected[0].lines, ["a", "b"]);
        let new = [vec!["a", "d"], vec!["e"], vec![]];
        let changes = expected.into_iter().zip(new).map(|(expected, new)| {
            let new = new.into_iter().map(str::to_owned).collect();
            (expected.place, new)
        });
        assert_eq!(
            rewritten(text, changes.collect()),
            "# of all\ncase one\nx\n----\na\nd\n\ncase two\n----\ne\n\ncase three\ny\n----\n"
        );
    }
}
