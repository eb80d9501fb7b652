//! A user's search.

use std::sync::Arc;

use crabwalk_events::{Catalog, MemoryCatalog};
use crabwalk_sources::collect::Demand;
use crabwalk_spl::{Diagnostic, Driver, Engine, EngineOptions, Knowledge, Place, Search, Stop};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use crate::content::{Content, ContentOrigin, ContentProblem};
use crate::error::RunError;
use crate::lookups::Lookups;
use crate::run::{Failure, RunOptions, run_all, search_problem, search_warning};
use crate::workers::apart;

/// A search, ready to run.
pub struct Query {
    knowledge: Arc<Knowledge>,
    searches: Vec<Search>,
    demand: Box<dyn Demand>,
    place: Option<Arc<dyn Place>>,
}

/// What a search gave.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Names of the visible columns.
    pub columns: Vec<String>,
    /// Rows: the values of each column; empty if there is no value.
    pub rows: Vec<Vec<Vec<String>>>,
    /// Likely mistakes in the search, such as a field that no event has.
    pub warnings: Vec<Diagnostic>,
}

/// What a search gave, as Arrow tables of one schema.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The visible columns: texts, numbers, lists of them, and `_time` as microseconds in UTC.
    pub schema: SchemaRef,
    /// The rows in order.
    pub batches: Vec<RecordBatch>,
    /// Likely mistakes in the search, such as a field that no event has.
    pub warnings: Vec<Diagnostic>,
    /// The lookups that it wrote.
    pub lookups: Lookups,
}

/// What a search may use, and what ends it early.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Maximum number of rows.
    pub rows: usize,
    /// Maximum number of bytes of the values in all rows.
    pub bytes: usize,
    /// Stops the search.
    pub stop: Stop,
}

/// The answer of a search within bounds.
#[derive(Debug)]
pub enum Bounded {
    /// The answer, and whether it has all rows.
    Answer(Answer, bool),
    /// The search was stopped.
    Stopped,
}

impl Query {
    /// Parses searches; errors refer to each by its `name`.
    ///
    /// # Errors
    /// An error in a search, pointing into its text.
    pub fn new(searches: &[(&str, &str)], knowledge: Arc<Knowledge>) -> Result<Self, RunError> {
        let searches = searches
            .iter()
            .map(|(name, text)| Search::parse(name, text, &knowledge))
            .collect::<Result<Vec<_>, _>>()?;
        let demand = crabwalk_spl::demand(&searches, &knowledge);
        Ok(Self {
            knowledge,
            searches,
            demand,
            place: None,
        })
    }

    /// The same searches, with plans that run elsewhere.
    #[must_use]
    pub fn at(mut self, place: Arc<dyn Place>) -> Self {
        self.place = Some(place);
        self
    }

    fn engine(&self, catalog: &Arc<dyn Catalog>, options: &RunOptions, threads: usize) -> Engine {
        let engine = Engine::new(
            Arc::clone(catalog),
            Arc::clone(&self.knowledge),
            EngineOptions {
                now: options.now,
                threads,
                memory: options.memory,
            },
        );
        match &self.place {
            Some(place) => engine.running_at(Arc::clone(place)),
            None => engine,
        }
    }

    /// The errors of searches, given as name, text and position: whether each can be parsed and planned. Mere warnings,
    /// such as a field that no known event type has, are not fatal.
    pub fn check(
        searches: &[(&str, &str, &ContentOrigin)],
        content: &Content,
    ) -> Result<Vec<ContentProblem>, RunError> {
        let knowledge = Arc::new(content.knowledge.clone());
        let engine = Engine::new(
            Arc::new(MemoryCatalog::default()),
            Arc::clone(&knowledge),
            EngineOptions {
                now: 0.0,
                threads: 1,
                memory: crabwalk_spl::DEFAULT_MEMORY,
            },
        );
        // Plans nest as deep as searches do, so they are built on a thread with a large stack.
        let check = || {
            searches
                .iter()
                .flat_map(|(name, text, origin)| {
                    match Search::parse(name, text, &knowledge)
                        .and_then(|search| engine.check(&search))
                    {
                        Ok(warnings) => warnings
                            .iter()
                            .map(|warning| search_warning(name, origin, text, warning))
                            .collect(),
                        Err(error) => vec![search_problem(origin, text, &error)],
                    }
                })
                .collect()
        };
        Ok(apart(check)?)
    }

    /// The names of the first search's commands.
    pub fn commands(&self) -> Vec<String> {
        let commands = self
            .searches
            .first()
            .map(|search| &search.pipeline().commands);
        let names = commands.into_iter().flatten().map(|one| one.name.clone());
        names.collect()
    }

    /// Where the range of time starts that the first search asks for, as written (`earliest=-7d`).
    pub fn earliest(&self) -> Option<&str> {
        self.searches.first()?.earliest()
    }

    /// The beginning of the first search whose rows are still events ([`Search::events`]).
    pub fn events(&self) -> Option<&str> {
        self.searches.first()?.events()
    }

