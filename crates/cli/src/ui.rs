//! `crabwalk ui`: a case in the browser, from a server on this machine that has nothing but its report.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crabwalk_case::Report;

use crate::args;
use crate::export;
use crate::outcome::{Done, Failure, note};

/// Bytes of a request's head that are read.
const MOST_HEAD: u64 = 16 << 10;
/// Connections that are answered at once; a browser opens a few.
const MOST_CONNECTIONS: usize = 32;
/// How long a client may take for its request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the command: serves until the program is ended.
pub fn run(args: &args::Ui) -> Result<Done, Failure> {
    let page = page(&args.case)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).map_err(|error| {
        Failure::new(format!(
            "cannot listen on port {} of this machine: {error}",
            args.port
        ))
    })?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}/");
    let mut out = io::stdout().lock();
    writeln!(out, "{url}").and_then(|()| out.flush())?;
    drop(out);
    note(
        "note",
        "the case is at this address, for this machine only, until Ctrl-C",
    );
    if !args.no_open && !open(&url) {
        note(
            "note",
            "no browser could be started; open the address in one",
        );
    }
    serve(&listener, address, &page);
    Ok(Done::Whole)
}

/// The report: one that lies beside the case, or one that is made of it.
fn page(case: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |path: &Path, what: &dyn std::fmt::Display| {
        Failure::new(format!("{}: {what}", path.display()))
    };
    let (report, document): (PathBuf, PathBuf) = match fs::metadata(case) {
        Err(error) => return Err(failed(case, &error)),
        Ok(meta) if meta.is_dir() => (case.join("report.html"), case.join("case.json")),
        Ok(_) => (PathBuf::new(), case.to_owned()),
    };
    if report.is_file() {
        return fs::read(&report).map_err(|error| failed(&report, &error));
    }
    if !document.is_file() {
        let what =
            "holds neither report.html nor case.json; `crabwalk hunt LOGS --out DIR` writes both";
        return Err(failed(case, &what));
    }
    if crabwalk_case::front_end().is_none() {
        return Err(Failure::new(crabwalk_case::WITHOUT_FRONT_END));
    }
    let mut case = export::read(&document)?;
    let mut page = Vec::new();
    Report::new(&mut case)
        .and_then(|report| report.write(&mut page))
        .map_err(|error| failed(&document, &format!("the report could not be made: {error}")))?;
    Ok(page)
}

/// Opens an address in the user's browser, and returns whether something was started for that.
fn open(url: &str) -> bool {
    let (program, arguments): (&str, &[&str]) = if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else if cfg!(target_os = "macos") {
        ("open", &[])
    } else {
        ("xdg-open", &[])
    };
    Command::new(program)
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

/// Answers requests, each on its own thread.
fn serve(listener: &TcpListener, address: SocketAddr, page: &[u8]) {
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            if open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let own = Arc::clone(&open);
            let begun = std::thread::Builder::new().spawn_scoped(scope, move || {
                // Whoever hangs up has seen enough.
                let _ = answer(stream, address, page);
                own.fetch_sub(1, Ordering::Relaxed);
            });
            if begun.is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    });
}

/// What a request asks for.
enum Asked {
    Page {
        body: bool,
    },
    /// A status and what it means.
    No(&'static str),
}

fn asked(head: &mut impl BufRead, address: SocketAddr) -> io::Result<Asked> {
    let mut line = String::new();
    head.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    let (method, path) = (
        words.next().unwrap_or_default().to_owned(),
        words.next().unwrap_or_default().to_owned(),
    );
    let mut host = None;
    loop {
        let mut field = String::new();
        if head.read_line(&mut field)? == 0 {
            return Ok(Asked::No("400 Bad Request"));
        }
        let field = field.trim_end();
        if field.is_empty() {
            break;
        }
        if let Some((name, value)) = field.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            host = Some(value.trim().to_ascii_lowercase());
        }
    }
    // Another site's name that leads to this machine must not give that site's scripts the case.
    let port = address.port();
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if !host.is_some_and(|host| own.contains(&host)) {
        return Ok(Asked::No("421 Misdirected Request"));
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    Ok(match (method.as_str(), path) {
        ("GET" | "HEAD", "/" | "/report.html") => Asked::Page {
            body: method == "GET",
        },
        ("GET" | "HEAD", _) => Asked::No("404 Not Found"),
        _ => Asked::No("405 Method Not Allowed"),
    })
}

fn answer(mut stream: TcpStream, address: SocketAddr, page: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let asked = asked(&mut BufReader::new((&stream).take(MOST_HEAD)), address)?;
    let (status, kind, body, sent): (&str, &str, &[u8], bool) = match asked {
        Asked::Page { body } => ("200 OK", "text/html; charset=utf-8", page, body),
        Asked::No(status) => (status, "text/plain; charset=utf-8", status.as_bytes(), true),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nX-Content-Type-Options: nosniff\r\n\
         X-Frame-Options: DENY\r\nCross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if sent {
        stream.write_all(body)?;
    }
    stream.flush()
}
