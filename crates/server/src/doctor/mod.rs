//! What is wrong with a server, and what to do about it: for whoever is called at night. It reads, and changes nothing.

mod certificate;
mod state;
mod system;
mod wire;

use std::path::Path;

use serde::Serialize;

use crate::alert::Alerts;
use crate::server::{Config, Place};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, but not for long, or not safely.
    Warning,
    /// It does not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about, in one or two words.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            outcome: Outcome::Ok,
            found: found.into(),
            advice: None,
        }
    }

    /// It works, but not for long, or not safely.
    pub fn warning(
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            name,
            outcome: Outcome::Warning,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    /// It does not work.
    pub fn failed(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            name,
            outcome: Outcome::Failed,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// What to look at besides what is looked at anyway.
#[derive(Debug, Clone, Copy, Default)]
pub struct Examination {
    /// Whether to send a test alert to every output.
    pub send: bool,
    /// Whether to read every file of the store completely.
    pub thorough: bool,
}

/// Looks at a server that runs with this configuration, or would.
pub fn examine(config: &Config, how: Examination) -> Vec<Check> {
    let mut checks = Vec::new();
    let data = config.data.as_path();
    checks.extend(certificate::check(config));
    if !data.is_dir() {
        checks.push(Check::warning(
            "data",
            format!("{} is not there", data.display()),
            "start `crabwalk serve`, which makes it; or give the right folder with --data or --config",
        ));
        checks.extend(wire::bindable(config));
        checks.extend(outputs(config, None, how));
        return checks;
    }
    checks.extend(system::folder(data));
    checks.extend(system::space(data));
    let running = system::running(data);
    checks.push(match &running {
        Ok(None) => Check::ok("server", "no server is using the data folder"),
        Ok(Some(pid)) => Check::ok(
            "server",
            match pid {
                Some(pid) => format!("a server is running (process {pid})"),
                None => "a server is running".to_owned(),
            },
        ),
        Err(error) => Check::failed(
            "server",
            format!("{}: {error}", data.join("lock").display()),
            "run this as the server's user",
        ),
    });
    match running {
        Ok(None) => checks.extend(wire::bindable(config)),
        _ => checks.extend(wire::answers(config)),
    }
    // Where nothing tells which process it is, it runs all the same.
    let is_running = matches!(running, Ok(Some(_)));
    let pid = running.ok().flatten().flatten();
    checks.extend(system::limits(config, pid));
    checks.extend(system::confinement(pid));
    match Place::of(config, data) {
        Ok(place) => {
            checks.extend(state::store(&place, how.thorough));
            checks.extend(state::log(data, &place, is_running));
        }
        Err(error) => checks.push(Check::failed(
            "store",
            error.to_string(),
            "run this as the server's user",
        )),
    }
    checks.extend(state::files(data));
    checks.extend(state::people(data));
    checks.extend(outputs(config, Some(data), how));
    checks
}

/// Where alerts go, what became of those that were sent, and of a test.
fn outputs(config: &Config, data: Option<&Path>, how: Examination) -> Vec<Check> {
    const NAME: &str = "alerts";
    let mut checks = Vec::new();
    if config.alerts.is_empty() {
        checks.push(Check::warning(
            NAME,
            "they go nowhere: whoever is not looking at the pages learns nothing",
            "configure an output: `crabwalk serve --help` lists them under --alert",
        ));
        return checks;
    }
    let names: Vec<String> = config.alerts.iter().map(crate::Output::name).collect();
    checks.push(Check::ok(NAME, format!("they go to {}", names.join(", "))));
    let folder = data.unwrap_or(&config.data);
    let alerts = match Alerts::open(folder, config.alerts.clone(), config.alert_age) {
        Ok(alerts) => alerts,
        Err(error) => {
            checks.push(Check::failed(
                NAME,
                error.to_string(),
                "restore the file from a backup, or move it away: alerts of the past are sent again then",
            ));
            return checks;
        }
    };
    let (waiting, given_up) = alerts.outstanding();
    if let Some(why) = given_up.first() {
        checks.push(Check::warning(
            NAME,
            format!("{} were given up on, the last: {why}", given_up.len()),
            "mend the output; the pages and GET /api/v1/alerts have these alerts",
        ));
    }
    if let Some(why) = waiting.first() {
        checks.push(Check::warning(
            NAME,
            format!("{} wait to be sent again, the last: {why}", waiting.len()),
            "mend the output; they are sent at growing intervals for about a day",
        ));
    }
    if how.send {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let told = runtime.map(|runtime| runtime.block_on(alerts.test()));
        for (output, result) in told.into_iter().flatten() {
            checks.push(match result {
                Ok(()) => Check::ok(NAME, format!("{output} accepted a test")),
                Err(why) => Check::failed(
                    NAME,
                    format!("{output} did not accept a test: {why}"),
                    "mend it, and try again",
                ),
            });
        }
    }
    checks
}
