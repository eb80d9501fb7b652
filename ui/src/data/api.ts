// What the server answers and is asked. Written from the schemas of crates/server/src/api.rs by its tests; do not edit.

export type Question = {
  /** In SPL. */
  search: string;
  /** The start of the range of time, such as -24h@h. */
  earliest?: string;
  /** Its end, such as now. */
  latest?: string;
  rows?: number | null;
  seconds?: number | null;
};

export type Answer = {
  columns: Array<string>;
  rows: Array<Array<string | Array<string> | null>>;
  total: number;
  truncated: boolean;
  warnings: Array<string>;
};

export type Job = {
  id: string;
  owner: string;
  search: string;
  earliest: string | null;
  latest: string | null;
  asked: string;
  state: "queued" | "running" | "done" | "failed";
  seconds: number;
  rows: number | null;
  truncated: boolean | null;
  error: string | null;
};

export type Jobs = {
  jobs: Array<Job>;
};

export type Change = {
  enabled?: boolean | null;
  alert?: boolean | null;
  schedule?: {
    cron: string;
    earliest: string;
    latest: string;
  } | null;
};

export type Detection = {
  id: string;
  name: string;
  type: "TTP" | "Anomaly" | "Hunting" | "Correlation";
  language: "spl" | "sigma";
  severity: string;
  stories: Array<string>;
  techniques: Array<string>;
  description: string;
  search: string;
  enabled: boolean;
  alert: boolean;
  runs: "on arrival" | "on schedule" | "in hunts";
  schedule: {
    cron: string;
    earliest: string;
    latest: string;
    changed: boolean;
  } | null;
  next_run: string | null;
  last_run: string | null;
  last_tick: string | null;
  last_seconds: number | null;
  run_count: number;
  findings: number;
  last_finding: string | null;
  throttled: number;
  hidden: number;
  missed: number;
  error: string | null;
  recent: Array<{
    time: string | null;
    seconds: number;
    findings: number;
    error: string | null;
  }>;
};

export type RanNow = {
  found: number;
  detection: Detection;
};

export type Content = {
  detections: Array<Detection>;
  problems: Array<string>;
  trouble: string | null;
};

export type Finding = {
  id: string;
  detection: {
    id: string;
    name: string;
    type: string;
  };
  severity: string;
  message: string;
  found: string;
  first: string | null;
  last: string | null;
  risk_objects: Array<{
    type: string;
    value: string;
    score: number;
  }>;
  hosts: Array<string>;
  fields: Record<string, unknown>;
  events: Array<{
    time: string;
    host: string;
    channel: string;
    event_id: number;
    record: number;
  }>;
  event_count: number;
};

export type Findings = {
  findings: Array<Finding>;
};

export type Alerts = {
  alerts: Array<{
    alert: {
      id: string;
      kind: string;
      title: string;
      detail: Record<string, unknown>;
      time: string;
    };
    done: Array<string>;
    failed: Record<string, {
      tries: number;
      why: string;
      given_up: boolean;
    }>;
  }>;
};

export type Outputs = {
  outputs: Array<{
    output: string;
    error: string | null;
  }>;
};

export type Language = {
  commands: Array<{
    name: string;
    also: Array<string>;
    syntax: string;
    meaning: string;
    options: Array<{
      name: string;
      meaning: string;
    }>;
  }>;
  functions: Array<Callable>;
  aggregations: Array<Callable>;
  macros: Array<{
    name: string;
    arguments: Array<string>;
    definition: string;
  }>;
  lookups: Array<string>;
  models: Array<string>;
};

export type Callable = {
  name: string;
  syntax: string;
  meaning: string;
  example: string;
};

export type KnownFields = {
  fields: Array<{
    name: string;
    events: number;
  }>;
  types: Array<{
    channel: string;
    event_id: number;
    events: number;
  }>;
};

export type Draft = {
  search: string;
};

export type Place = {
  message: string;
  note: string | null;
  help: string | null;
  line: number;
  column: number;
  start: number;
  end: number;
};

export type Checked = {
  problems: Array<Place>;
  warnings: Array<Place>;
  events: string | null;
  commands: Array<string>;
};

export type Users = {
  users: Array<{
    name: string;
    role: "viewer" | "analyst" | "admin";
  }>;
};

export type NewUser = {
  name: string;
  password: string;
  role: "viewer" | "analyst" | "admin";
};

