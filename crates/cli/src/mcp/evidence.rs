//! What an assistant may look at: a case, logs, or both, as the command line named them.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crabwalk_case::dossier::{Asked, Dossiers};
use crabwalk_case::{Case, RawRecord, Reference, SCHEMA, raw_records};
use crabwalk_detect::query::{Answer, Bounded, Bounds};
use crabwalk_detect::risk;
use crabwalk_detect::{Exception, Query, RunError, Stop};
use crabwalk_events::Catalog;
use crabwalk_sources::Input;
use crabwalk_sources::report::SourceReport;
use crabwalk_store::Store;

use super::data::Refusal;
use crate::args::{self, Known};
use crate::dossier;
use crate::hunt::{self, Hunted};
use crate::input::{self, Logs};
use crate::outcome::Failure;
use crate::progress::Bar;
use crate::search::earlier_case;

/// Longest time for a search once its logs are read.
const SEARCH_TIME: Duration = Duration::from_secs(300);
/// Maximum bytes of the values of a search's rows.
const MOST_RESULT: usize = 8 << 20;
/// What to do where logs are needed.
const WITHOUT_LOGS: &str = "This server was started with a case alone. Ask the person who started it to add the logs: \
    crabwalk mcp case.json --logs PATH.";

/// What to hunt for.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Ignore events before this, in microseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// Ignore events after this, likewise.
    pub until: Option<i64>,
    /// Names of detections; empty for all.
    pub detections: Vec<String>,
    /// Names of stories; empty for all.
    pub stories: Vec<String>,
}

/// A case and logs.
pub struct Evidence {
    /// The case of the command line, or the last hunt's.
    case: Option<Case>,
    /// Whether the case is that of the command line.
    given: bool,
    logs: Option<Logs>,
    /// Where raw records can be read again.
    inputs: Vec<Input>,
    /// What the last hunt read.
    catalog: Option<Arc<dyn Catalog>>,
    /// The last hunt's question.
    question: Question,
    known: Known,
    exceptions: Vec<Exception>,
}

/// The rows of a search, and what else to say of it.
pub struct Found {
    pub answer: Answer,
    /// Whether these are all rows.
    pub whole: bool,
    /// How many sources could be read in part only.
    pub damaged: usize,
}

fn refused(failure: &Failure, help: &'static str) -> Refusal {
    Refusal::new(failure.to_string(), help)
}

impl Evidence {
    /// Opens what the command line names. Logs are not read yet.
    ///
    /// # Errors
    /// If a case cannot be read, or a path is not there.
    pub fn open(args: &args::Mcp) -> Result<Self, Failure> {
        for path in args.logs.paths.iter().chain(&args.of_case) {
            if path.as_os_str() == "-" {
                return Err(Failure::new(
                    "standard input belongs to the assistant's client: name files, folders or a store",
                ));
            }
            std::fs::metadata(path)
                .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        }
        let given = match args.logs.paths.as_slice() {
            [path] if path.is_file() => earlier_case(path).transpose()?,
            _ => None,
        };
        if let Some(case) = &given
            && case.schema != SCHEMA
        {
            return Err(Failure::new(format!(
                "the case has schema `{}`; this version reads `{SCHEMA}`",
                case.schema
            )));
        }
        let mut logs = Logs::from(&args.logs);
        let logs = if given.is_none() {
            if !args.of_case.is_empty() {
                return Err(Failure::new(
                    "--logs goes with a case.json; without one, give the logs alone",
                ));
            }
            Some(logs)
        } else if args.of_case.is_empty() {
            None
        } else {
            logs.paths.clone_from(&args.of_case);
            Some(logs)
        };
        let mut inputs = Vec::new();
        for path in logs.iter().flat_map(|logs| &logs.paths) {
            match Store::find(path)? {
                None => inputs.push(Input::Path(path.clone())),
                Some(store) => inputs.extend(store.originals()),
            }
        }
        Ok(Self {
            given: given.is_some(),
            case: given,
            logs,
            inputs,
            catalog: None,
            question: Question::default(),
            known: args.known.clone(),
            exceptions: crabwalk_detect::read_exceptions(&args.exceptions)?,
        })
    }

    fn logs(&self) -> Result<&Logs, Refusal> {
        self.logs.as_ref().ok_or_else(|| {
            Refusal::new(
                "there are no logs here, only the case of a hunt",
                WITHOUT_LOGS,
            )
        })
    }

    /// The case: the given one, or the last hunt's. Without one, hunts.
    pub fn case(&mut self) -> Result<&Case, Refusal> {
        if self.case.is_none() {
            self.hunt(Question::default())?;
        }
        self.case
            .as_ref()
            .ok_or_else(|| Refusal::new("there is no case", WITHOUT_LOGS))
    }

    /// Hunts through the logs. The result becomes the case.
    pub fn hunt(&mut self, question: Question) -> Result<(), Refusal> {
        if self.given {
            return Err(Refusal::new(
                "this server has the case of a hunt that is over, and hunts no more",
                "Look at it with the other tools. For another hunt, start crabwalk mcp with the logs instead of the case.",
            ));
        }
        self.conclude(question, &Asked::default())
    }

