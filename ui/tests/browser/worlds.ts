import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

/** The program, as `make` builds it. */
export const program = process.env["CRABWALK_BIN"] ?? join(process.env["HOME"] ?? "", ".cache/crabwalk/target/debug/crabwalk");

export const required = process.env["CRABWALK_REQUIRE_TOOLS"] === "1";

export function crabwalk(...args: string[]): { out: string; status: number } {
  try {
    return { out: execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 }), status: 0 };
  } catch (error) {
    const failed = error as { status: number | null; stdout: string; stderr: string };
    // 3: done, but part of the input was unreadable.
    if (failed.status === 3) return { out: failed.stdout, status: 3 };
    throw new Error(`crabwalk ${args.join(" ")}: ${failed.stderr}`);
  }
}

export const folder = (): string => mkdtempSync(join(tmpdir(), "crabwalk-ui-"));

/** The made company with its intrusion. */
export function demo(): string {
  const out = folder();
  crabwalk("demo", "--out", out);
  return join(out, "case", "report.html");
}

/** Texts that somebody would plant in a log against whoever reads it. */
export const HOSTILE = [
  "<script>window.pwned=1</script>",
  "\"><img src=x onerror=window.pwned=1>",
  "</script><script>window.pwned=1</script>",
  "javascript:window.pwned=1//",
  "=cmd|' /C calc'!A0",
  "\u001b[2J\u001b]0;pwned\u0007",
  "\u202egpj.exe\u2066",
  "{{constructor.constructor('window.pwned=1')()}}",
];

/** Logs of a movement in which every field that an attacker can choose holds such texts, some a megabyte long. */
export function hostile(): { report: string; directory: string; terminal: string } {
  const directory = folder();
  mkdirSync(join(directory, "logs"));
  const all = HOSTILE.join(" ");
  const long = `${all} ${"A".repeat(1 << 20)}`;
  let record = 0;
  const event = (host: string, channel: string, id: number, second: number, fields: Record<string, string>) =>
    JSON.stringify({
      "@timestamp": `2026-03-04T10:00:${String(second).padStart(2, "0")}Z`,
      Hostname: host,
      Channel: channel,
      EventID: id,
      RecordNumber: ++record,
      ...fields,
    });
  const source = `WS1${HOSTILE[1]}`;
  const destination = "WS2<script>window.pwned=1</script>.corp.example";
  const lines: string[] = [];
  HOSTILE.forEach((text, at) => {
    const logon = `0x${(0x1000 + at).toString(16)}`;
    lines.push(
      event(source, "Microsoft-Windows-Sysmon/Operational", 1, at, {
        Image: `C:\\${text}\\psexec.exe`,
        CommandLine: `psexec.exe \\\\WS2 -accepteula ${long}`,
        ParentImage: all,
        User: `CORP\\${text}`,
        LogonId: "0x777",
        ProcessId: String(4000 + at),
        OriginalFileName: "psexec.c",
      }),
      event(source, "Security", 4648, at, { SubjectUserName: text, TargetUserName: `admin${text}`, TargetDomainName: text, TargetServerName: "WS2", IpAddress: "-", ProcessName: long }),
      event(destination, "Security", 4624, at + 1, {
        LogonType: "3",
        TargetUserName: `admin${text}`,
        TargetDomainName: text,
        TargetUserSid: "S-1-5-21-1-2-3-500",
        TargetLogonId: logon,
        WorkstationName: text,
        IpAddress: "10.0.0.5",
        IpPort: String(50000 + at),
        AuthenticationPackageName: "NTLM",
        LogonProcessName: "NtLmSsp ",
      }),
      event(destination, "Security", 4672, at + 1, { SubjectLogonId: logon, SubjectUserName: `admin${text}` }),
      event(destination, "Security", 5145, at + 2, { SubjectUserName: `admin${text}`, SubjectLogonId: logon, ShareName: "\\\\*\\ADMIN$", RelativeTargetName: `PSEXESVC${text}.exe`, IpAddress: "10.0.0.5", IpPort: String(50000 + at), AccessMask: "0x2" }),
      event(destination, "System", 7045, at + 2, { ServiceName: `svc${text}`, ImagePath: `%SystemRoot%\\${long}`, ServiceType: "user mode service", StartType: "demand start", AccountName: "LocalSystem" }),
    );
  });
  writeFileSync(join(directory, "logs", "hostile.jsonl"), lines.join("\n"));
  const { out } = crabwalk("hunt", join(directory, "logs"), "--out", join(directory, "case"));
  return { report: join(directory, "case", "report.html"), directory, terminal: out };
}

