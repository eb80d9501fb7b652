//! `crabwalk content test`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crabwalk_detect::Content;
use crabwalk_detect::cases::{self, DataMap, Runner, TestKind, TestResult, Verdict};
use crabwalk_vocabulary::suggest::most_alike;
use crabwalk_vocabulary::wildcard;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::outcome::{Done, Failure, note};
use crate::term;

/// What to test, and how.
pub struct Options<'a> {
    pub content: &'a Content,
    pub paths: &'a [PathBuf],
    pub data_map: Option<&'a Path>,
    pub detections: &'a [String],
    pub junit: Option<&'a Path>,
    pub threads: Option<usize>,
    pub verbose: bool,
}

/// Runs the command.
pub fn run(options: &Options<'_>) -> Result<Done, Failure> {
    let content = options.content;
    let failed = |path: &Path, why: String| Failure::new(format!("{}: {why}", path.display()));
    let data = match options.data_map {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| failed(path, error.to_string()))?;
            let directory = path.parent().unwrap_or(Path::new(""));
            DataMap::parse(&text, directory).map_err(|why| failed(path, why))?
        }
        None => DataMap::default(),
    };
    for pattern in options.detections {
        let fits = content.detections.iter().any(|one| {
            wildcard::matches(pattern, &one.name) || wildcard::matches(pattern, &one.id)
        });
        if !fits {
            let names = content.detections.iter().map(|one| one.name.as_str());
            let hint = most_alike(pattern, names)
                .map(|name| format!("; did you mean `{name}`?"))
                .unwrap_or_default();
            return Err(Failure::new(format!(
                "no detection is named `{pattern}`{hint}"
            )));
        }
    }
    let (files, mut problems) = cases::load(options.paths);
    problems.extend(
        content
            .problems
            .iter()
            .filter(|one| one.fatal && crate::input::is_below(&one.path, options.paths))
            .cloned(),
    );
    problems.sort_by(|a, b| (&a.path, &a.message).cmp(&(&b.path, &b.message)));
    problems.dedup();
    let threads = options
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let wanted = |one: &crabwalk_detect::Detection| {
        // Content that is only used is not tested, but a case file may be about it.
        (crate::input::is_below(&one.origin.path, options.paths)
            || files
                .iter()
                .any(|file| file.detection == one.name || file.detection == one.id))
            && (options.detections.is_empty()
                || options.detections.iter().any(|pattern| {
                    wildcard::matches(pattern, &one.name) || wildcard::matches(pattern, &one.id)
                }))
    };
    let results = Runner::new(content, data, threads).run(&files, &wanted);
    for problem in &problems {
        note("problem", &problem.to_string());
    }
    if let Some(path) = options.junit {
        let file = File::create(path).map_err(|error| failed(path, error.to_string()))?;
        report(&results)
            .serialize(BufWriter::new(file))
            .map_err(|error| failed(path, error.to_string()))?;
    }
    if results.is_empty() {
        note(
            "warning",
            "no tests here: expected detections with `tests:`, or files of cases with `detection:`, `fires:` and `quiet:`",
        );
    }
    let mut out = io::stdout().lock();
    out.write_all(text(&results, options.verbose).as_bytes())?;
    out.flush()?;
    let wrong = !problems.is_empty()
        || results
            .iter()
            .any(|one| matches!(one.verdict, Verdict::Failed(_)));
    Ok(if wrong { Done::Wrong } else { Done::Whole })
}

fn title(one: &TestResult) -> String {
    match one.kind {
        TestKind::Fires => format!("fires: {}", one.test),
        TestKind::Quiet => format!("quiet: {}", one.test),
        TestKind::AttackData => format!("recorded attack: {}", one.test),
    }
}

fn text(results: &[TestResult], verbose: bool) -> String {
    let mut text = String::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for one in results {
        let head = |word: &str| {
            format!(
                "{word:<8}{} | {}",
                term::safe(&one.detection),
                term::safe(&title(one))
            )
        };
        match &one.verdict {
            Verdict::Passed(findings) => {
                passed += 1;
                if verbose {
                    let _ = writeln!(
                        text,
                        "{} ({})",
                        head("passed"),
                        term::count(*findings as u64, "finding")
                    );
                }
            }
            Verdict::Failed(why) => {
                failed += 1;
                let _ = writeln!(text, "{}", head("FAILED"));
                let _ = writeln!(text, "        {}", term::safe(&one.path));
                for line in why.iter().flat_map(|why| why.lines()) {
                    let _ = writeln!(text, "        {}", term::safe(line));
                }
            }
            Verdict::Skipped(why) => {
                skipped += 1;
                if verbose {
                    let _ = writeln!(text, "{}: {}", head("skipped"), term::safe(why));
                } else {
                    let short = why.split("://").next().unwrap_or(why);
                    *reasons
                        .entry(
                            short
                                .trim_end_matches("https")
                                .trim_end_matches("http")
                                .trim_end(),
                        )
                        .or_default() += 1;
                }
            }
        }
    }
    for (why, count) in reasons {
        let _ = writeln!(
            text,
            "skipped {}: {} … (--verbose names them)",
            term::count(count, "test"),
            term::safe(why)
        );
    }
    let _ = writeln!(
        text,
        "{}: {passed} passed, {failed} failed, {skipped} skipped",
        term::count(results.len() as u64, "test")
    );
    text
}

/// One suite per detection.
fn report(results: &[TestResult]) -> Report {
    let mut report = Report::new("crabwalk content test");
    let mut rest = results;
    while let Some(first) = rest.first() {
        let same = rest
            .iter()
            .take_while(|one| one.detection == first.detection)
            .count();
        let (suite_results, others) = rest.split_at(same);
        let mut suite = TestSuite::new(first.detection.as_str());
        for one in suite_results {
            let status = match &one.verdict {
                Verdict::Passed(_) => TestCaseStatus::success(),
                Verdict::Failed(why) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_type("failed");
                    status.set_message(why.first().map_or("", String::as_str));
                    status.set_description(why.join("\n"));
                    status
                }
                Verdict::Skipped(why) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(why.as_str());
                    status
                }
            };
            let mut case = TestCase::new(title(one), status);
            case.set_classname(first.detection.as_str());
            case.set_time(Duration::try_from_secs_f64(one.seconds).unwrap_or_default());
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
        rest = others;
    }
    report
}
