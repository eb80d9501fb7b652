import type { Alerts, Answer, Change, Checked, Content, Decided, DecidedException, Decision, Detection, EditedTable, Exception, Exceptions, Health, Inbox, InboxDetail, Job, KnownFields, Language, Me, NewToken, NewUser, Outputs, Problem, Question, RanNow, ReadTable, Table, Tokens, UserChange, Users, MadeToken, Audit } from "./api";

/** The server's refusal, with its words. */
export class Refused extends Error {
  readonly status: number;
  /** Where what was sent is wrong, if the server says so. */
  readonly problems: Problem[];

  constructor(status: number, message: string, problems: Problem[] = []) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

/** What people know: assets or identities. */
export type KnownKind = "assets" | "identities";

/** Asks the server that the page comes from; it has no other. A body that is no JSON has a type of its own. */
export async function ask<T>(method: string, path: string, body?: unknown, type?: string): Promise<T> {
  const response = await fetch(`/api/v1/${path}`, {
    method,
    // A form of another site cannot send the second header.
    headers: { accept: "application/json", ...(method === "GET" ? {} : { "x-crabwalk": "1", "content-type": type ?? "application/json" }) },
    credentials: "same-origin",
    ...(body === undefined ? {} : { body: type === undefined ? JSON.stringify(body) : String(body) }),
  });
  if (response.status === 401) {
    location.assign("/login");
    throw new Refused(401, "the session has ended");
  }
  const text = await response.text();
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(response.status, `the server answered ${response.status}`);
  }
  const error = (value as { error?: string | null } | null)?.error;
  const problems = (value as { problems?: Problem[] } | null)?.problems;
  if (!response.ok || (typeof error === "string" && error)) throw new Refused(response.status, error ?? `the server answered ${response.status}`, problems);
  return value as T;
}

const named = (name: string): string => encodeURIComponent(name);

export const server = {
  me: () => ask<Me>("GET", "me"),
  password: (old: string, next: string) => ask<unknown>("POST", "me/password", { old, new: next }),
  language: () => ask<Language>("GET", "search/language"),
  fields: () => ask<KnownFields>("GET", "search/fields"),
  check: (search: string) => ask<Checked>("POST", "search/check", { search }),
  start: (question: Question) => ask<Job>("POST", "search/jobs", question),
  results: (id: string, count: number) => ask<Answer>("GET", `search/jobs/${named(id)}/results?count=${count}`),
  cancel: (id: string) => ask<unknown>("DELETE", `search/jobs/${named(id)}`),
  inbox: (tag: string) => ask<Inbox>("GET", `inbox?unless=${named(tag)}`),
  item: (id: string) => ask<InboxDetail>("GET", `inbox/${named(id)}`),
  decide: (decision: Decision) => ask<Decided>("PATCH", "inbox", decision),
  content: () => ask<Content>("GET", "content"),
  change: (id: string, change: Change) => ask<Detection>("PATCH", `content/${named(id)}`, change),
  run: (id: string) => ask<RanNow>("POST", `content/${named(id)}/run`),
  known: (kind: KnownKind) => ask<Table>("GET", `environment/${kind}`),
  setKnown: (kind: KnownKind, table: EditedTable) => ask<Table>("PUT", `environment/${kind}`, table),
  readKnown: (kind: KnownKind, text: string) => ask<ReadTable>("POST", `environment/${kind}/csv`, text, "text/csv"),
  exceptions: () => ask<Exceptions>("GET", "exceptions"),
  addException: (decided: DecidedException) => ask<Exception>("POST", "exceptions", decided),
  changeException: (id: string, decided: DecidedException) => ask<Exception>("PATCH", `exceptions/${named(id)}`, decided),
  removeException: (id: string) => ask<unknown>("DELETE", `exceptions/${named(id)}`),
  alerts: () => ask<Alerts>("GET", "alerts"),
  testAlerts: () => ask<Outputs>("POST", "alerts/test"),
  health: () => ask<Health>("GET", "health"),
  users: () => ask<Users>("GET", "users"),
  addUser: (user: NewUser) => ask<unknown>("POST", "users", user),
  changeUser: (name: string, change: UserChange) => ask<unknown>("PATCH", `users/${named(name)}`, change),
  removeUser: (name: string) => ask<unknown>("DELETE", `users/${named(name)}`),
  tokens: () => ask<Tokens>("GET", "tokens"),
  addToken: (token: NewToken) => ask<MadeToken>("POST", "tokens", token),
  removeToken: (name: string) => ask<unknown>("DELETE", `tokens/${named(name)}`),
  audit: (most: number) => ask<Audit>("GET", `audit?most=${most}`),
};

/** Follows a job until it is over. */
export function follow(id: string, tell: (job: Job) => void, stop: AbortSignal): Promise<Job> {
  return new Promise((resolve, reject) => {
    const events = new EventSource(`/api/v1/search/jobs/${named(id)}/events`);
    const end = () => events.close();
    stop.addEventListener("abort", () => {
      end();
      reject(new DOMException("cancelled", "AbortError"));
    });
    events.addEventListener("progress", (event) => tell(JSON.parse(event.data as string) as Job));
    events.addEventListener("end", (event) => {
      end();
      resolve(JSON.parse(event.data as string) as Job);
    });
    events.addEventListener("error", () => {
      end();
      reject(new Error("the connection to the server was lost"));
    });
  });
}

export const mayDecide = (me: Me): boolean => me.role !== "viewer";
export const isAdmin = (me: Me): boolean => me.role === "admin";

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
