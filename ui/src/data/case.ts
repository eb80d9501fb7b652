// The case document. Written from the types of crates/case by its tests; do not edit.
// Where an event stands in case.json, a report has the number of the event in its table.

/** What a hop is taken for. */
export type Standing = "proven" | "possible" | "attempted" | "routine";

/** The kinds of witnesses that there are. */
export const WITNESS_KINDS = ["source", "destination-logon", "destination-execution", "domain-controller", "network"] as const;

/** An account. */
export type Account = {
  /** Identifier in this case. */
  id: string;
  /** What it is called where people read of it: `DOMAIN\name` where the short name of the domain is known. */
  name: string;
  /** Names by which events call it. */
  names: Array<string>;
  /** Security identifier. */
  sid: string | null;
  /** `user`, `machine` or `system`. */
  kind: string;
  /** Risk that findings add to it. */
  risk: number;
};

/** A change of an account or group. */
export type AccountChange = {
  /** When. */
  time: string | null;
  /** What was done. */
  what: string;
  /** The account, as the event names it. */
  account: string | null;
  /** Who did it. */
  by: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** What happened with an account. */
export type AccountDossier = {
  /** Id of the account. */
  account: string;
  /** Where it logged on, from where, and how. */
  logons: Array<Logons>;
  /** What it did for the first time since the intrusion began. */
  new: Array<string>;
  /** Hosts where its credentials lay open to the intruder. */
  exposed: Array<Exposed>;
  /** Changes of the account. */
  changes: Array<Change>;
  /** Whether it is to be reset. */
  reset: boolean;
  /** Logons left out of a list that would be too long. */
  left_out: number;
};

/** A logon. */
export type Authentication = {
  /** When. */
  time: string | null;
  /** `in` or `out`. */
  direction: string;
  /** Id of the account, where the case knows it. */
  account: string | null;
  /** `DOMAIN\user` as the event has it. */
  name: string | null;
  /** Windows' number of the type of logon. */
  logon_type: number | null;
  /** The other end. */
  peer: Peer;
  /** `success` or `failure`. */
  result: string;
  /** Status code of a failure. */
  status: string | null;
  /** LogonId of the session. */
  session: string | null;
  /** When the session ended. */
  ended: string | null;
  /** How long it lasted. */
  seconds: number | null;
  /** Whether it had an administrator's rights. */
  privileged: boolean;
  /** What was done in it. */
  did: Array<string>;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** A host whose logs are too few to say. */
export type BlindHost = {
  /** Id of the host. */
  host: string;
  /** What is missing. */
  why: Array<string>;
};

/** Everything that one hunt concluded. */
export type Case = {
  /** [`SCHEMA`]. */
  schema: string;
  /** When the hunt was done. */
  created: string;
  /** What did it. */
  tool: ToolInfo;
  /** What was read. */
  sources: Array<Source>;
  /** What each log of each host covers. */
  coverage: Array<Covered>;
  /** What could not be seen, and why. */
  gaps: Array<GapInfo>;
  /** Machines. */
  hosts: Array<Host>;
  /** Accounts. */
  accounts: Array<Account>;
  /** Result rows of detections, by time. */
  findings: Array<FindingInfo>;
  /** Movements from host to host. */
  hops: Array<HopInfo>;
  /** Movements joined to ways. */
  paths: Array<PathInfo>;
  /** Clocks that differ. */
  skew: Array<SkewInfo>;
  /** What is wrong with the content that was used. */
  content_problems: Array<ContentProblemInfo>;
  /** Numbers about the run. */
  stats: Stats;
  /** The case in a few sentences. */
  summary: Array<string>;
  /** What is concerned, and what is to be done. */
  scope: Scope;
  /** Findings that exceptions silence. */
  silenced: Array<Silenced>;
  /** What happened on hosts and with accounts. */
  dossiers: Dossiers;
};

/** A change of an account. */
export type Change = {
  /** When. */
  time: string | null;
  /** What was done. */
  what: string;
  /** Who did it. */
  by: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** A log to collect. */
export type Collect = {
  /** Name of the machine. */
  host: string;
  /** The log. */
  channel: string;
  /** What it would show. */
  why: string;
  /** How to get it; empty where the machine's name is none that may stand in a command. */
  commands: Array<Command>;
};

/** A command for a person to run. */
export type Command = {
  /** `wevtutil`, `KAPE` or `Velociraptor`. */
  tool: string;
  /** The command. */
  command: string;
};

/** A network connection. */
export type Connection = {
  /** When. */
  time: string | null;
  /** `in` or `out`. */
  direction: string;
  /** The host's own end, `address:port`. */
  local: string;
  /** The other end, `address:port`. */
  remote: string;
  /** The port that was listened on. */
  port: number | null;
  /** The program. */
  image: string | null;
  /** `DOMAIN\user`. */
  account: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** Content that could not be used, or looks wrong. */
export type ContentProblemInfo = {
  /** Path of the file. */
  path: string;
  /** Line. */
  line: number | null;
  /** What is wrong. */
  message: string;
  /** Whether something was left out because of it. */
  fatal: boolean;
};

/** How much a log of a host covers. */
export type Covered = {
  /** The machine, as its events name it. */
  host: string;
  /** The log. */
  channel: string;
  /** Time of the first event. */
  first: string | null;
  /** Time of the last event. */
  last: string | null;
  /** Number of distinct events. */
  records: number;
  /** When it was cleared. */
  cleared: Array<string>;
};

/** What happened on hosts and with accounts. */
export type Dossiers = {
  /** Of hosts. */
  hosts: Array<HostDossier>;
  /** Of accounts. */
  accounts: Array<AccountDossier>;
};

/** Where it began. */
export type Entry = {
  /** Id of the host. */
  host: string;
  /** When the intruder was there at the latest. */
  time: string | null;
  /** What says so. */
  how: Array<string>;
};

/** That the credentials of an account lay open on a host. */
export type Exposed = {
  /** Id of the host. */
  host: string;
  /** Since when. */
  first: string | null;
  /** Until when. */
  last: string | null;
  /** By what. */
  how: string;
  /** Ids of the accounts that the intruder had there. */
  to: Array<string>;
};

/** A file that was written. */
export type FileEntry = {
  /** When. */
  time: string | null;
  /** Its path, in the share where it was written over one. */
  path: string;
  /** The share. */
  share: string | null;
  /** Who wrote it: an account, else a program. */
  by: string | null;
  /** Id or address of the host from which it came. */
  from: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** One result row of one detection. */
export type FindingInfo = {
  /** Identifier, stable over runs. */
  id: string;
  /** Name of the detection. */
  detection: string;
  /** Id of the detection. */
  detection_id: string;
  /** `TTP`, `Anomaly`, `Hunting` or `Correlation`. */
  type: string;
  /** `informational`, `low`, `medium`, `high` or `critical`. */
  severity: string;
  /** 0 to 100. */
  risk_score: number;
  /** ATT&CK technique ids. */
  techniques: Array<string>;
  /** Names of stories. */
  story: Array<string>;
  /** Time of the first event. */
  first: string | null;
  /** Time of the last event. */
  last: string | null;
  /** What was found, for people. */
  message: string;
  /** Whether somebody should look at it for its own sake. */
  notable: boolean;
  /** Why nobody needs to, where the logs' other days show such things, too; else null. What belongs to a told path is notable in any case. */
  everyday: string | null;
  /** Why it is not shown and adds no risk, where that is so; else null. */
  suppressed: SuppressedInfo | null;
  /** What carries risk. */
  risk_objects: Array<RiskObjectInfo>;
  /** What threatens. */
  threat_objects: Array<ThreatObjectInfo>;
  /** Machines that it is about, as ids of `hosts`. */
  hosts: Array<string>;
  /** Columns of the row: a text, a list of texts, or null. */
  fields: Record<string, string | string[] | null>;
  /** The events that it comes from, by time; of very many, the earliest and the latest. */
  events: Array<Reference>;
  /** Number of all events that it comes from. */
  event_count: number;
  /** How many alike findings it stands for: where the logs show daily work, one is told for each day. */
  count: number;
  /** What the detection looks for. */
  description: string;
  /** What else may look like it. */
  known_false_positives: string;
  /** Links to read. */
  references: Array<string>;
};

/** Detections that could not see some hosts, or anything. */
export type GapInfo = {
  /** The statement, for people. */
  message: string;
  /** What is missing. */
  missing: string;
  /** The hosts that cannot be seen; empty if it is so everywhere. */
  hosts: Array<string>;
  /** The detections that are blind there. */
  detections: Array<string>;
  /** How to have what is missing. */
  advice: Array<string>;
};

/** A movement from host to host. */
export type HopInfo = {
  /** Identifier in this case. */
  id: string;
  /** Id of the source host, or null where nothing names it. */
  src: string | null;
  /** Id of the destination host. */
  dst: string;
  /** Id of the account that acted on the source. */
  actor: string | null;
  /** Why the actor is taken to be that account, where no event at the source names it; else null. */
  actor_inferred: string | null;
  /** Id of the account that logged on to the destination. */
  used: string | null;
  /** Id of the account as which the payload ran. */
  effective: string | null;
  /** ATT&CK technique ids, the surest first. */
  techniques: Array<string>;
  /** Time of its first act. */
  first: string | null;
  /** Time of its last act. */
  last: string | null;
  /** 0 to 1. */
  confidence: number;
  /** Whether it was tried and refused. */
  attempted: boolean;
  /** Whether its account does so on other days too: daily work, as far as the logs can tell. */
  usual: boolean;
  /** What it is taken for, by `confidence`, `attempted` and `usual`. */
  standing: Standing;
  /** What was seen. */
  witnesses: Array<WitnessInfo>;
  /** What was not seen. */
  missing: Array<MissingInfo>;
  /** What it ran on the destination, and what came of that. */
  processes: Array<RanInfo>;
  /** Ids of findings about it. */
  findings: Array<string>;
};

/** A machine. */
export type Host = {
  /** Identifier in this case. */
  id: string;
  /** What it is called where people read of it. */
  name: string;
  /** Names by which events and assets call it. */
  names: Array<string>;
  /** Addresses. */
  ips: Array<string>;
  /** Categories from the assets. */
  category: Array<string>;
  /** Priority from the assets. */
  priority: string | null;
  /** `domain-controller`, where its events show it. */
  role: string | null;
  /** Risk that findings add to it. */
  risk: number;
};

/** What happened on a host. */
export type HostDossier = {
  /** Id of the host. */
  host: string;
  /** What part of time it is about. */
  window: Window;
  /** Logons to it and from it, by time. */
  authentication: Array<Authentication>;
  /** Processes, by time. */
  processes: Array<Process>;
  /** Services that were installed. */
  services: Array<ServiceEntry>;
  /** Tasks that were registered, changed or deleted. */
  tasks: Array<TaskEntry>;
  /** Parts of WMI subscriptions. */
  wmi_subscriptions: Array<WmiEntry>;
  /** Registry values that start something. */
  run_keys: Array<RunKey>;
  /** Programs and scripts that were written, and files written over the network. */
  files: Array<FileEntry>;
  /** Network connections. */
  connections: Array<Connection>;
  /** Changes of accounts and groups. */
  account_changes: Array<AccountChange>;
  /** Of each list that would be too long, how many entries were left out: those furthest from any movement. */
  left_out: { [key in string]: number };
};

/** Why one hop follows from another. */
export type LinkInfo = {
  /** Id of the first hop. */
  from: string;
  /** Id of the second hop. */
  to: string;
  /** `process-causal`, `session-causal` or `time-possible`. */
  kind: string;
  /** 0 to 1. */
  certainty: number;
};

/** Logons of an account to one host from one place. */
export type Logons = {
  /** Id of the host. */
  host: string;
  /** Id of the host from which they came, where it is known. */
  from: string | null;
  /** Its address. */
  address: string | null;
  /** Windows' numbers of their types. */
  types: Array<number>;
  /** The first. */
  first: string | null;
  /** The last. */
  last: string | null;
  /** How many succeeded. */
  count: number;
  /** How many failed. */
  failures: number;
  /** Whether there were none before the intrusion began, although the logs of the host reach back at least a day before. */
  new: boolean;
};

/** A kind of witness that a movement does not have. */
export type MissingInfo = {
  /** As in [`WitnessInfo`]. */
  kind: string;
  /** Why, for people. */
  why: string;
};

/** Movements that follow from each other. */
export type PathInfo = {
  /** Identifier in this case. */
  id: string;
  /** The higher, the sooner somebody should look. */
  score: number;
  /** What makes the score. */
  why: Array<string>;
  /** Ids of hops, by time. */
  hops: Array<string>;
  /** What joins them. */
  links: Array<LinkInfo>;
  /** Whether the verdict tells it. */
  told: boolean;
  /** How often daily work does what it shows, the rarest first; empty where there are too few days to compare with. */
  rank: Array<TermInfo>;
  /** Which way it leads, over the hops that happened if any did: `A → B → C`, `from A to 3 hosts: B, C and D`. */
  way: string;
};

/** The other end of a logon. */
export type Peer = {
  /** Id of the host, where it is known. */
  host: string | null;
  /** Its address. */
  address: string | null;
  /** The name that it gave itself, or by which it was called. */
  name: string | null;
};

/** A process. */
export type Process = {
  /** Number in this dossier. */
  id: number;
  /** Number of the process that started it. */
  parent: number | null;
  /** LogonId of its session. */
  session: string | null;
  /** When it was started. */
  time: string | null;
  /** When it ended. */
  ended: string | null;
  /** Path of its program. */
  image: string;
  /** Command line. */
  command_line: string | null;
  /** `DOMAIN\user`. */
  account: string | null;
  /** Windows' number of the process. */
  pid: number;
  /** Name that the program's version resource gives it. */
  original_name: string | null;
  /** Hashes by algorithm. */
  hashes: { [key in string]: string };
  /** Who signed the program, where its load was logged. */
  signature: string | null;
  /** `here-before`, `common`, `first-here` or `first-anywhere`. */
  seen: string;
  /** `user-writable`, `renamed`, `odd-parent`, `unsigned`. */
  marks: Array<string>;
  /** What is remarkable, for people. */
  reasons: Array<string>;
  /** Id of the hop that started it or one of its ancestors. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** A program that ran because of a movement. */
export type RanInfo = {
  /** When it was started. */
  time: string | null;
  /** Path of the program. */
  image: string;
  /** Its command line, empty where it was not logged. */
  command_line: string;
  /** Id of the account as which it ran. */
  account: string | null;
  /** Steps below the program that the movement itself started, which is 0. */
  depth: number;
  /** The event. */
  events: Array<Reference>;
};

/** Leads to one event. */
export type Reference = number;

/** Risk of one object. */
export type RiskInfo = {
  /** `user`, `system` or `other`. */
  type: string;
  /** Name. */
  value: string;
  /** Sum of what findings add. */
  score: number;
  /** Number of findings that add. */
  findings: number;
  /** Number of different detections that add. */
  detections: number;
};

/** Something that carries risk. */
export type RiskObjectInfo = {
  /** `user`, `system` or `other`. */
  type: string;
  /** Name. */
  value: string;
  /** Risk that the finding adds to it by the detection's measure. */
  score: number;
  /** The same with what assets and identities say taken into account. */
  calculated_score: number;
};

/** A registry value that starts something. */
export type RunKey = {
  /** When. */
  time: string | null;
  /** Key and value's name. */
  key: string;
  /** What is started. */
  value: string;
  /** Who wrote it. */
  by: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** What an intruder touched, and what is to be done about it. */
export type Scope = {
  /** Hosts that the intruder touched, the surest first. */
  hosts: Array<ScopeHost>;
  /** Accounts to reset. */
  accounts: Array<ScopeAccount>;
  /** Hosts whose logs are too few to say. */
  blind: Array<BlindHost>;
  /** Where it began, as far as the logs tell. */
  entry: Entry | null;
  /** Logs to collect, and how. */
  collect: Array<Collect>;
};

/** An account to reset. */
export type ScopeAccount = {
  /** Id of the account. */
  account: string;
  /** Why, for people. */
  why: Array<string>;
};

/** A host that the intruder touched. */
export type ScopeHost = {
  /** Id of the host. */
  host: string;
  /** `certain`, `likely` or `possible`. */
  certainty: string;
  /** 0 to 1: that of its surest movement. */
  confidence: number;
  /** Why, for people. */
  why: Array<string>;
};

/** A service that was installed. */
export type ServiceEntry = {
  /** When. */
  time: string | null;
  /** Its name. */
  name: string;
  /** What it runs. */
  image: string;
  /** The account it runs as. */
  account: string | null;
  /** Who installed it. */
  by: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** Findings that an exception silences. */
export type Silenced = {
  /** File and line of the exception; `throttling` where findings are alike. */
  exception: string;
  /** Who decided it. */
  who: string | null;
  /** Why. */
  why: string | null;
  /** Until when. */
  until: string | null;
  /** Ids of the findings. */
  findings: Array<string>;
};

/** How far the clocks of two hosts differ. */
export type SkewInfo = {
  /** Id of the host that opened connections. */
  src: string;
  /** Id of the host that accepted them. */
  dst: string;
  /** Median of the destination's time less the source's. */
  seconds: number;
  /** Connections that both logged. */
  connections: number;
};

/** A file, archive member or standard input. */
export type Source = {
  /** Number that references use. */
  id: number;
  /** Path as given or found; members of archives as `archive.zip!/member`. */
  path: string;
  /** What it is: `evtx`, `xml`, `json`, `csv`, `zeek`, `windows-text`, `syslog`, `archive`, `unknown`. */
  kind: string;
  /** Unpacked size in bytes, as far as it was read. */
  bytes: number;
  /** Records read, copies included. */
  records: number;
  /** Records known to be there that could not be read. */
  skipped: number;
  /** The first problems. */
  problems: Array<SourceProblem>;
  /** Problems beyond those listed. */
  more_problems: number;
};

/** Something in a source that could not be read, or not be trusted. */
export type SourceProblem = {
  /** Byte offset in the unpacked source, where known. */
  offset: number | null;
  /** Record number or line, where known. */
  record: number | null;
  /** What is wrong. */
  message: string;
  /** Whether data was lost by it; otherwise it is a warning. */
  loss: boolean;
};

/** Numbers about the run. */
export type Stats = {
  /** Distinct events read. */
  events: number;
  /** Bytes read, unpacked. */
  bytes: number;
  /** How long it took. */
  seconds: number;
  /** Sources read. */
  sources: number;
  /** Sources of which part could not be read. */
  sources_damaged: number;
  /** Records that could not be read. */
  skipped: number;
  /** Copies of events that were left out. */
  duplicates: number;
  /** Detections that ran. */
  detections: number;
  /** Findings in all. */
  findings: number;
  /** Findings that somebody should look at. */
  notables: number;
  /** Findings that are not shown because of an exception or of throttling. They are in no other number. */
  suppressed: number;
  /** Possible movements that are left out as daily work of their accounts. */
  usual_movements_left_out: number;
  /** Findings by severity. */
  findings_by_severity: { [key in string]: number };
  /** Findings by detection. */
  findings_by_detection: { [key in string]: number };
  /** Who carries how much risk, the most first. */
  risk: Array<RiskInfo>;
  /** Time of the first event. */
  first: string | null;
  /** Time of the last event. */
  last: string | null;
};

/** Why a finding is not shown. */
export type SuppressedInfo = {
  /** Who decided it; `throttling` where it is alike to another. */
  by: string;
  /** Why. */
  reason: string;
  /** Until when. */
  until: string | null;
  /** File and line of the exception; null for throttling. */
  exception: string | null;
};

/** A task that was registered, changed or deleted. */
export type TaskEntry = {
  /** When. */
  time: string | null;
  /** `registered`, `changed` or `deleted`. */
  what: string;
  /** Its name. */
  name: string;
  /** What it runs. */
  command: string | null;
  /** Who registered it. */
  by: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** One reason why a path is, or is not, daily work. */
export type TermInfo = {
  /** What is weighed, in words with figures. */
  what: string;
  /** How often daily work does such a thing, 0 to 1. */
  probability: number;
};

/** Something that threatens. */
export type ThreatObjectInfo = {
  /** What it is, such as `process_name`. */
  type: string;
  /** Name. */
  value: string;
};

/** The program. */
export type ToolInfo = {
  /** Name. */
  name: string;
  /** Version. */
  version: string;
};

/** A span of time. */
export type Window = {
  /** Its beginning. */
  first: string | null;
  /** Its end. */
  last: string | null;
};

/** One thing that was seen of a movement. */
export type WitnessInfo = {
  /** `source`, `destination-logon`, `destination-execution`, `domain-controller` or `network`. */
  kind: string;
  /** What was seen. */
  what: string;
  /** When. */
  time: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** A part of a WMI subscription. */
export type WmiEntry = {
  /** When. */
  time: string | null;
  /** Its name. */
  name: string;
  /** What it does. */
  what: string;
  /** Who made it. */
  by: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};
