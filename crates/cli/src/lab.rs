//! `crabwalk lab`.

use std::io::{self, Write};

use crabwalk_lab::enterprise::{self, EnterpriseOptions, LogonOptions, Network, Profile, Work};
use crabwalk_lab::{Options, may_use};

use crate::args::{Company, Hardness, Lab, LabBuild, LabCommand};
use crate::outcome::{Done, Failure};
use crate::{demo, evaluate, term};

/// Runs `lab`.
pub fn run(args: &Lab) -> Result<Done, Failure> {
    match &args.command {
        LabCommand::Build(args) => build(args),
        LabCommand::Evaluate(args) => evaluate::run(args),
        LabCommand::Score {
            directory,
            case,
            format,
            verbose,
        } => evaluate::score_files(directory, case, *format, *verbose),
    }
}

/// The profile described by arguments.
pub fn profile(args: &Company) -> Result<Profile, Failure> {
    let usual = match args.profile {
        Hardness::Usual => Profile::default(),
        Hardness::Hard => Profile::hard(),
    };
    let work = match &args.work {
        None => usual.work,
        Some(kinds) => kinds
            .iter()
            .filter(|kind| *kind != "none")
            .map(|kind| kind.parse::<Work>())
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(error.to_string()))?,
    };
    Ok(Profile {
        dns: args.domain.clone().unwrap_or(usual.dns),
        netbios: args.netbios.clone().unwrap_or(usual.netbios),
        ntlm: args.ntlm.or(usual.ntlm),
        work,
        poll: args.poll,
        network: Network {
            leases: args.leases.unwrap_or(usual.network.leases),
            vpn: args.vpn.unwrap_or(usual.network.vpn),
            nat: args.nat.unwrap_or(usual.network.nat),
        },
        telemetry: args
            .telemetry
            .as_deref()
            .map_or(Ok(usual.telemetry), str::parse)
            .map_err(|error: crabwalk_lab::LabError| Failure::new(error.to_string()))?,
    })
}

fn build(args: &LabBuild) -> Result<Done, Failure> {
    let directory = args.directory.as_path();
    let (events, hosts, bytes) = if let Some(events) = args.logons {
        may_use(directory)?;
        let options = LogonOptions {
            seed: args.seed,
            events,
            hosts: args.hosts.unwrap_or(300),
            days: args.days.unwrap_or(30),
        };
        let made = enterprise::build_logons(&options, directory)?;
        (made.events, made.hosts, made.evtx_bytes)
    } else if let Some(hosts) = args.hosts {
        may_use(directory)?;
        let usual = EnterpriseOptions::default();
        let options = EnterpriseOptions {
            seed: args.seed,
            hosts,
            days: args.days.unwrap_or(usual.days),
            intrusions: if args.no_intrusion {
                0
            } else {
                args.intrusions
            },
            volume: args.volume,
            profile: profile(&args.company)?,
            ..usual
        };
        let truth = crabwalk_lab::build(&options, directory)?;
        (truth.events, truth.hosts.len() as u64, truth.evtx_bytes)
    } else {
        let usual = Options::default();
        let options = Options {
            seed: args.seed,
            target_bytes: args.bytes,
            days: args.days.unwrap_or(usual.days),
            workstations: args.workstations.unwrap_or(usual.workstations),
            servers: args.servers.unwrap_or(usual.servers),
            intrusion: !args.no_intrusion,
            ..usual
        };
        let truth = demo::build(&options, directory)?;
        (truth.events, truth.hosts.len() as u64, truth.evtx_bytes)
    };
    let text = format!(
        "{} from {} in {} ({} of EVTX)\n",
        term::count(events, "record"),
        term::count(hosts, "host"),
        directory.display(),
        term::bytes(bytes)
    );
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Done::Whole)
}