export type Audit = {
  entries: Array<{
    time: string;
    act: string;
    user: string;
    peer: string;
    about: string;
  }>;
};

export type UserChange = {
  role?: "viewer" | "analyst" | "admin" | null;
  password?: string | null;
};

export type Passwords = {
  old: string;
  new: string;
};

export type Me = {
  name: string;
  role: "viewer" | "analyst" | "admin";
  limits: {
    at_once: number;
    rows: number;
    bytes: number;
    memory: number;
    seconds: number;
  };
};

export type Token = {
  name: string;
  begins: string;
  disabled: boolean;
  acknowledges: boolean;
  in_query: boolean;
  indexes: Array<string>;
  index: string;
  source: string;
  sourcetype: string;
  made: string | null;
};

export type Tokens = {
  tokens: Array<Token>;
};

export type NewToken = {
  name: string;
  acknowledges?: boolean;
  in_query?: boolean;
  indexes?: Array<string>;
  index?: string;
  source?: string;
  sourcetype?: string;
};

export type MadeToken = {
  name: string;
  token: string;
};

export type Health = {
  now: string;
  senders: Array<{
    name: string;
    records: number;
    skipped: number;
    bytes: number;
    problems: Array<string>;
    more_problems: number;
    last_request: string | null;
    requests: number;
    events: number;
  }>;
  logs: Array<{
    host: string;
    channel: string;
    first: string | null;
    last: string | null;
    records: number;
    cleared: Array<string>;
  }>;
  more: number;
  status: Figures;
};

export type Figures = {
  case: {
    number: number;
    created: string;
    seconds: number;
    told: number;
    findings: number;
    parts: Array<string>;
  } | null;
  schedules: {
    runs: number;
    findings: number;
    failing: number;
    trouble: string | null;
  } | null;
  hunting: {
    trouble: string | null;
  } | null;
  stored: {
    events: number;
    files: number;
    bytes: number;
    trouble: string | null;
  };
  events: number;
  requests: number;
  log_bytes: number;
  syncs: number;
  sync_micros: number;
  refused: number;
  repeated: number;
  lost_messages: number;
  waiting_bytes: number;
  trouble: string | null;
};

export type Item = {
  id: string;
  kind: "path" | "finding";
  title: string;
  message: string;
  severity: string;
  type: string;
  detection: string;
  techniques: Array<string>;
  hosts: Array<string>;
  accounts: Array<string>;
  score: number;
  found: string | null;
  first: string | null;
  last: string | null;
  count: number;
  status: Status;
  goes_on: boolean;
  owner: string;
  disposition: Disposition;
  version: number;
  changed: string | null;
};

export type Status = "new" | "in-progress" | "closed";

export type Disposition = "undetermined" | "true-positive" | "benign-positive" | "false-positive" | "other";

export type Inbox = {
  tag: string;
  items: Array<Item> | null;
  total: number | null;
  owners: Array<string> | null;
};

export type Decided = {
  items: Array<Item>;
};

export type Decision = {
  items: Array<{
    id: string;
    version: number;
  }>;
  status?: Status | null;
  owner?: string | null;
  disposition?: Disposition | null;
  note?: string;
};

export type InboxDetail = {
  item: Item;
  history: Array<{
    time: string | null;
    by: string;
    status: Status | null;
    owner: string | null;
    disposition: Disposition | null;
    note: string;
  }>;
  finding: Finding | null;
};

export type Table = {
  version: number;
  columns: Array<string>;
  rows: Array<Array<string>>;
  by: string;
  changed: string | null;
};

export type Problem = {
  row: number;
  column: string;
  message: string;
};

export type Problems = {
  error: string;
  problems: Array<Problem>;
};

export type Csv = string;

export type ReadTable = {
  columns: Array<string>;
  rows: Array<Array<string>>;
  problems: Array<Problem>;
};

export type EditedTable = {
  version?: number | null;
  columns: Array<string>;
  rows: Array<Array<string>>;
};

export type Exception = {
  id: string;
  detection: string;
  fields: Record<string, Array<string>>;
  reason: string;
  until: string;
  by: string;
  changed: string | null;
  version: number;
  ends: string | null;
  ended: boolean;
  hidden: number | null;
};

export type Exceptions = {
  exceptions: Array<Exception>;
};

export type DecidedException = {
  version?: number | null;
  detection?: string;
  fields?: Record<string, Array<string>>;
  reason: string;
  until: string;
};