/** A case of a large company: 500 hosts, 10,000 findings, a path of ten hops and some hundred other hops. */
export function large(): string {
  const directory = folder();
  const time = (second: number) => new Date(Date.UTC(2026, 2, 4, 8) + second * 1000).toISOString();
  const hosts = Array.from({ length: 500 }, (_, at) => ({
    id: `host-${at}`,
    name: `HOST-${String(at).padStart(3, "0")}`,
    names: [`HOST-${String(at).padStart(3, "0")}`, `HOST-${String(at).padStart(3, "0")}.corp.example`],
    ips: [`10.1.${Math.floor(at / 250)}.${(at % 250) + 1}`],
    category: [],
    priority: null,
    role: at === 0 ? "domain-controller" : null,
    risk: at % 97,
  }));
  const accounts = Array.from({ length: 40 }, (_, at) => ({ id: `corp\\user${at}`, name: `CORP\\user${at}`, names: [`CORP\\user${at}`], sid: `S-1-5-21-1-2-3-${1100 + at}`, kind: "user", risk: at }));
  const event = (at: number) => ({ source: at % 500, record: at, time: time(at), channel: "Security", event_id: 4624, host: `HOST-${String(at % 500).padStart(3, "0")}.corp.example` });
  const severities = ["critical", "high", "medium", "low", "informational"];
  const findings = Array.from({ length: 10_000 }, (_, at) => ({
    id: `finding-${at}`,
    detection: `Detection ${at % 60}`,
    detection_id: `detection-${at % 60}`,
    type: ["TTP", "Anomaly", "Hunting", "Correlation"][at % 4],
    severity: severities[at % 5],
    risk_score: at % 101,
    techniques: [["T1021.002", "T1569.002", "T1059.001", "T1003.001"][at % 4]],
    story: ["Lateral Movement"],
    first: time(at),
    last: time(at + 5),
    message: `user${at % 40} did the thing number ${at} on HOST-${String(at % 500).padStart(3, "0")}`,
    notable: at % 4 === 0,
    suppressed: null,
    risk_objects: [{ type: "user", value: `CORP\\user${at % 40}`, score: at % 101, calculated_score: at % 101 }],
    threat_objects: [],
    hosts: [`host-${at % 500}`],
    fields: { dest: `HOST-${at % 500}`, count: "1" },
    events: Array.from({ length: 5 }, (_, more) => event(at * 5 + more)),
    event_count: 5,
    description: "A detection.",
    known_false_positives: "",
    references: ["https://example.org/"],
  }));
  const hop = (at: number, src: number | null, dst: number) => ({
    id: `hop-${at}`,
    src: src === null ? null : `host-${src}`,
    dst: `host-${dst}`,
    actor: `corp\\user${at % 40}`,
    used: `corp\\user${(at + (at % 3 === 0 ? 1 : 0)) % 40}`,
    effective: null,
    techniques: ["T1569.002"],
    first: time(at * 60),
    last: time(at * 60 + 3),
    confidence: 0.3 + (at % 7) / 10,
    attempted: at % 11 === 10,
    standing: at % 11 === 10 ? "attempted" : "proven",
    happened: at % 11 !== 10,
    account: `corp\\user${(at + (at % 3 === 0 ? 1 : 0)) % 40}`,
    follows: null,
    switches: at % 3 === 0 ? [{ from: `corp\\user${at % 40}`, to: `corp\\user${(at + 1) % 40}`, where: "source" }] : [],
    witnesses: [
      { kind: "source", what: "a tool was started", time: time(at * 60), events: [event(at)] },
      { kind: "destination-logon", what: "logon type 3", time: time(at * 60), events: [event(at + 1), event(at + 2)] },
    ],
    missing: [{ kind: "network", why: "no network log was collected" }],
    findings: [`finding-${at}`],
  });
  const first = Array.from({ length: 10 }, (_, at) => hop(at, at, at + 1));
  const others = Array.from({ length: 590 }, (_, at) => hop(at + 10, (at * 7) % 500, (at * 13 + 5) % 500));
  const document = {
    schema: "crabwalk.case/1",
    created: "2026-03-05T00:00:00Z",
    tool: { name: "crabwalk", version: "0" },
    sources: Array.from({ length: 500 }, (_, at) => ({ id: at, path: `evidence/HOST-${at}/Security.evtx`, kind: "evtx", bytes: 1e6, records: 1000, skipped: 0, problems: [], more_problems: 0 })),
    coverage: hosts.map((host) => ({ host: host.names[1], channel: "Security", first: time(0), last: time(60_000), records: 1000, cleared: [] })),
    gaps: [],
    hosts,
    accounts,
    findings,
    hops: [...first, ...others],
    paths: [
      { id: "path-1", score: 200, why: ["10 hops in a row"], hops: first.map((one) => one.id), links: first.slice(1).map((one, at) => ({ from: `hop-${at}`, to: one.id, kind: "session-causal", certainty: 0.9 })), told: true, rank: [{ what: "CORP\\user1 is on host-2 on no other day", probability: 0.002 }], way: "host-1 → host-2" },
      { id: "path-2", score: 10, why: [], hops: others.map((one) => one.id), links: [], told: false, rank: [], way: "" },
    ],
    skew: [],
    content_problems: [],
    stats: {
      events: 1e7, bytes: 1e10, seconds: 60, sources: 500, sources_damaged: 0, skipped: 0, duplicates: 0, detections: 60, findings: 10_000, notables: 2500, suppressed: 0,
      findings_by_severity: Object.fromEntries(severities.map((one) => [one, 2000])), findings_by_detection: {}, risk: [], first: time(0), last: time(60_000),
    },
    // Keys of later versions, to be taken as they come.
    summary: [],
    scope: { hosts: [], accounts: [], blind: [], entry: null, collect: [] },
    silenced: [],
    dossiers: { hosts: [], accounts: [] },
  };
  const path = join(directory, "case.json");
  writeFileSync(path, JSON.stringify(document));
  const report = join(directory, "report.html");
  crabwalk("export", "html", path, "-o", report);
  return report;
}

