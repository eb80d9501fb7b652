import { EVENT_NAMES } from "./eventnames";
import type { EventRow, Kind, LinkKind, Time } from "./types";

/** `2026-03-04 13:12:00`, always UTC. */
export function when(time: Time | undefined): string {
  if (!time) return "no time";
  return time.slice(0, 19).replace("T", " ");
}

/** With all available decimals. */
export function whenExactly(time: Time | undefined): string {
  if (!time) return "no time";
  return `${time.replace("T", " ").replace("Z", "")} UTC`;
}

export const clock = (time: Time): string => (time ? time.slice(11, 19) : "no time");
export const day = (time: Time): string => (time ? time.slice(0, 10) : "");

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 360) / 10} h`;
  return `${Math.round(seconds / 8640) / 10} days`;
}

const grouped = new Intl.NumberFormat("en");
export const number = (value: number): string => grouped.format(value);
export const count = (value: number, one: string, many = `${one}s`): string => `${number(value)} ${value === 1 ? one : many}`;

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${at === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[at]}`;
}

/** Text for a cell; long text is cut. */
export const cut = (text: string, most = 240): string => (text.length > most ? `${text.slice(0, most)}…` : text);

export const witnessName: Record<Kind, string> = {
  source: "Source",
  "destination-logon": "Destination logon",
  "destination-execution": "Destination execution",
  "domain-controller": "Domain controller",
  network: "Network",
};

export const linkName: Record<LinkKind, string> = {
  "process-causal": "its process descends from the previous hop",
  "session-causal": "it comes from a session opened by the previous hop",
  "time-possible": "a session of the previous hop was open at that time",
};

export const shortChannel = (channel: string): string => channel.replace(/^Microsoft-Windows-/, "").replace(/\/Operational$/, "");

export function eventName(event: EventRow): string {
  if (!isWindows(event)) return event.channel;
  const what = EVENT_NAMES[event.channel]?.[event.eventId];
  return `${shortChannel(event.channel)} ${event.eventId}${what ? `: ${what}` : ""}`;
}

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;" };
const escapeXml = (text: string) => text.replace(/[&<>'"]/g, (c) => escapes[c] ?? c);

// The header fields of the readers.
const SYSTEM = new Set([
  "Provider", "EventSourceName", "Version", "Level", "Task", "Opcode", "Keywords", "UserID", "Qualifiers", "ActivityID",
  "RelatedActivityID", "ExecutionProcessID", "ExecutionThreadID",
]);

/** Event XML with one element per line. Text between a start tag and its end tag stays unchanged. */
export function indented(xml: string): string {
  // A damaged record stays unchanged.
  const tags = xml.match(/<[^<>]*>/g);
  if (!tags || xml.includes("<!")) return xml;
  const lines: string[] = [];
  let depth = 0;
  let at = 0;
  let open: number | null = null;
  for (const tag of tags) {
    const start = xml.indexOf(tag, at);
    const text = xml.slice(at, start);
    at = start + tag.length;
    if (tag.startsWith("</")) {
      depth = Math.max(0, depth - 1);
      const last = lines.length - 1;
      if (open === last && last >= 0) lines[last] += text + tag;
      else lines.push("  ".repeat(depth) + text.trim() + tag);
      open = null;
      continue;
    }
    if (text.trim()) lines.push("  ".repeat(depth) + text.trim());
    lines.push("  ".repeat(depth) + tag);
    const single = tag.endsWith("/>") || tag.startsWith("<?");
    open = single ? null : lines.length - 1;
    if (!single) depth += 1;
  }
  const rest = xml.slice(at).trim();
  return [...lines, ...(rest ? [rest] : [])].join("\n");
}

/** Whether a log is a Windows log, whose records are XML. */
export const isWindows = (event: EventRow): boolean => event.eventId > 0 || !(event.channel.includes(":") || event.channel === "unknown");

/** The record as text, from its fields: Windows' XML for Windows events, `name="value"` pairs for others. */
export function rendered(event: EventRow, fields: [string, string | string[]][]): string {
  const pairs = fields.flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one] as const));
  if (!isWindows(event)) return pairs.map(([name, value]) => `${name}="${value.replaceAll('"', '\\"')}"`).join("\n");
  const system = pairs.filter(([name]) => SYSTEM.has(name));
  const data = pairs.filter(([name]) => !SYSTEM.has(name));
  const header = (name: string) => system.filter(([own]) => own === name).map(([, value]) => value);
  const attributes = (names: [string, string][]) =>
    names.flatMap(([attribute, name]) => header(name).map((value) => ` ${attribute}="${escapeXml(value)}"`)).join("");
  const lines = [
    `<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">`,
    "  <System>",
    `    <Provider${attributes([["Name", "Provider"], ["EventSourceName", "EventSourceName"]])}/>`,
    `    <EventID${attributes([["Qualifiers", "Qualifiers"]])}>${event.eventId}</EventID>`,
    ...["Version", "Level", "Task", "Opcode", "Keywords"].flatMap((name) =>
      header(name).map((value) => `    <${name}>${escapeXml(value)}</${name}>`),
    ),
    ...(event.time ? [`    <TimeCreated SystemTime="${escapeXml(event.time)}"/>`] : []),
    `    <EventRecordID>${escapeXml(String(event.record))}</EventRecordID>`,
    `    <Correlation${attributes([["ActivityID", "ActivityID"], ["RelatedActivityID", "RelatedActivityID"]])}/>`,
    `    <Execution${attributes([["ProcessID", "ExecutionProcessID"], ["ThreadID", "ExecutionThreadID"]])}/>`,
    `    <Channel>${escapeXml(event.channel)}</Channel>`,
    `    <Computer>${escapeXml(event.host)}</Computer>`,
    `    <Security${attributes([["UserID", "UserID"]])}/>`,
    "  </System>",
    "  <EventData>",
    ...data.map(([name, value]) => `    <Data Name="${escapeXml(name)}">${escapeXml(value)}</Data>`),
    "  </EventData>",
    "</Event>",
  ];
  return lines.join("\n");
}
