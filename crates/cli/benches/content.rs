//! Time of `crabwalk hunt` against the number of detections, SPL and Sigma, made for the purpose.
//!
//! `cargo bench -p crabwalk --bench content -- [PATH…]`; without a path, over a world that `crabwalk lab build` makes. The
//! detections have the shapes and the share of event types that public content has; few of them find anything.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for people who measure"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use crabwalk_testing::program;
use nix::sys::resource::{UsageWho, getrusage};

/// Runs of each; the best counts.
const RUNS: usize = 3;
/// As many as the public repositories have.
const SPL: usize = 1_700;
const SIGMA: usize = 3_000;

fn main() {
    let mut logs: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    let folder = tempfile::tempdir().expect("a directory");
    if logs.is_empty() {
        let world = folder.path().join("world");
        let status = program(".")
            .args(["lab", "build", "--bytes", "100MB"])
            .arg(&world)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the binary runs");
        assert!(status.success(), "crabwalk lab build: {status}");
        logs.push(world);
    }
    println!("| SPL detections | Sigma rules | CPU s | s | peak MB |");
    println!("| ---: | ---: | ---: | ---: | ---: |");
    let mut base = None;
    for (spl, sigma) in [
        (0, 0),
        (10, 0),
        (100, 0),
        (1_000, 0),
        (SPL, 0),
        (0, 10),
        (0, 100),
        (0, 1_000),
        (0, SIGMA),
        (SPL, SIGMA),
    ] {
        let place = folder.path().join(format!("{spl}-{sigma}"));
        make(&place, spl, sigma);
        let (cpu, wall, peak) = measure(&logs, &place, spl, sigma);
        println!("| {spl} | {sigma} | {cpu:.2} | {wall:.2} | {peak} |");
        let base = *base.get_or_insert(wall);
        if (spl, sigma) == (SPL, SIGMA) {
            println!("\nall of them add {:.2} s to a hunt", wall - base);
        }
    }
}

fn measure(logs: &[PathBuf], place: &Path, spl: usize, sigma: usize) -> (f64, f64, i64) {
    let (mut cpu, mut wall) = (f64::MAX, f64::MAX);
    for _ in 0..RUNS {
        let before = seconds();
        let began = Instant::now();
        let mut command = program(".");
        command
            .args(["hunt", "--format", "jsonl", "--quiet"])
            .args(logs);
        if spl > 0 {
            command.arg("--content").arg(place.join("content"));
        }
        if sigma > 0 {
            command.arg("--sigma").arg(place.join("sigma"));
        }
        let status = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("the binary runs");
        assert!(
            matches!(status.code(), Some(0 | 3)),
            "crabwalk hunt: {status}"
        );
        wall = wall.min(began.elapsed().as_secs_f64());
        cpu = cpu.min(seconds() - before);
    }
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN)
        .expect("getrusage")
        .max_rss();
    (cpu, wall, peak / 1024)
}

fn seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| {
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let seconds = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            seconds
        })
        .sum()
}

/// Writes made detections and rules, one a file as public repositories have them.
fn make(place: &Path, spl: usize, sigma: usize) {
    let (content, rules) = (place.join("content"), place.join("sigma"));
    fs::create_dir_all(&content).expect("a directory");
    fs::create_dir_all(&rules).expect("a directory");
    for index in 0..spl {
        let name = format!("made_detection_{index}");
        fs::write(content.join(format!("{name}.yml")), detection(&name, index)).expect("a file");
    }
    for index in 0..sigma {
        fs::write(rules.join(format!("made_rule_{index}.yml")), rule(index)).expect("a file");
    }
}

