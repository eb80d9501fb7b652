// The case document. Written from the types of crates/case by its tests; do not edit.
// Where case.json has an event, a report has the event's number in its table.

/** The part that an account plays. */
export type AccountRole = "user" | "local" | "service" | "machine" | "system";

/** How certain it is that the intruder was on a host. */
export type Certainty = "certain" | "likely" | "possible";

/** What a detection's results mean. */
export type DetectionType = "TTP" | "Anomaly" | "Hunting" | "Correlation";

/** Who witnessed a movement. */
export type Kind = "source" | "destination-logon" | "destination-execution" | "domain-controller" | "network";

/** Why one hop follows from another. */
export type LinkKind = "time-possible" | "session-causal" | "process-causal";

/** What carries risk. */
export type RiskObjectKind = "user" | "system" | "other";

/** How bad a finding is. */
export type Severity = "critical" | "high" | "medium" | "low" | "informational";

/** The classification of a hop. */
export type Standing = "proven" | "possible" | "attempted" | "routine";

/** Where the account of a hop changes. */
export type SwitchedAt = "source" | "destination" | "since-last-hop";

/** The kinds of witnesses, in display order. */
export const WITNESS_KINDS = ["source", "destination-logon", "destination-execution", "domain-controller", "network"] as const;

/** An account. */
export type Account = {
  /** Identifier in this case. */
  id: string;
  /** Its name for display: `DOMAIN\name` if the short name of the domain is known. */
  name: string;
  /** Its names in events. */
  names: Array<string>;
  /** Security identifier. */
  sid: string | null;
  /** The part that it plays: a person's, of one host only, a service's, a machine's, or Windows' own. */
  kind: AccountRole;
  /** Risk from findings. */
  risk: number;
};

/** A change to an account or group. */
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
  /** Hosts where its credentials were exposed to the intruder. */
  exposed: Array<Exposed>;
  /** Changes to the account. */
  changes: Array<Change>;
  /** Whether it needs a reset. */
  reset: boolean;
  /** Number of logons left out of a list that would be too long. */
  left_out: number;
};

/** A logon. */
export type Authentication = {
  /** When. */
  time: string | null;
  /** `in` or `out`. */
  direction: string;
  /** Id of the account, if the case knows it. */
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
  /** Whether it had administrator rights. */
  privileged: boolean;
  /** What was done in it. */
  did: Array<string>;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** A host whose logs are too sparse to judge. */
export type BlindHost = {
  /** Id of the host. */
  host: string;
  /** What is missing. */
  why: Array<string>;
};

/** Everything that one hunt concluded. */
export type Case = {
  /** `crabwalk.case/1`. */
  schema: string;
  /** When the hunt finished. */
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
  /** Result rows of detections, in chronological order. */
  findings: Array<FindingInfo>;
  /** Movements from host to host. */
  hops: Array<HopInfo>;
  /** Movements chained into paths. */
  paths: Array<PathInfo>;
  /** Clocks that differ. */
  skew: Array<SkewInfo>;
  /** Errors in the content of the hunt. */
  content_problems: Array<ContentProblemInfo>;
  /** Numbers about the run. */
  stats: Stats;
  /** The case in a few sentences. */
  summary: Array<string>;
  /** What is affected, and what to do about it. */
  scope: Scope;
  /** Exceptions that silenced findings. */
  silenced: Array<Silenced>;
  /** What happened on hosts and with accounts. */
  dossiers: Dossiers;
};

/** A change to an account. */
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
  /** How to get it; empty if the machine's name is unsafe in a command. */
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
  /** The listening port. */
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

/** The coverage of a log of a host. */
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
  /** The latest time at which the intruder was there. */
  time: string | null;
  /** What says so. */
  how: Array<string>;
};

/** The exposure of an account's credentials on a host. */
export type Exposed = {
  /** Id of the host. */
  host: string;
  /** Since when. */
  first: string | null;
  /** Until when. */
  last: string | null;
  /** By what. */
  how: string;
  /** Ids of the intruder's accounts there. */
  to: Array<string>;
};

/** A file that was written. */
export type FileEntry = {
  /** When. */
  time: string | null;
  /** Its path, relative to the share if written over one. */
  path: string;
  /** The share. */
  share: string | null;
  /** Who wrote it: an account, or else a program. */
  by: string | null;
  /** Id or address of the host it came from. */
  from: string | null;
  /** Id of the hop that it belongs to. */
  hop: string | null;
  /** The events. */
  events: Array<Reference>;
};

