//! Running the program the way users do.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The result of a run of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit status; -1 if a signal ended it.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Standard output, if the program ended with this status.
    ///
    /// # Panics
    /// If it ended with another status, with all its output.
    #[track_caller]
    pub fn said(&self, status: i32) -> String {
        assert_eq!(
            self.status, status,
            "stdout: {}\nstderr: {}",
            self.out, self.err
        );
        self.out.clone()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| {
            String::from_utf8(bytes).unwrap_or_else(|error| panic!("not UTF-8: {error}: {error:?}"))
        };
        Self {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The program, to be run in a folder with empty standard input. For what [`crabwalk`] cannot do.
///
/// # Panics
/// Outside tests and benchmarks of the crate that builds the program.
pub fn program(folder: impl AsRef<Path>) -> Command {
    // Cargo provides the path; other test runners keep it beside the folder of the tests.
    let path = std::env::var_os("CARGO_BIN_EXE_crabwalk").map_or_else(
        || {
            let test = std::env::current_exe().unwrap_or_default();
            let folder = test.ancestors().nth(2).unwrap_or(Path::new("."));
            folder.join(format!("crabwalk{}", std::env::consts::EXE_SUFFIX))
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "{} is not there: it is built for tests of crates/cli",
        path.display()
    );
    let mut command = Command::new(path);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program in a folder.
///
/// # Panics
/// If it cannot be started, or prints something other than UTF-8.
#[track_caller]
pub fn crabwalk(folder: impl AsRef<Path>, arguments: &[&str]) -> Ran {
    let output = program(folder).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{error}")).into()
}

/// Runs the program in a folder, with this on its standard input.
///
/// # Panics
/// As [`crabwalk`].
#[track_caller]
pub fn crabwalk_reading(folder: impl AsRef<Path>, arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = program(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    let pipe = child.stdin.take();
    std::thread::scope(|threads| {
        // On another thread, because the program may fill its output before it has read everything.
        threads.spawn(move || match pipe.map(|mut pipe| pipe.write_all(input)) {
            // It may have seen enough.
            Some(Err(error)) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => {}
        });
        let output = child.wait_with_output();
        output.unwrap_or_else(|error| panic!("{error}")).into()
    })
}

/// A program that a test needs and `.ci/need` installs, or `None` with a message where it may be missing.
///
/// # Panics
/// If it is missing and `CRABWALK_REQUIRE_TOOLS` is set.
pub fn tool(name: &str) -> Option<PathBuf> {
    let own = std::env::var_os("CRABWALK_TOOLS").map(|tools| PathBuf::from(tools).join("bin"));
    let found = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .chain(own)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CRABWALK_REQUIRE_TOOLS").is_none(),
            "{name} is missing: .ci/need {name}"
        );
        eprintln!("skipped: {name} is not installed");
    }
    found
}
