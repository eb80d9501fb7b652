// The shape of what a report holds: `case.json` (schema crabwalk.case/1), in which every event reference is replaced by the
// number of the event in one table, and which is cut into parts that are inflated when they are needed.

/** Number of an event in the table of events. */
export type EventIndex = number;

/** RFC 3339 in UTC, or null where nothing says when. */
export type Time = string | null;

export interface Source {
  id: number;
  path: string;
  kind: string;
  bytes: number;
  records: number;
  skipped: number;
  problems: { offset: number | null; record: number | null; message: string; loss: boolean }[];
  more_problems: number;
}

export interface Covered {
  host: string;
  channel: string;
  first: Time;
  last: Time;
  records: number;
  cleared: string[];
}

export interface Gap {
  message: string;
  missing: string;
  hosts: string[];
  detections: string[];
  advice: string[];
}

export interface Host {
  id: string;
  name: string;
  names: string[];
  ips: string[];
  category: string[];
  priority: string | null;
  role: string | null;
  risk: number;
}

export interface Account {
  id: string;
  name: string;
  names: string[];
  sid: string | null;
  kind: string;
  risk: number;
}

export const WITNESS_KINDS = [
  "source",
  "destination-logon",
  "destination-execution",
  "domain-controller",
  "network",
] as const;
export type WitnessKind = (typeof WITNESS_KINDS)[number];

export interface Witness {
  kind: string;
  what: string;
  time: Time;
  events: EventIndex[];
}

/** A program that ran because of a hop. */
export interface Ran {
  time: Time;
  image: string;
  command_line: string;
  account: string | null;
  /** Steps below the program that the hop itself started, which is 0. */
  depth: number;
  events: EventIndex[];
}

/** What a hop is taken for. */
export type Standing = "proven" | "possible" | "attempted" | "routine";

export interface Hop {
  id: string;
  src: string | null;
  dst: string;
  actor: string | null;
  used: string | null;
  effective: string | null;
  techniques: string[];
  first: Time;
  last: Time;
  confidence: number;
  attempted: boolean;
  /** Whether its account does so on other days too: daily work, as far as the logs can tell. */
  usual: boolean;
  standing: Standing;
  witnesses: Witness[];
  missing: { kind: string; why: string }[];
  processes: Ran[];
  findings: string[];
}

export interface Link {
  from: string;
  to: string;
  kind: string;
  certainty: number;
}

export interface Path {
  id: string;
  score: number;
  why: string[];
  hops: string[];
  links: Link[];
  /** Whether the verdict tells it. */
  told: boolean;
  /** How often daily work does what it shows, the rarest first; empty without other days to compare with. */
  rank: { what: string; probability: number }[];
  /** `A → B → C`, `from A to 3 hosts: B, C and D`, over hops that happened. */
  way: string;
}

export interface Finding {
  id: string;
  detection: string;
  detection_id: string;
  type: string;
  severity: string;
  risk_score: number;
  techniques: string[];
  story: string[];
  first: Time;
  last: Time;
  message: string;
  notable: boolean;
  suppressed: { by: string; reason: string; until: string | null } | null;
  risk_objects: { type: string; value: string; score: number; calculated_score: number }[];
  threat_objects: { type: string; value: string }[];
  hosts: string[];
  events: EventIndex[];
  event_count: number;
  /** How many alike findings of one day it stands for. */
  count: number;
}

/** Columns of a finding's row. */
export type Fields = Record<string, string | string[] | null>;

export interface Detection {
  description: string;
  known_false_positives: string;
  references: string[];
}

export interface Risk {
  type: string;
  value: string;
  score: number;
  findings: number;
  detections: number;
}

export interface Stats {
  events: number;
  bytes: number;
  seconds: number;
  sources: number;
  sources_damaged: number;
  skipped: number;
  duplicates: number;
  detections: number;
  findings: number;
  notables: number;
  suppressed: number;
  findings_by_severity: Record<string, number>;
  findings_by_detection: Record<string, number>;
  risk: Risk[];
  first: Time;
  last: Time;
}

