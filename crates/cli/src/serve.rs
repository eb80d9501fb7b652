//! `crabwalk serve`.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use crabwalk_server::Started;
use crabwalk_server::token::Token;
use tracing_subscriber::filter::LevelFilter;

use crate::args::{self, LogFormat, ServeCommand, TokenCommand};
use crate::input;
use crate::outcome::{Done, Failure, note, tell as tell_failure};
use crate::serve_config::Whole;
use crate::term;

/// Runs the command.
pub fn run(args: &args::Serve) -> Result<Done, Failure> {
    let whole = Whole::of(args)?;
    match &args.command {
        Some(ServeCommand::Token { command }) => token(whole.data(), command),
        None if args.print_config => {
            io::stdout().write_all(whole.print()?.as_bytes())?;
            Ok(Done::Whole)
        }
        None if args.check_config => check(&whole),
        None => serve(args, &whole),
    }
}

/// Checks whether the server would start: addresses, certificate, content.
fn check(whole: &Whole) -> Result<Done, Failure> {
    let config = whole.config()?;
    crabwalk_server::check(&config).map_err(|error| Failure::new(error.to_string()))?;
    let content = input::content(&whole.known())?;
    for problem in &content.problems {
        note("warning", &problem.to_string());
    }
    writeln!(io::stdout(), "the configuration can be used")?;
    Ok(match content.problems.is_empty() {
        true => Done::Whole,
        false => Done::InPart,
    })
}

fn serve(args: &args::Serve, whole: &Whole) -> Result<Done, Failure> {
    let (format, verbose) = whole.log();
    log(format, verbose);
    // Report errors in a path now, not in the first hunt.
    input::content(&whole.known())?;
    #[cfg_attr(not(feature = "cluster"), expect(unused_mut, reason = "nobody shares"))]
    let mut config = whole.config()?;
    #[cfg(feature = "cluster")]
    {
        config.sharing = crate::cluster::sharing(&args.cluster)?;
    }
    if args.demo && config.tls.is_some() {
        return Err(Failure::new("--demo works without TLS only"));
    }
    let demo = match args.demo {
        true => Some(demo_token(whole.data())?),
        false => None,
    };
    let told = |started: &Started| {
        // Nobody may be reading the output any more; the server runs anyway.
        let _ = tell(started);
        if let (Some(token), Some(address)) = (demo, started.listening.first().copied()) {
            let data = whole.data().to_owned();
            std::thread::spawn(move || {
                if let Err(failure) = crate::serve_demo::play(&data, address, &token) {
                    tell_failure(&failure);
                }
            });
        }
    };
    crabwalk_server::run(&config, told).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Done::Whole)
}

/// The token for sending the demo's events.
fn demo_token(data: &Path) -> Result<String, Failure> {
    const NAME: &str = "demo";
    let failed = |error: crabwalk_server::token::TokenError| Failure::new(error.to_string());
    let tokens = crabwalk_server::tokens(data).map_err(failed)?;
    if tokens.all().iter().any(|token| token.name == NAME) {
        tokens.remove(NAME).map_err(failed)?;
    }
    let token = Token {
        name: NAME.to_owned(),
        ..Token::default()
    };
    tokens.add(token, None).map_err(failed)
}

fn tell(started: &Started) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let scheme = if started.encrypted { "https" } else { "http" };
    for address in &started.listening {
        writeln!(out, "listening on {scheme}://{address}")?;
    }
    for (address, encrypted) in &started.syslog {
        let how = if *encrypted {
            "over TLS"
        } else {
            "over UDP and TCP"
        };
        writeln!(out, "syslog and JSON lines {how} on {address}")?;
    }
    if let (Some(link), Some(address)) = (&started.link, started.listening.first()) {
        writeln!(out, "\nCreate the first account with this one-time link:\n")?;
        writeln!(out, "  {scheme}://{address}/setup?key={link}")?;
    }
    if let (Some(token), Some(address)) = (&started.token, started.listening.first()) {
        writeln!(out, "\nToken for senders, shown only once:\n\n  {token}\n")?;
        writeln!(out, "Send a first event:\n")?;
        writeln!(out, "  {}\n", first_event(scheme, *address, token))?;
    }
    out.flush()
}

fn first_event(scheme: &str, address: SocketAddr, token: &str) -> String {
    format!(
        "curl {scheme}://{address}/services/collector/event -H 'Authorization: Splunk {token}' -d '{{\"event\": \"hello\"}}'"
    )
}

/// Starts logging to standard error.
pub fn log(format: LogFormat, verbose: bool) {
    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let log = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(level)
        .with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(term::stderr_colour()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

fn token(data: &Path, command: &TokenCommand) -> Result<Done, Failure> {
    let failed = |error: crabwalk_server::token::TokenError| Failure::new(error.to_string());
    let tokens = crabwalk_server::tokens(data).map_err(failed)?;
    match command {
        TokenCommand::Add {
            name,
            acknowledge,
            in_url,
            index,
            source,
            sourcetype,
            secret,
        } => {
            let token = Token {
                name: name.clone(),
                acknowledges: *acknowledge,
                in_query: *in_url,
                indexes: index.clone(),
                index: index.first().cloned().unwrap_or_default(),
                source: source.clone().unwrap_or_default(),
                sourcetype: sourcetype.clone().unwrap_or_default(),
                ..Token::default()
            };
            let secret = tokens.add(token, secret.clone()).map_err(failed)?;
            writeln!(io::stdout(), "{secret}")?;
        }
        TokenCommand::List => {
            let headers = ["name", "begins", "made", "acknowledges", "indexes"].map(str::to_owned);
            let rows: Vec<Vec<String>> = tokens
                .all()
                .iter()
                .cloned()
                .map(|token| {
                    let made = jiff::Timestamp::from_microsecond(token.made);
                    vec![
                        token.name,
                        format!("{}…", token.begins),
                        made.map(|made| made.strftime("%F").to_string())
                            .unwrap_or_default(),
                        if token.acknowledges { "yes" } else { "no" }.to_owned(),
                        token.indexes.join(", "),
                    ]
                })
                .collect();
            let text = term::table(&headers, &rows, &term::Look::stdout());
            io::stdout().write_all(text.as_bytes())?;
        }
        TokenCommand::Remove { name } => tokens.remove(name).map_err(failed)?,
    }
    Ok(Done::Whole)
}
