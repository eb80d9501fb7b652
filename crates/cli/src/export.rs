//! `crabwalk export`.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crabwalk_case::{Case, Report};
use crabwalk_events::Catalog;
use crabwalk_sources::Input;
use crabwalk_store::Store;

use crate::args::{self, ExportFormat};
use crate::outcome::{Done, Failure};

/// Runs the command.
pub fn run(args: &args::Export) -> Result<Done, Failure> {
    if !args.logs.is_empty() && args.format != ExportFormat::Html {
        return Err(Failure::new(
            "--logs works with the html format only; the others hold no raw records",
        ));
    }
    let mut case = read(&args.case)?;
    let report = match args.format {
        ExportFormat::Html => Some(report(&mut case, args)?),
        _ => None,
    };
    let write = |out: &mut dyn Write| -> io::Result<()> {
        match args.format {
            ExportFormat::Html => report.as_ref().map_or(Ok(()), |report| report.write(out)),
            ExportFormat::Navigator => crabwalk_case::navigator(&case, out),
            ExportFormat::Stix => crabwalk_case::stix(&case, out),
            ExportFormat::Timesketch => crabwalk_case::timesketch(&case, out),
            ExportFormat::Ocsf => crabwalk_case::ocsf(&case, out),
            ExportFormat::Opengraph => crabwalk_case::opengraph(&case, out),
            ExportFormat::IrisAlerts => crabwalk_case::iris_alerts(&case, out),
            ExportFormat::IrisTimeline => crabwalk_case::iris_timeline(&case, out),
            ExportFormat::Csv => crabwalk_case::timeline_csv(&case, out),
            ExportFormat::Graphml => crabwalk_case::graphml(&case, out),
            ExportFormat::Dot => crabwalk_case::dot(&case, out),
            ExportFormat::Markdown => crabwalk_case::markdown(&case, out),
        }
    };
    match &args.output {
        Some(path) => crabwalk_case::write_file(path, &write)
            .map_err(|error| Failure::new(error.to_string()))?,
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            out.flush()?;
        }
    }
    Ok(Done::Whole)
}

fn report(case: &mut Case, args: &args::Export) -> Result<Report, Failure> {
    if crabwalk_case::front_end().is_none() {
        return Err(Failure::new(crabwalk_case::WITHOUT_FRONT_END));
    }
    for path in &args.logs {
        std::fs::metadata(path)
            .map_err(|error| Failure::new(format!("--logs {}: {error}", path.display())))?;
    }
    let failed = |error: io::Error| Failure::new(format!("the report could not be made: {error}"));
    let mut report = Report::new(case).map_err(failed)?;
    if !args.logs.is_empty() {
        let mut inputs: Vec<Input> = Vec::new();
        let mut stored = None;
        for path in &args.logs {
            match Store::find(path)? {
                None => inputs.push(Input::Path(path.clone())),
                Some(store) => {
                    inputs.extend(store.originals());
                    stored = Some(store.snapshot()?);
                }
            }
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        report
            .read_records(
                case,
                &inputs,
                threads,
                stored.as_ref().map(|one| one as &dyn Catalog),
            )
            .map_err(failed)?;
    }
    Ok(report)
}

/// Reads a case.
pub(crate) fn read(path: &Path) -> Result<Case, Failure> {
    let failed = |what: String| Failure::new(format!("{}: {what}", path.display()));
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| failed(error.to_string()))?)
    };
    crabwalk_case::from_json(input).map_err(|error| failed(error.to_string()))
}
