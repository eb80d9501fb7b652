//! `crabwalk serve`.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crabwalk_server::token::Token;
use crabwalk_server::{Config, Hunting, Limits, Output, Started};
use tracing_subscriber::filter::LevelFilter;

use crate::args::{self, LogFormat, ServeCommand, TokenCommand};
use crate::input;
use crate::outcome::{Done, Failure, tell as tell_failure};
use crate::term;

/// Runs the command.
pub fn run(args: &args::Serve) -> Result<Done, Failure> {
    match &args.command {
        Some(ServeCommand::Token { command }) => token(&args.data, command),
        None => serve(args),
    }
}

fn serve(args: &args::Serve) -> Result<Done, Failure> {
    log(args.log_format, args.verbose);
    let known = args.known.clone();
    // Report errors in a path now, not in the first hunt.
    input::content(&known)?;
    let hunting = Hunting {
        // A path is to be seen growing.
        every: if args.demo {
            Duration::from_secs(10)
        } else {
            args.every
        },
        back: args.back,
    };
    let mut alerts: Vec<Output> = args.alert_file.iter().cloned().map(Output::File).collect();
    alerts.extend(args.alert_webhook.iter().map(|url| Output::Webhook {
        url: url.clone(),
        secret: args.alert_secret.clone(),
    }));
    alerts.extend(args.alert_slack.iter().cloned().map(Output::Slack));
    alerts.extend(args.alert_syslog.iter().cloned().map(Output::Syslog));
    let config = Config {
        folders: args.watch.clone(),
        content: Arc::new(move || input::content(&known).map_err(|error| error.to_string())),
        threads: args.threads.unwrap_or_else(|| {
            // Leave half of the machine to senders and searches.
            std::thread::available_parallelism().map_or(1, |all| all.get().div_ceil(2))
        }),
        hunting: (!args.no_hunt).then_some(hunting),
        schedules: !args.no_schedules,
        alerts,
        data: args.data.clone(),
        listen: args.listen.clone(),
        syslog: args.syslog.clone(),
        syslog_tls: args.syslog_tls.clone(),
        tls: args.tls_cert.clone().zip(args.tls_key.clone()),
        limits: Limits {
            body: args.max_body,
            waiting: args.max_waiting,
            ..Limits::default()
        },
    };
    let demo = match args.demo {
        true => Some(demo_token(&args.data)?),
        false => None,
    };
    let told = |started: &Started| {
        // Nobody may be reading the output any more; the server runs anyway.
        let _ = tell(started);
        if let (Some(token), Some(address)) = (demo, started.listening.first().copied()) {
            let data = args.data.clone();
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

fn log(format: LogFormat, verbose: bool) {
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