    fn conclude(&mut self, question: Question, asked: &Asked) -> Result<(), Refusal> {
        const HELP: &str = "`crabwalk content list` shows detections and stories; without arguments all of them run.";
        let logs = self.logs()?.within(question.since, question.until);
        let mut options = logs.hunt_options();
        options
            .detections
            .detections
            .clone_from(&question.detections);
        options.detections.stories.clone_from(&question.stories);
        options.detections.exceptions.clone_from(&self.exceptions);
        let content = input::content(&self.known).map_err(|error| refused(&error, HELP))?;
        let Hunted {
            case,
            catalog,
            inputs,
            ..
        } = hunt::hunt(content, &logs, options, asked, true)
            .map_err(|error| refused(&error, HELP))?;
        self.case = Some(case);
        self.catalog = Some(catalog);
        self.inputs = inputs;
        self.question = question;
        Ok(())
    }

    /// The dossiers of what a name means, from the case or, if it has none, from the logs.
    pub fn dossiers(&mut self, name: &str) -> Result<Dossiers, Refusal> {
        const HELP: &str =
            "Names are those of the case: ask `case` with part=hosts or part=accounts.";
        match dossier::meant(self.case()?, name) {
            Ok(meant) => return Ok(meant),
            Err(error) if self.given => {
                return Err(refused(
                    &error,
                    "The case has dossiers of the hosts and accounts on its paths. For others, start crabwalk mcp with the \
                     logs instead of the case.",
                ));
            }
            Err(_) => {}
        }
        let asked = Asked {
            hosts: vec![name.to_owned()],
            accounts: vec![name.to_owned()],
        };
        self.conclude(self.question.clone(), &asked)?;
        dossier::meant(self.case()?, name).map_err(|error| refused(&error, HELP))
    }

    /// The records of events, from the logs.
    pub fn records(&mut self, events: &[Reference]) -> Result<Vec<Option<RawRecord>>, Refusal> {
        let threads = self.logs()?.threads;
        self.case()?;
        let read = match &self.case {
            Some(case) => raw_records(case, events, &self.inputs, threads, self.catalog.as_deref()),
            None => Ok(Vec::new()),
        };
        read.map_err(|error| {
            Refusal::new(
                format!("the logs cannot be read: {error}"),
                "Tell the person who started this server.",
            )
        })
    }

    /// Runs a search over the logs or, if it is about findings, over those of the case.
    pub fn search(
        &mut self,
        text: &str,
        since: Option<i64>,
        until: Option<i64>,
        rows: usize,
        stop: &Stop,
    ) -> Result<Found, Refusal> {
        const HELP: &str = "Mend the search. docs/spl.md of Crabwalk describes its SPL.";
        let content = input::content(&self.known).map_err(|error| refused(&error, HELP))?;
        let attack = content.attack.clone();
        let failed = |error: RunError| match error {
            RunError::Search(error) => Refusal::new(error.render(false), HELP),
            error => Refusal::new(error.to_string(), HELP),
        };
        let query = Query::new(&[("search", text)], Arc::new(content.knowledge)).map_err(failed)?;
        let mut damaged = 0;
        let (catalog, options) = if query.is_of_findings() {
            let options = self.logs.as_ref().map(Logs::run_options);
            let events = risk::events(self.case()?.risk_events(), &attack).map_err(|error| {
                Refusal::new(format!("the findings cannot be searched: {error}"), HELP)
            })?;
            let catalog =
                crabwalk_store::in_memory(events).map_err(|error| refused(&error.into(), HELP))?;
            (
                catalog,
                options.unwrap_or_else(|| Logs::of(Vec::new()).run_options()),
            )
        } else {
            let logs = self.logs().map_err(|_| {
                Refusal::new(
                    "there are no logs here, only the case of a hunt, whose findings can be searched: index=risk, \
                     `notable`, datamodel=Risk.All_Risk",
                    WITHOUT_LOGS,
                )
            })?;
            let logs = logs.within(since, until);
            let crabwalk_store::Logs {
                catalog, sources, ..
            } = logs
                .read(query.demand(), &Bar::new(true))
                .map_err(|error| refused(&error, "Tell the person who started this server."))?;
            damaged = sources
                .iter()
                .filter(|one| SourceReport::is_lossy(one))
                .count();
            (catalog, logs.run_options())
        };
        let bounds = Bounds {
            rows,
            bytes: MOST_RESULT,
            stop: stop.clone(),
        };
        let ran = thread::scope(|scope| {
            let (over, wait) = channel::<()>();
            let late = bounds.stop.clone();
            scope.spawn(move || {
                if wait.recv_timeout(SEARCH_TIME) == Err(RecvTimeoutError::Timeout) {
                    late.stop();
                }
            });
            let ran = query.run_within(&catalog, &options, &bounds);
            drop(over);
            ran
        });
        match ran.map_err(failed)? {
            Bounded::Answer(answer, whole) => Ok(Found {
                answer,
                whole,
                damaged,
            }),
            Bounded::Stopped => Err(Refusal::new(
                format!(
                    "the search was stopped after {} seconds",
                    SEARCH_TIME.as_secs()
                ),
                "Search less: a shorter time (since, until), fewer events, an aggregation (stats) before others.",
            )),
        }
    }
}