export interface Scope {
  hosts: { host: string; certainty: string; confidence: number; why: string[] }[];
  accounts: { account: string; why: string[] }[];
  blind: { host: string; why: string[] }[];
  entry: { host: string; time: Time; how: string[] } | null;
  collect: { host: string; channel: string; why: string; commands: { tool: string; command: string }[] }[];
}

export interface Silenced {
  exception: string;
  who: string | null;
  why: string | null;
  until: string | null;
  findings: string[];
}

export interface Technique {
  name: string;
  tactics: string[];
}

/** What is needed for the first screen. */
export interface Core {
  schema: string;
  created: string;
  tool: { name: string; version: string };
  sources: Source[];
  coverage: Covered[];
  gaps: Gap[];
  hosts: Host[];
  accounts: Account[];
  hops: Hop[];
  paths: Path[];
  skew: { src: string; dst: string; seconds: number; connections: number }[];
  content_problems: { path: string; line: number | null; message: string; fatal: boolean }[];
  stats: Stats;
  summary: string[];
  scope: Scope | null;
  silenced: Silenced[];
  attack: Record<string, Technique>;
  detections: Record<string, Detection>;
  records: RecordsInfo;
}

/** Which raw records the report holds. */
export interface RecordsInfo {
  kept: number;
  left_out: number;
  /** Why some or all are not here; null if all are. */
  note: string | null;
}

/** The table of events, column by column. */
export interface EventColumns {
  strings: string[];
  source: number[];
  record: (number | string)[];
  /** Microseconds since 1970-01-01 UTC, or null. */
  time: (number | null)[];
  channel: number[];
  event_id: number[];
  host: number[];
  /** Number of the part that holds its raw record, or -1. */
  chunk: number[];
}

/** One event of the table. */
export interface EventRow {
  index: EventIndex;
  source: number;
  record: number | string;
  time: Time;
  channel: string;
  eventId: number;
  host: string;
}

/** All fields of a record, in its order. */
export interface RawRecord {
  fields: [string, string | string[]][];
  /** The event's XML as the log holds it; null where the log holds no XML. */
  xml: string | null;
  /** Whether only the fields are here that the hunt read. */
  partial: boolean;
  /** Characters of its values that were left out. */
  cut: number;
}

export type RecordChunk = { event: EventIndex; fields: [string, string | string[]][]; xml?: string; partial?: boolean; cut?: number }[];

interface Dated {
  time: Time;
  hop?: string | null;
  events?: EventIndex[];
}

export interface Authentication extends Dated {
  direction: string;
  account: string | null;
  name: string | null;
  logon_type: number | null;
  peer: { host: string | null; address: string | null; name: string | null } | null;
  result: string;
  status: string | null;
  session: string | null;
  ended: Time;
  seconds: number | null;
  privileged: boolean;
  did: string[];
}

export interface Process extends Dated {
  id: number;
  parent: number | null;
  session: string | null;
  ended: Time;
  image: string | null;
  command_line: string | null;
  account: string | null;
  pid: number | null;
  original_name: string | null;
  hashes: Record<string, string>;
  signature: string | null;
  seen: string | null;
  marks: string[];
  reasons: string[];
}

export interface HostDossier {
  host: string;
  window?: { first: Time; last: Time };
  /** Entries of a list that were left out, by the list's name. */
  left_out?: Record<string, number>;
  authentication?: Authentication[];
  processes?: Process[];
  services?: Dated[];
  tasks?: Dated[];
  wmi_subscriptions?: Dated[];
  run_keys?: Dated[];
  files?: Dated[];
  connections?: Dated[];
  account_changes?: Dated[];
}

export interface AccountDossier {
  account: string;
  logons?: {
    host: string;
    from: string | null;
    address: string | null;
    types: number[];
    first: Time;
    last: Time;
    count: number;
    failures: number;
    new: boolean;
  }[];
  new?: string[];
  exposed?: { host: string; first: Time; last: Time; how: string; to: string[] }[];
  changes?: Dated[];
  reset?: boolean;
  left_out?: number;
}

export interface Dossiers {
  hosts: HostDossier[];
  accounts: AccountDossier[];
}
