//! The README and the book in `docs/`: commands do what pages say, links lead somewhere. CONTRIBUTING.md explains the marks.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crabwalk_testing::{crabwalk, program, tool};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Blocks that are not run, at most. Each has a reason on its page.
const NOT_RUN: usize = 16;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The README and the pages of the book, by their paths below the root.
fn pages() -> BTreeMap<String, String> {
    fn add(folder: &Path, root: &Path, all: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(&path, root, all);
            } else if path.extension().is_some_and(|end| end == "md") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy();
                all.insert(name.into_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = root();
    let mut all = BTreeMap::new();
    add(&root.join("docs"), &root, &mut all);
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    all.insert("README.md".to_owned(), readme);
    assert!(all.len() > 20, "{:?}", all.keys());
    all
}

/// What to do with a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    Run,
    /// Run it if this program is there.
    Needs(String),
    /// It starts a server, which runs until the page ends or the next one starts.
    Server,
    /// For this reason.
    NotRun(String),
}

/// A block of commands, and what it must print.
#[derive(Debug, Clone)]
struct Block {
    line: usize,
    script: String,
    mark: Mark,
    output: Vec<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let mut mark = Mark::Run;
    // Whether a `text` block would belong to the last block of commands.
    let mut follows = false;
    let mut lines = page.lines().enumerate();
    while let Some((line, text)) = lines.next() {
        let text = text.trim();
        if text.starts_with('#') {
            follows = false;
        }
        if let Some(comment) = text
            .strip_prefix("<!-- ")
            .and_then(|text| text.strip_suffix(" -->"))
        {
            mark = match comment.split_once(": ") {
                Some(("not run", why)) => Mark::NotRun(why.to_owned()),
                Some(("needs", tool)) => Mark::Needs(tool.to_owned()),
                _ if comment == "server" => Mark::Server,
                _ => Mark::Run,
            };
            continue;
        }
        let Some(kind) = text.strip_prefix("```") else {
            if !text.is_empty() {
                mark = Mark::Run;
            }
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| line.trim() != "```")
            .collect();
        match kind {
            "sh" => {
                all.push(Block {
                    line: line + 1,
                    script: body.join("\n"),
                    mark: std::mem::replace(&mut mark, Mark::Run),
                    output: Vec::new(),
                });
                follows = true;
            }
            "text" if follows => {
                let shown = body.iter().map(|line| line.trim_end());
                let shown = shown.filter(|line| !matches!(line.trim(), "" | "…"));
                if let Some(last) = all.last_mut() {
                    last.output.extend(shown.map(str::to_owned));
                }
            }
            _ => follows = false,
        }
    }
    all
}