/** Folders of the public corpus, if it is there. */
export function corpus(): string | null {
  const places = [process.env["CRABWALK_CORPUS"], resolve(import.meta.dirname, "../../../../shared/corpus"), resolve(import.meta.dirname, "../../../../../shared/corpus")];
  return places.find((place): place is string => place !== undefined && existsSync(join(place, "files"))) ?? null;
}

/** Files below a folder whose path has all words. */
export function find(directory: string, ...words: string[]): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => words.every((word) => path.toLowerCase().includes(word)))
    .map((path) => join(directory, path));
}

/** A copy of a report in which parts of its data are others. */
export function changed(report: string, change: (part: string, value: unknown) => unknown): string {
  const html = readFileSync(report, "utf8").replace(
    /(<script type="application\/octet-stream" data-part="([a-z]+)">)([^<]*)(?=<)/g,
    (_, head: string, part: string, data: string) => {
      const value: unknown = JSON.parse(gunzipSync(Buffer.from(data, "base64")).toString("utf8"));
      return head + gzipSync(JSON.stringify(change(part, value))).toString("base64");
    },
  );
  const path = join(folder(), "report.html");
  writeFileSync(path, html);
  return path;
}

/** The demo's report with dossiers, a scope and silenced findings as a later hunt writes them, with hostile texts among them. */
export function dossiers(report: string): string {
  const time = (second: number) => new Date(Date.UTC(2026, 2, 4, 13) + second * 1000).toISOString();
  const text = HOSTILE[1];
  const process = (id: number, parent: number | null, image: string, more: object = {}) => ({
    id, parent, session: "0x1", time: time(id), ended: null, image, command_line: `${image} --number ${id} ${text}`, account: "harbor\\adm.reiter", pid: 4000 + id,
    original_name: null, hashes: {}, signature: null, seen: "here-before", marks: [], reasons: [], hop: null, events: [id % 40], ...more,
  });
  const processes = [
    process(1, null, "C:\\Windows\\System32\\services.exe"),
    process(2, 1, "C:\\Windows\\PSEXESVC.exe", { remarkable: true, marks: ["user-writable", "renamed"], seen: "first-anywhere", reasons: ["was never seen on any host"], hop: "hop-9" }),
    process(3, 2, "C:\\Windows\\System32\\cmd.exe", { remarkable: true, hop: "hop-9" }),
    // Parents that go round in a ring, as damaged logs can have them.
    process(4, 5, "C:\\a.exe"),
    process(5, 4, "C:\\b.exe"),
    ...Array.from({ length: 5000 }, (_, at) => process(at + 10, 1, "C:\\Windows\\System32\\svchost.exe")),
  ];
  const dated = { time: time(5), hop: "hop-9", events: [3] };
  return changed(report, (part, value) => {
    if (part === "dossiers") {
      return {
        hosts: [
          {
            host: "pier-ws02",
            window: { first: time(0), last: time(900) },
            authentication: Array.from({ length: 3000 }, (_, at) => ({
              time: time(at), direction: at % 2 ? "in" : "out", account: "harbor\\adm.reiter", name: "HARBOR\\adm.reiter", logon_type: 3,
              peer: { host: "pier-ws01", address: "10.40.1.20", name: null }, result: at % 5 ? "success" : "failure", status: at % 5 ? null : "0xc000006d",
              session: "0x1", ended: null, seconds: 12, privileged: at % 2 === 0, did: ["started cmd.exe"], hop: at === 0 ? "hop-9" : null, events: [at % 40],
            })),
            processes,
            services: [{ ...dated, name: "PSEXESVC", image: `%SystemRoot%\\${text}`, account: "LocalSystem", by: "harbor\\adm.reiter" }],
            tasks: [{ ...dated, name: "\\Updater", command: "cmd.exe", by: "harbor\\adm.reiter" }],
            wmi_subscriptions: [{ ...dated, name: "x", what: "y", by: null }],
            run_keys: [{ ...dated, key: "HKLM\\Run", value: text, by: null }],
            files: [{ ...dated, path: "C:\\Windows\\PSEXESVC.exe", share: "ADMIN$", by: null, from: "pier-ws01" }],
            connections: [{ ...dated, direction: "in", local: "10.40.1.21", remote: "10.40.1.20", port: 445, image: "System", account: null }],
            account_changes: [{ ...dated, what: "added to Administrators", account: "harbor\\adm.reiter", by: "harbor\\i.vollmer" }],
          },
        ],
        accounts: [
          {
            account: "harbor\\adm.reiter",
            logons: [{ host: "pier-ws02", from: "pier-ws01", address: null, types: [3, 10], first: time(0), last: time(9), count: 4, failures: 1, new: true }],
            new: ["It never logged on to PIER-WS02 from PIER-WS01 before."],
            exposed: [{ host: "pier-ws02", first: time(0), last: time(900), how: "an interactive session", to: ["SYSTEM"] }],
            changes: [{ time: time(1), what: "password reset", by: "harbor\\i.vollmer", events: [1] }],
            reset: true,
          },
        ],
      };
    }
    if (part === "core") {
      const core = value as Record<string, unknown>;
      return {
        ...core,
        summary: [`The intruder came in on PIER-WS01. ${text}`],
        scope: {
          hosts: [{ host: "pier-ws02", certainty: "certain", confidence: 0.99, why: ["a service ran there"] }],
          accounts: [{ account: "harbor\\adm.reiter", why: ["its hash was used"] }],
          blind: [{ host: "pier-ws03", why: ["no Security log"] }],
          entry: { host: "pier-ws01", time: time(0), how: ["the first hop begins there"] },
          collect: [{ host: "PIER-WS03", channel: "Security", why: "it is not there", commands: [{ tool: "wevtutil", command: "wevtutil epl Security Security.evtx" }] }],
        },
      };
    }
    if (part === "findings") {
      return (value as Record<string, unknown>[]).map((one, at) => (at === 0 ? { ...one, suppressed: { by: "ann", reason: `a test, exceptions.yml:3 ${text}`, until: "2027-01-01" } } : one));
    }
    return value;
  });
}