    /// Plans the first search over a catalog without running it, and returns likely mistakes in it.
    ///
    /// # Errors
    /// What is wrong with it, pointing into its text.
    pub fn plan_over(
        &self,
        catalog: &Arc<dyn Catalog>,
        options: &RunOptions,
    ) -> Result<Vec<Diagnostic>, RunError> {
        let Some(search) = self.searches.first() else {
            return Ok(Vec::new());
        };
        let engine = Engine::new(
            Arc::clone(catalog),
            Arc::clone(&self.knowledge),
            EngineOptions {
                now: options.now,
                threads: 1,
                memory: options.memory,
            },
        );
        Ok(apart(|| engine.check(search))??)
    }

    /// Runs the first search within bounds.
    ///
    /// # Errors
    /// What went wrong with it, pointing into its text.
    pub fn run_within(
        self,
        catalog: &Arc<dyn Catalog>,
        options: &RunOptions,
        bounds: &Bounds,
    ) -> Result<Bounded, RunError> {
        let Some(search) = self.searches.first() else {
            return Ok(Bounded::Answer(Answer::default(), true));
        };
        let engine = self
            .engine(catalog, options, options.threads.max(1))
            .at_most(bounds.rows.saturating_add(1));
        let work = || {
            let driver = Driver::new()?;
            let results = driver.run_unless(engine.run(search), &bounds.stop)?;
            Ok(results.map_or(Bounded::Stopped, |results| bounded(results, bounds)))
        };
        apart(work)?
    }

    /// Runs the first search for its rows as they are, not as text.
    ///
    /// # Errors
    /// What went wrong with it, pointing into its text; or that it was stopped.
    pub fn rows(&self, catalog: &Arc<dyn Catalog>, options: &RunOptions) -> Result<Rows, RunError> {
        let engine = self.engine(catalog, options, options.threads.max(1));
        let work = || {
            let Some(search) = self.searches.first() else {
                return Ok(None);
            };
            let driver = Driver::new()?;
            Ok::<_, RunError>(driver.run_unless(engine.run(search), &options.stop)?)
        };
        let results = apart(work)??.ok_or(RunError::Stopped)?;
        let (schema, batches) = results.table().map_err(RunError::Table)?;
        Ok(Rows {
            schema,
            batches,
            warnings: results.warnings,
            lookups: engine.stored_lookups(),
        })
    }

    /// What the readers must decode.
    pub fn demand(&self) -> &dyn Demand {
        self.demand.as_ref()
    }

    /// Whether the searches are over risk events and notables, which are made from findings, and over no log.
    pub fn is_of_findings(&self) -> bool {
        !self.searches.is_empty()
            && self
                .searches
                .iter()
                .all(|search| search.is_of_made_events(&self.knowledge, &crate::risk::EVENTS))
    }

    /// Runs the searches, and returns one answer for each, in order, and the lookups that they wrote. Searches that
    /// write lookups run one after another, in order, so that later ones see what earlier ones wrote.
    ///
    /// # Errors
    /// What went wrong with a search, pointing into its text.
    pub fn run(
        self,
        catalog: &Arc<dyn Catalog>,
        options: &RunOptions,
    ) -> Result<(Vec<Answer>, Lookups), RunError> {
        // A single search may use all threads; several run in parallel.
        let alone = if self.searches.len() == 1 {
            options.threads.max(1)
        } else {
            1
        };
        let engine = self.engine(catalog, options, alone);
        let make = |(), results: crabwalk_spl::Results| {
            let columns: Vec<String> = results.columns.clone();
            let rows = results
                .rows()
                .map(|row| columns.iter().map(|column| row.values(column)).collect())
                .collect();
            Answer {
                columns,
                rows,
                warnings: results.warnings,
            }
        };
        let threads = if self.searches.iter().any(Search::writes_lookups) {
            1
        } else {
            options.threads
        };
        let searches = self.searches.iter().map(|search| ((), search));
        let answers = run_all(
            &engine,
            Engine::run,
            searches,
            threads,
            &options.stop,
            &make,
        )?
        .into_iter()
        .map(|result| {
            result.map_err(|failure| match failure {
                Failure::Search(error) => RunError::Search(error),
                Failure::Panicked(panicked) => RunError::Thread(std::io::Error::other(panicked)),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
        Ok((answers, engine.stored_lookups()))
    }
}

/// As many rows as the bounds allow.
fn bounded(results: crabwalk_spl::Results, bounds: &Bounds) -> Bounded {
    let columns: Vec<String> = results.columns.clone();
    let mut bytes: usize = 0;
    let mut rows: Vec<Vec<Vec<String>>> = Vec::new();
    let mut whole = true;
    for row in results.rows() {
        let row: Vec<Vec<String>> = columns.iter().map(|column| row.values(column)).collect();
        bytes += row.iter().flatten().map(String::len).sum::<usize>() + columns.len() * 24;
        if rows.len() >= bounds.rows || bytes > bounds.bytes {
            whole = false;
            break;
        }
        rows.push(row);
    }
    let answer = Answer {
        columns,
        rows,
        warnings: results.warnings,
    };
    Bounded::Answer(answer, whole)
}