/** One result row of one detection. */
export type FindingInfo = {
  /** Identifier, stable across runs. */
  id: string;
  /** Name of the detection. */
  detection: string;
  /** Id of the detection. */
  detection_id: string;
  /** What its detection asks for: attention, or only risk. */
  type: DetectionType;
  /** How bad it is. */
  severity: Severity;
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
  /** Whether it deserves attention by itself. */
  notable: boolean;
  /** Why it does not, if the logs' other days show the same; otherwise null. Findings on reported paths are always notable. */
  everyday: string | null;
  /** Why it is not shown and adds no risk, if so; otherwise null. */
  suppressed: SuppressedInfo | null;
  /** What carries risk. */
  risk_objects: Array<RiskObjectInfo>;
  /** What threatens. */
  threat_objects: Array<ThreatObjectInfo>;
  /** The machines concerned, as ids of `hosts`. */
  hosts: Array<string>;
  /** Columns of the row: a text, a list of texts, or null. Of findings that are neither notable nor on a reported path, where other days show what daily work is, the first values, and how many more there are. */
  fields: Record<string, string | string[] | null>;
  /** Its events, in chronological order; the earliest and the latest if there are many, or of such findings. */
  events: Array<Reference>;
  /** Number of all its events. */
  event_count: number;
  /** Number of similar findings it represents: where the logs show daily work, one per day is reported. */
  count: number;
  /** What the detection looks for. */
  description: string;
  /** What else may look like it. */
  known_false_positives: string;
  /** Links to read. */
  references: Array<string>;
};

/** Detections that were blind on some hosts or everywhere. */
export type GapInfo = {
  /** The statement, for people. */
  message: string;
  /** What is missing. */
  missing: string;
  /** The affected hosts; empty if it applies everywhere. */
  hosts: Array<string>;
  /** The detections that are blind there. */
  detections: Array<string>;
  /** How to close the gap. */
  advice: Array<string>;
};

/** A movement from host to host. */
export type HopInfo = {
  /** Identifier in this case. */
  id: string;
  /** Id of the source host; null if unknown. */
  src: string | null;
  /** Id of the destination host. */
  dst: string;
  /** Id of the account that acted on the source. */
  actor: string | null;
  /** Why the actor is taken to be that account, if no event on the source names it; otherwise null. */
  actor_inferred: string | null;
  /** Id of the account that logged on to the destination. */
  used: string | null;
  /** Id of the account that ran the payload. */
  effective: string | null;
  /** ATT&CK technique ids, most certain first. */
  techniques: Array<string>;
  /** Time of its first act. */
  first: string | null;
  /** Time of its last act. */
  last: string | null;
  /** 0 to 1. */
  confidence: number;
  /** Whether it was attempted and refused. */
  attempted: boolean;
  /** Whether its account does the same on other days: daily work, as far as the logs show. */
  usual: boolean;
  /** Its classification, from `confidence`, `attempted` and `usual`. */
  standing: Standing;
  /** Whether somebody did move, according to these logs. */
  happened: boolean;
  /** Id of the account by which it is known: the one that logged on, or else the payload's, or else the actor. */
  account: string | null;
  /** Id of the hop that it follows on its path. */
  follows: string | null;
  /** Where its account changes. */
  switches: Array<SwitchInfo>;
  /** What was seen. */
  witnesses: Array<WitnessInfo>;
  /** What was not seen. */
  missing: Array<MissingInfo>;
  /** What it ran on the destination, and what resulted from that; only the former for a routine movement that is on no path. */
  processes: Array<RanInfo>;
  /** Ids of the findings about it. */
  findings: Array<string>;
};

/** A machine. */
export type Host = {
  /** Identifier in this case. */
  id: string;
  /** Its name for display. */
  name: string;
  /** Its names in events and assets. */
  names: Array<string>;
  /** Addresses. */
  ips: Array<string>;
  /** Categories from the assets. */
  category: Array<string>;
  /** Priority from the assets. */
  priority: string | null;
  /** `domain-controller`, if its events show it. */
  role: string | null;
  /** Risk from findings. */
  risk: number;
};

