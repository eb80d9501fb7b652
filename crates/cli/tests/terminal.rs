//! What people see on a terminal: colours, and a pager for what is longer than the screen. `script` provides the terminal.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crabwalk_testing::{crabwalk, program, tool};

/// 60 logons.
fn logs(at: &Path) {
    let mut lines = String::new();
    for record in 1..=60 {
        writeln!(
            lines,
            r#"{{"EventID":4624,"Channel":"Security","Hostname":"A","EventRecordID":{record},"TargetUserName":"user{record:02}","@timestamp":"2024-03-04T12:00:00Z"}}"#
        )
        .unwrap();
    }
    std::fs::write(at.join("logs.json"), lines).unwrap();
}

/// What the program prints on a terminal of 20 lines, with these variables; none without `script`.
fn on_a_terminal(at: &Path, variables: &[(&str, &str)], arguments: &str) -> Option<String> {
    let script = tool("script")?;
    let binary = program(at).get_program().to_owned();
    let line = format!(
        "stty rows 20 cols 100; {} {arguments}",
        Path::new(&binary).display()
    );
    let mut command = Command::new(script);
    command
        .args(["-qec", &line, "/dev/null"])
        .current_dir(at)
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .env("PAGER", "sed s/^/paged:/")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}

const ALL: &str = "search '* | table user' logs.json -q";
const FEW: &str = "search '* | head 3 | table user' logs.json -q";

#[test]
fn long_results_are_paged_on_a_terminal() {
    let at = tempfile::tempdir().unwrap();
    logs(at.path());
    for (what, variables, arguments, paged) in [
        ("long", &[][..], ALL, true),
        ("short", &[], FEW, false),
        ("not wanted", &[], &format!("--no-pager {ALL}"), false),
        ("no pager", &[("PAGER", "")], ALL, false),
        ("cat", &[("PAGER", "cat")], ALL, false),
        (
            "a pager that is not there",
            &[("PAGER", "nonsense-pager 2>/dev/null")],
            ALL,
            false,
        ),
        ("for programs", &[], &format!("{ALL} --format csv"), false),
    ] {
        let Some(out) = on_a_terminal(at.path(), variables, arguments) else {
            return;
        };
        let last = if arguments.contains("head") {
            "user03"
        } else {
            "user60"
        };
        assert!(out.contains(last), "{what}: {out}");
        assert_eq!(
            out.contains(&format!("paged:{last}")),
            paged,
            "{what}: {out}"
        );
    }
    // Nobody looks.
    let out = crabwalk(at.path(), &["search", "* | table user", "logs.json", "-q"]).said(0);
    assert!(out.contains("user60") && !out.contains("paged"), "{out}");
}

#[test]
fn colours_are_used_where_they_are_wanted() {
    let at = tempfile::tempdir().unwrap();
    logs(at.path());
    for (what, variables, arguments, coloured) in [
        ("a terminal", &[][..], FEW, true),
        ("NO_COLOR", &[("NO_COLOR", "1")], FEW, false),
        ("an empty NO_COLOR", &[("NO_COLOR", "")], FEW, true),
        ("a dumb terminal", &[("TERM", "dumb")], FEW, false),
        ("never", &[], &format!("{FEW} --color never"), false),
        (
            "always",
            &[("NO_COLOR", "1")],
            &format!("{FEW} --color always"),
            true,
        ),
    ] {
        let Some(out) = on_a_terminal(at.path(), variables, arguments) else {
            return;
        };
        assert_eq!(out.contains("\u{1b}[1m"), coloured, "{what}: {out}");
    }
    let few = ["search", "* | head 3 | table user", "logs.json", "-q"];
    for (more, coloured) in [(&[][..], false), (&["--color", "always"], true)] {
        let out = crabwalk(at.path(), &[&few[..], more].concat()).said(0);
        assert_eq!(out.contains("\u{1b}[1m"), coloured, "{out}");
    }
}