fn detection(name: &str, index: usize) -> String {
    let ending = format!(
        "| `security_content_ctime(firstTime)` | `security_content_ctime(lastTime)` | `{name}_filter`"
    );
    let counts = "count min(_time) as firstTime max(_time) as lastTime";
    let programs: Vec<String> = (0..6)
        .map(|one| format!("\"tool{index}x{one}.exe\""))
        .collect();
    let programs = programs.join(", ");
    let search = match index % 20 {
        0..=9 => format!(
            "| tstats `security_content_summariesonly` {counts} from datamodel=Endpoint.Processes where \
             Processes.process_name IN ({programs}) OR Processes.original_file_name IN ({programs}) Processes.process=\"*flag{index}*\" \
             by Processes.dest Processes.user Processes.parent_process_name Processes.parent_process Processes.process_name \
             Processes.process Processes.process_id Processes.parent_process_id | `drop_dm_object_name(Processes)` {ending}"
        ),
        10 | 11 => format!(
            "| tstats `security_content_summariesonly` {counts} from datamodel=Endpoint.Registry where \
             Registry.registry_path=\"*\\\\Software\\\\Vendor{index}\\\\*\" Registry.registry_value_data=\"0x0000000{}\" by \
             Registry.dest Registry.user Registry.registry_path Registry.registry_key_name Registry.registry_value_name \
             Registry.registry_value_data Registry.process_guid | `drop_dm_object_name(Registry)` {ending}",
            index % 10
        ),
        12 => format!(
            "| tstats `security_content_summariesonly` {counts} from datamodel=Endpoint.Filesystem where \
             Filesystem.file_name=\"*made{index}*\" Filesystem.file_path=\"*\\\\temp\\\\*\" by Filesystem.dest Filesystem.user \
             Filesystem.file_name Filesystem.file_path | `drop_dm_object_name(Filesystem)` {ending}"
        ),
        13 | 14 => format!(
            "`wineventlog_security` EventCode={} TargetUserName=\"*made{index}*\" | stats {counts} by dest, TargetUserName, \
             SubjectUserName, signature {ending}",
            [4624, 4625, 4688, 4698, 4769, 5140, 5145, 4720][index / 20 % 8]
        ),
        15 | 16 => format!(
            "`powershell` EventCode=4104 ScriptBlockText=\"*Made-Command{index}*\" | stats {counts} by dest, user, ScriptBlockText \
             {ending}"
        ),
        17 => format!(
            "`sysmon` EventCode={} ImageLoaded=\"*\\\\made{index}.dll\" | stats {counts} by dest, Image, ImageLoaded, ProcessId {ending}",
            [7, 8, 10, 22][index / 20 % 4]
        ),
        18 => format!(
            "| tstats {counts} from datamodel=Web where Web.url=\"*/made{index}/*\" Web.status=200 by Web.src Web.dest Web.url \
             Web.http_method Web.http_user_agent | `drop_dm_object_name(Web)` {ending}"
        ),
        _ => format!(
            "`wineventlog_security` EventCode={} | bucket _time span=5m | stats dc(TargetUserName) as users values(TargetUserName) as \
             names by _time, dest, IpAddress | where users > {} | eval firstTime=_time, lastTime=_time {ending}",
            [4625, 4771, 4776][index / 20 % 3],
            1_000 + index
        ),
    };
    let mut text = String::new();
    let _ = write!(
        text,
        "name: {name}\nid: {index:08}-0000-4000-8000-000000000000\nversion: 1\ndate: '2026-01-01'\nauthor: bench\ntype: \
         Anomaly\nstatus: production\ndescription: Made to measure.\nsearch: |-\n  {search}\nrba:\n  message: made on $dest$\n  \
         risk_objects: [{{field: dest, type: system, score: 20}}]\n  threat_objects: []\ntags:\n  analytic_story: [Made]\n  \
         mitre_attack_id: [T1059]\n"
    );
    text
}

fn rule(index: usize) -> String {
    let (source, selection) = match index % 20 {
        0..=8 => (
            "category: process_creation",
            format!(
                "Image|endswith: ['\\made{index}.exe', '\\other{index}.exe']\n    CommandLine|contains|all: [' -made{index}', 'http']"
            ),
        ),
        9 | 10 => (
            "category: registry_set",
            format!(
                "TargetObject|contains: '\\Software\\Vendor{index}\\'\n    Details: 'DWORD (0x00000001)'"
            ),
        ),
        11 | 12 => (
            "category: file_event",
            format!("TargetFilename|endswith: '\\made{index}.tmp'"),
        ),
        13 => (
            "category: image_load",
            format!("ImageLoaded|endswith: '\\made{index}.dll'"),
        ),
        14 | 15 => (
            "service: security",
            format!(
                "EventID: {}\n    TargetUserName|contains: 'made{index}'",
                [4624, 4625, 4688, 4698, 4769][index / 20 % 5]
            ),
        ),
        16 | 17 => (
            "category: ps_script",
            format!("ScriptBlockText|contains: 'Made-Command{index}'"),
        ),
        18 => (
            "service: system",
            format!("EventID: 7045\n    ServiceName: 'made{index}'"),
        ),
        _ => (
            "category: network_connection",
            format!("Initiated: 'true'\n    DestinationHostname|endswith: '.made{index}.example'"),
        ),
    };
    format!(
        "title: Made rule {index}\nid: {index:08}-0000-4000-9000-000000000000\nstatus: test\ndescription: Made to measure.\nauthor: \
         bench\ndate: 2026-01-01\ntags: [attack.t1059]\nlogsource:\n  product: windows\n  {source}\ndetection:\n  selection:\n    \
         {selection}\n  filter_main:\n    User|contains: 'nobody{index}'\n  condition: selection and not 1 of filter_*\nlevel: medium\n"
    )
}