/** What happened on a host. */
export type HostDossier = {
  /** Id of the host. */
  host: string;
  /** The time span it covers. */
  window: Window;
  /** Logons to and from it, in chronological order. */
  authentication: Array<Authentication>;
  /** Processes, by time. */
  processes: Array<Process>;
  /** Installed services. */
  services: Array<ServiceEntry>;
  /** Tasks that were registered, changed or deleted. */
  tasks: Array<TaskEntry>;
  /** Parts of WMI subscriptions. */
  wmi_subscriptions: Array<WmiEntry>;
  /** Autostart registry values. */
  run_keys: Array<RunKey>;
  /** Programs and scripts that were written, and files written over the network. */
  files: Array<FileEntry>;
  /** Network connections. */
  connections: Array<Connection>;
  /** Changes to accounts and groups. */
  account_changes: Array<AccountChange>;
  /** For each list that would be too long, the number of entries left out: those furthest from any movement. */
  left_out: { [key in string]: number };
};

/** Why one hop follows from another. */
export type LinkInfo = {
  /** Id of the first hop. */
  from: string;
  /** Id of the second hop. */
  to: string;
  /** What joins them. */
  kind: LinkKind;
  /** 0 to 1. */
  certainty: number;
};

/** Logons of an account to one host from one place. */
export type Logons = {
  /** Id of the host. */
  host: string;
  /** Id of the source host, if known. */
  from: string | null;
  /** Its address. */
  address: string | null;
  /** Windows' logon type numbers. */
  types: Array<number>;
  /** The first. */
  first: string | null;
  /** The last. */
  last: string | null;
  /** How many succeeded. */
  count: number;
  /** How many failed. */
  failures: number;
  /** Whether there were none before the intrusion began, although the host's logs reach back at least a day before. */
  new: boolean;
};

/** An oddity of a process. */
export type Mark = "user-writable" | "renamed" | "odd-parent" | "unsigned";

/** A kind of witness that a movement lacks. */
export type MissingInfo = {
  /** The kind that is missing. */
  kind: Kind;
  /** Why, for people. */
  why: string;
};

/** Movements that follow from each other. */
export type PathInfo = {
  /** Identifier in this case. */
  id: string;
  /** Higher scores deserve attention first. */
  score: number;
  /** What makes the score. */
  why: Array<string>;
  /** Ids of hops, by time. */
  hops: Array<string>;
  /** What joins them. */
  links: Array<LinkInfo>;
  /** Whether the verdict reports it. */
  told: boolean;
  /** How often daily work does the same, rarest first; empty if there are too few days to compare. */
  rank: Array<TermInfo>;
  /** Its route, over the hops that happened if any did: `A → B → C`, `from A to 3 hosts: B, C and D`. */
  way: string;
};

/** The other end of a logon. */
export type Peer = {
  /** Id of the host, if known. */
  host: string | null;
  /** Its address. */
  address: string | null;
  /** The name that it gave itself, or that others used for it. */
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
  /** Who signed the program, if its load was logged. */
  signature: string | null;
  /** How rare its program is. */
  seen: Rareness;
  /** What is odd about it. */
  marks: Array<Mark>;
  /** Oddities, for people. */
  reasons: Array<string>;
  /** Whether it deserves a look: a hop started it, or it is odd in more than the place of its program. */
  remarkable?: boolean;
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
  /** Its command line; empty if it was not logged. */
  command_line: string;
  /** Id of the account that ran it. */
  account: string | null;
  /** Distance from the program that the movement itself started, which has 0. */
  depth: number;
  /** The event. */
  events: Array<Reference>;
};

/** How rare a program was when it started. */
export type Rareness = "here-before" | "common" | "first-here" | "first-anywhere";

/** Leads to one event. */
export type Reference = number;

/** Risk of one object. */
export type RiskInfo = {
  /** What it is. */
  type: RiskObjectKind;
  /** Name. */
  value: string;
  /** Sum of the risk from findings. */
  score: number;
  /** Number of findings that contribute. */
  findings: number;
  /** Number of different detections that contribute. */
  detections: number;
};

/** Something that carries risk. */
export type RiskObjectInfo = {
  /** What it is. */
  type: RiskObjectKind;
  /** Name. */
  value: string;
  /** Risk that the finding adds to it, as defined by the detection. */
  score: number;
  /** The same, adjusted by assets and identities. */
  calculated_score: number;
};