/// The files that pages name, made once.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        crabwalk(at, &["demo", "--out", "demo"]).said(0);
        fs::create_dir(at.join("evidence")).unwrap();
        for entry in fs::read_dir(at.join("demo")).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() && entry.file_name() != "case" {
                fs::rename(entry.path(), at.join("evidence").join(entry.file_name())).unwrap();
            }
        }
        crabwalk(at, &["hunt", "evidence", "-q", "--out", "case"]).said(0);
        crabwalk(at, &["ingest", "evidence", "--store", "store"]).said(0);
        let event = r##"{"Event":{"System":{"Provider":{"#attributes":{"Name":"Service Control Manager"}},"EventID":7045,"TimeCreated":{"#attributes":{"SystemTime":"2026-03-04T12:00:00Z"}},"EventRecordID":1,"Channel":"System","Computer":"SRV1.harbor.example"},"EventData":{"ServiceName":"sync","ImagePath":"C:\\sync.exe"}}}"##;
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        writeln!(gz, "{event}").unwrap();
        fs::write(at.join("export.json.gz"), gz.finish().unwrap()).unwrap();
        let mut zip = zip::ZipWriter::new(fs::File::create(at.join("DC01.zip")).unwrap());
        zip.start_file("Security.evtx", zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(&fs::read(at.join("evidence/TIDE-DC01/Security.evtx")).unwrap())
            .unwrap();
        zip.finish().unwrap();
        Self(folder)
    }

    /// A folder for a page, with what pages name.
    fn desk(&self) -> tempfile::TempDir {
        let desk = tempfile::tempdir().unwrap();
        let at = |name: &str| desk.path().join(name);
        let world = |name: &str| self.0.path().join(name);
        for (name, to) in [
            ("evidence", "evidence"),
            ("last-month", "evidence"),
            ("DC01.zip", "DC01.zip"),
            ("export.json.gz", "export.json.gz"),
            ("WS01.evtx", "evidence/PIER-WS01/Security.evtx"),
            ("conn.log", "evidence/zeek/conn.2026-03-04.log"),
            ("assets.csv", "demo/assets.csv"),
            ("identities.csv", "demo/identities.csv"),
        ] {
            symlink(world(to), at(name)).unwrap();
        }
        for name in ["case", "store"] {
            copy(&world(name), &at(name));
        }
        let shipped = root().join("content/detections/credentials");
        for name in ["my-detections", "security_content/detections"] {
            copy(&shipped, &at(name));
        }
        fs::create_dir_all(at("sigma/rules/windows")).unwrap();
        fs::write(
            at("sigma/rules/windows/service.yml"),
            "title: A service in the Windows folder\nid: 9d9a1c0e-0a42-4a3b-8a64-6f1a2b3c4d5e\nlevel: medium\n\
             logsource: {product: windows, service: system}\n\
             detection:\n  it: {EventID: 7045, ImagePath|startswith: '%SystemRoot%\\PSEXE'}\n  condition: it\n",
        )
        .unwrap();
        desk
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A server that a page started.
struct Running(Child);

impl Running {
    /// Starts it, and waits until it says where it listens.
    fn start(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if line.contains("http://127.0.0.1:") {
                    let _ = send.send(());
                }
            }
        });
        let running = Self(child);
        receive
            .recv_timeout(Duration::from_secs(60))
            .map_err(|_| "it does not say that it listens".to_owned())?;
        Ok(running)
    }

    /// Stops it as Ctrl-C or a service manager does.
    fn stop(mut self) -> Result<(), String> {
        let kill = format!("kill {}", self.0.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if self
                .0
                .try_wait()
                .map_err(|error| error.to_string())?
                .is_some()
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("it does not stop".to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A page that is being tried.
struct Trial {
    desk: tempfile::TempDir,
    /// What stands for words of the page: ports that are free, a token that is accepted.
    stands_for: Vec<(&'static str, String)>,
    path: std::ffi::OsString,
    server: Option<Running>,
}

impl Trial {
    fn new(world: &World, name: &str, page: &str) -> Self {
        let desk = match name {
            // It begins with nothing.
            "docs/tutorial.md" => tempfile::tempdir().unwrap(),
            _ => world.desk(),
        };
        let binary = PathBuf::from(program(desk.path()).get_program());
        let mut folders = vec![binary.parent().unwrap().to_owned()];
        let given = std::env::var_os("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&given));
        let port = free_port();
        let config = format!("[server]\nlisten = [\"127.0.0.1:{port}\"]\n");
        let mut trial = Self {
            stands_for: vec![
                ("127.0.0.1:8088", format!("127.0.0.1:{port}")),
                ("8089", free_port().to_string()),
            ],
            path: std::env::join_paths(folders).unwrap(),
            server: None,
            desk,
        };
        fs::write(trial.desk.path().join("test.toml"), config).unwrap();
        if page.contains("Splunk TOKEN") {
            const SECRET: &str = "0d1f8f2e-7e0b-4a53-9d53-2f0f1f6d8b11";
            let add = trial
                .run("crabwalk serve token add page --secret 0d1f8f2e-7e0b-4a53-9d53-2f0f1f6d8b11");
            add.unwrap();
            trial.stands_for.push(("TOKEN", SECRET.to_owned()));
        }
        trial
    }

    fn shell(&self, script: &str) -> Command {
        let mut script = script.to_owned();
        for (word, by) in &self.stands_for {
            script = script.replace(word, by);
        }
        let mut command = Command::new("sh");
        command
            .args(["-ec", &script])
            .current_dir(self.desk.path())
            .env("PATH", &self.path)
            .env("CRABWALK_CONFIG", self.desk.path().join("test.toml"))
            .env_remove("CRABWALK_DATA")
            .stdin(Stdio::null());
        command
    }

    /// Runs a script, and returns what it printed.
    fn run(&self, script: &str) -> Result<String, String> {
        let output = self
            .shell(script)
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            Ok(out)
        } else {
            Err(format!("{}\n{out}\n{err}", output.status))
        }
    }

    fn block(&mut self, block: &Block) -> Result<(), String> {
        // The program can be built without it, and says so.
        let shows_report = ["crabwalk ui", "export html"];
        if crabwalk_case::front_end().is_none()
            && shows_report.iter().any(|word| block.script.contains(word))
        {
            assert!(
                std::env::var_os("CRABWALK_REQUIRE_TOOLS").is_none(),
                "make ui"
            );
            eprintln!("skipped: built without its front end: {}", block.script);
            return Ok(());
        }
        match &block.mark {
            Mark::NotRun(_) => return Ok(()),
            Mark::Needs(name) if tool(name).is_none() => return Ok(()),
            Mark::Needs(_) | Mark::Run => {}
            Mark::Server => {
                if let Some(server) = self.server.take() {
                    server.stop()?;
                }
                let command = self.shell(&format!("exec {}", block.script));
                self.server = Some(Running::start(command)?);
                return Ok(());
            }
        }
        let out = self.run(&block.script)?;
        let mut printed = out.lines().map(str::trim_end);
        for line in &block.output {
            if !printed.any(|own| own == line) {
                return Err(format!(
                    "this line is not printed, or not in this place:\n{line}\n\n{out}"
                ));
            }
        }
        Ok(())
    }
}

#[test]
fn the_commands_of_the_book_do_what_it_says() {
    let pages: Vec<(String, String)> = pages().into_iter().collect();
    let world = World::new();
    let next = Mutex::new(pages.iter());
    let failed = Mutex::new(String::new());
    let run = Mutex::new(0);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    let Some((name, page)) = next.lock().unwrap().next() else {
                        return;
                    };
                    let blocks = blocks(page);
                    if blocks.is_empty() {
                        continue;
                    }
                    let began = Instant::now();
                    let mut trial = Trial::new(&world, name, page);
                    for block in &blocks {
                        if let Err(why) = trial.block(block) {
                            let line = block.line;
                            let script = &block.script;
                            let mut failed = failed.lock().unwrap();
                            let _ = writeln!(failed, "{name}:{line}\n{script}\n{why}\n");
                        }
                    }
                    if let Some(Err(why)) = trial.server.take().map(Running::stop) {
                        let _ = writeln!(failed.lock().unwrap(), "{name}: {why}");
                    }
                    *run.lock().unwrap() += blocks.len();
                    eprintln!("{name}: {} blocks, {:?}", blocks.len(), began.elapsed());
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "\n{failed}");
    let run = run.into_inner().unwrap();
    assert!(run > 40, "{run}");
}

#[test]
fn few_commands_of_the_book_are_not_run() {
    let mut not_run = Vec::new();
    for (name, page) in &pages() {
        for block in blocks(page) {
            if let Mark::NotRun(why) = &block.mark {
                not_run.push(format!("{name}:{}: {why}", block.line));
            }
        }
    }
    eprintln!("not run:\n{}", not_run.join("\n"));
    assert!(not_run.len() <= NOT_RUN, "{not_run:#?}");
}

/// The lines of a page that are not in blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// The code spans of a page, outside blocks.
fn spans(page: &str) -> Vec<String> {
    let spans = prose(page).flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.map(str::to_owned).collect()
}

/// Commands in running text are not run; they name commands and options that are there.
#[test]
fn commands_in_the_text_have_their_options() {
    let folder = tempfile::tempdir().unwrap();
    let mut helps: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut help = |path: &[&str]| -> Option<String> {
        let known = helps.entry(path.join(" ")).or_insert_with(|| {
            let ran = crabwalk(folder.path(), &[path, &["--help"]].concat());
            (ran.status == 0).then_some(ran.out)
        });
        known.clone()
    };
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, page) in &pages() {
        for span in spans(page) {
            let words: Vec<&str> = span.split_whitespace().collect();
            let [first, command, rest @ ..] = words.as_slice() else {
                continue;
            };
            // Only some builds have workers; capitals stand for any command.
            if *first != "crabwalk" || matches!(*command, "worker" | "COMMAND") {
                continue;
            }
            checked += 1;
            let Some(mut usage) = help(&[command]) else {
                wrong.push(format!("{name}: {span}: no such command"));
                continue;
            };
            let mut path = vec![*command];
            for word in rest
                .iter()
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
            {
                path.push(word);
                let is_command = usage.lines().any(|line| {
                    line.strip_prefix("  ")
                        .is_some_and(|line| line.split_whitespace().next() == Some(word))
                });
                match is_command.then(|| help(&path)).flatten() {
                    Some(own) => usage = own,
                    None => break,
                }
            }
            for option in rest.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or(option);
                if !option.starts_with("--cluster") && !usage.contains(option) {
                    wrong.push(format!("{name}: {span}: no {option}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 25, "{checked}");
}

/// The identifiers of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for line in prose(page) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let id: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut own = id.clone();
        let mut copies = 0;
        while !all.insert(own.clone()) {
            copies += 1;
            own = format!("{id}-{copies}");
        }
    }
    all
}

/// The targets of a page's links, outside code.
fn links(page: &str) -> Vec<String> {
    let mut text = String::new();
    for line in prose(page) {
        // Between backticks is code.
        text.extend(line.split('`').step_by(2));
        text.push('\n');
    }
    let ends = text.match_indices("](").map(|(at, _)| &text[at + 2..]);
    ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = root();
    let pages = pages();
    let mut broken = Vec::new();
    let mut followed = 0;
    for (name, page) in &pages {
        let folder = Path::new(name).parent().unwrap();
        for link in links(page) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link.as_str(), ""));
            let mut target = PathBuf::new();
            if file.is_empty() {
                target.push(name);
            }
            for part in folder.join(file).components().filter(|_| !file.is_empty()) {
                match part {
                    Component::ParentDir => {
                        target.pop();
                    }
                    part => target.push(part),
                }
            }
            let own = target.to_string_lossy().into_owned();
            let is_there = match pages.get(&own) {
                Some(page) => anchor.is_empty() || anchors(page).contains(anchor),
                None => anchor.is_empty() && root.join(&target).is_file(),
            };
            // What lies outside `docs/` is not in the book.
            if !is_there || (name.starts_with("docs/") && !own.starts_with("docs/")) {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(followed > 100, "{followed}");
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let pages = pages();
    let listed: BTreeSet<String> = links(&pages["docs/SUMMARY.md"])
        .into_iter()
        .map(|link| format!("docs/{link}"))
        .collect();
    for name in pages.keys() {
        let expected = name.starts_with("docs/") && name != "docs/SUMMARY.md";
        assert_eq!(listed.contains(name), expected, "{name}");
    }
}
