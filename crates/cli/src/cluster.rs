//! `crabwalk worker`, and searches that workers share.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use crabwalk_cluster::{ClusterError, Coordinator, Machines, Options, Ran, Trust, worker};
use crabwalk_detect::Query;
use crabwalk_server::Sharing;
use crabwalk_store::Store;

use crate::args::{self, LogFormat};
use crate::input;
use crate::outcome::{Done, Failure, note};
use crate::serve;
use crate::term;
use crabwalk_store::Logs as Opened;

/// Number of events of a type for which another worker takes part.
const ROWS_PER_TASK: u64 = 100_000;

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        Self::new(error.to_string())
    }
}

fn trust(args: &args::Trust) -> Result<Trust, ClusterError> {
    Trust::read(args.token.as_deref(), args.authorities.as_deref())
}

/// Runs `crabwalk worker`.
pub fn work(args: &args::Worker) -> Result<Done, Failure> {
    serve::log(LogFormat::Text, args.verbose);
    let content = input::content(&args.known)?;
    for problem in &content.problems {
        note("warning", &problem.to_string());
    }
    let options = worker::Options {
        listen: args.listen,
        store: Arc::new(Store::open(&args.store)?),
        knowledge: Arc::new(content.knowledge),
        memory: usize::try_from(args.search.search_memory)
            .unwrap_or(usize::MAX)
            .saturating_mul(1 << 20),
        trust: trust(&args.trust)?,
        certificate: args.tls_cert.clone().zip(args.tls_key.clone()),
    };
    let listening = |address| {
        // Nobody may be reading the output any more; the worker runs anyway.
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    };
    worker::run(options, listening, worker::interrupted())?;
    Ok(Done::Whole)
}

fn machines(args: &args::Cluster) -> Result<Arc<Machines>, ClusterError> {
    Machines::new(Options {
        workers: args.workers.clone(),
        trust: trust(&args.trust)?,
        timeout: Duration::from_secs(args.timeout),
        from_rows: args.from,
        rows_per_task: ROWS_PER_TASK.min(args.from),
    })
}

/// The machines that share a server's searches, if there are any.
pub fn sharing(args: &args::Cluster) -> Result<Option<Sharing>, Failure> {
    if args.workers.is_empty() {
        return Ok(None);
    }
    let machines = machines(args)?;
    Ok(Some(Sharing {
        from: args.from,
        place: Arc::new(move |snapshot| machines.each(snapshot)),
    }))
}

/// The search as workers share it, if there are any.
pub fn shared(
    args: &args::Cluster,
    query: Query,
    read: &Opened,
) -> Result<(Query, Option<Arc<Coordinator>>), Failure> {
    if args.workers.is_empty() {
        return Ok((query, None));
    }
    let Some(store) = &read.store else {
        return Err(Failure::new(
            "--cluster searches a store, and these are other logs; add them to one with `crabwalk ingest PATH… --store DIR`",
        ));
    };
    let coordinator = machines(args)?.over(Arc::clone(store));
    let query = query.at(Arc::clone(&coordinator) as _);
    Ok((query, Some(coordinator)))
}

/// Says on standard error how a search was shared.
pub fn tell(ran: &[Ran]) {
    for ran in ran {
        for worker in &ran.silent {
            note("warning", &format!("no answer from {worker}"));
        }
        if !ran.lost.is_empty() {
            let lost = ran.lost.join(", ");
            note("warning", &format!("{lost} stopped; the search ran again"));
        }
        let how = match &ran.here {
            Some(why) => format!("not shared: {why}"),
            None => {
                let (workers, tasks) = (ran.workers as u64, ran.tasks as u64);
                format!(
                    "{}, {}",
                    term::count(workers, "worker"),
                    term::count(tasks, "task")
                )
            }
        };
        note("cluster", &how);
    }
}