/** An autostart registry value. */
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

/** What an intruder touched, and what to do about it. */
export type Scope = {
  /** Hosts that the intruder touched: those of the first path first, each path's most certain ones first. */
  hosts: Array<ScopeHost>;
  /** Ids of the hosts to isolate. */
  isolate: Array<string>;
  /** Accounts to reset. */
  accounts: Array<ScopeAccount>;
  /** Hosts whose logs are too sparse to judge. */
  blind: Array<BlindHost>;
  /** Where it began, as far as the logs show. */
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
  /** How certain that is. */
  certainty: Certainty;
  /** 0 to 1: that of its most certain movement. */
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
  /** File and line of the exception; `throttling` for repeated findings. */
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

/** The difference between the clocks of two hosts. */
export type SkewInfo = {
  /** Id of the host that opened the connections. */
  src: string;
  /** Id of the host that accepted them. */
  dst: string;
  /** Median of the destination's time minus the source's. */
  seconds: number;
  /** Number of connections that both logged. */
  connections: number;
};

/** A file, archive member or standard input. */
export type Source = {
  /** Number that references use. */
  id: number;
  /** Path as given or found; archive members as `archive.zip!/member`. */
  path: string;
  /** Format: `evtx`, `xml`, `json`, `csv`, `zeek`, `windows-text`, `syslog`, `program`, `archive`, `unknown`. */
  kind: string;
  /** Unpacked size in bytes, as far as it was read. */
  bytes: number;
  /** Records read, including copies. */
  records: number;
  /** Records known to exist that could not be read. */
  skipped: number;
  /** The first problems. */
  problems: Array<SourceProblem>;
  /** Number of problems beyond those listed. */
  more_problems: number;
};

/** Something in a source that could not be read or trusted. */
export type SourceProblem = {
  /** Byte offset in the unpacked source, if known. */
  offset: number | null;
  /** Record or line number, if known. */
  record: number | null;
  /** What is wrong. */
  message: string;
  /** Whether it lost data; otherwise it is a warning. */
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
  /** Number of sources that could not be read completely. */
  sources_damaged: number;
  /** Records that could not be read. */
  skipped: number;
  /** Copies of events that were dropped. */
  duplicates: number;
  /** Detections that ran. */
  detections: number;
  /** Findings in all. */
  findings: number;
  /** Number of notable findings. */
  notables: number;
  /** Findings hidden by an exception or by throttling. They are in no other number. */
  suppressed: number;
  /** Possible movements dropped as daily work of their accounts. */
  usual_movements_left_out: number;
  /** Findings by severity. */
  findings_by_severity: { [key in string]: number };
  /** Findings by detection. */
  findings_by_detection: { [key in string]: number };
  /** Risk by object, highest first. */
  risk: Array<RiskInfo>;
  /** Time of the first event. */
  first: string | null;
  /** Time of the last event. */
  last: string | null;
};

/** Why a finding is not shown. */
export type SuppressedInfo = {
  /** Who decided it; without an exception, `throttling` if the finding repeats another, or `habit` if it is raised about the same on other days. */
  by: string;
  /** Why. */
  reason: string;
  /** Until when. */
  until: string | null;
  /** File and line of the exception; null if it was none. */
  exception: string | null;
};

/** A change of a movement's account. */
export type SwitchInfo = {
  /** Id of the account until then. */
  from: string;
  /** Id of the account from then on. */
  to: string;
  /** On the source, on the destination, or since the movement that it follows. */
  where: SwitchedAt;
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
  /** The comparison, in words with figures. */
  what: string;
  /** How often daily work does such a thing, 0 to 1. */
  probability: number;
};

/** A threat object. */
export type ThreatObjectInfo = {
  /** Its type, such as `process_name`. */
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

/** One piece of evidence of a movement. */
export type WitnessInfo = {
  /** From where it was seen. */
  kind: Kind;
  /** What was seen. */
  what: string;
  /** When. */
  time: string | null;
  /** The events; of a routine movement that is on no reported path, in logs of enough days to compare, the first of each kind of witness. */
  events: Array<Reference>;
  /** Number of further events that are not listed, if any; of a routine movement, of all witnesses of the kind. */
  more?: number;
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
