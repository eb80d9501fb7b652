/** Ranges of time that are chosen most. */
export const PRESETS: readonly { earliest: string; latest: string; name: string }[] = [
  { earliest: "-15m", latest: "now", name: "Last 15 minutes" },
  { earliest: "-60m", latest: "now", name: "Last hour" },
  { earliest: "-4h", latest: "now", name: "Last 4 hours" },
  { earliest: "-24h", latest: "now", name: "Last 24 hours" },
  { earliest: "-7d", latest: "now", name: "Last 7 days" },
  { earliest: "-30d", latest: "now", name: "Last 30 days" },
  { earliest: "@d", latest: "now", name: "Today (UTC)" },
  { earliest: "-1d@d", latest: "@d", name: "Yesterday (UTC)" },
  { earliest: "", latest: "", name: "All time" },
];

/** `2026-03-04 13:12:00` of seconds since 1970, in UTC. */
export function ofSeconds(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, 19).replace("T", " ");
}

/** A limit of time in words. */
export function limitName(text: string): string {
  if (/^\d{9,11}(?:\.\d+)?$/.test(text)) return ofSeconds(Number(text));
  return text;
}

export function rangeName(earliest: string, latest: string): string {
  const preset = PRESETS.find((one) => one.earliest === earliest && one.latest === latest);
  if (preset) return preset.name;
  return `${earliest ? limitName(earliest) : "the beginning"} – ${latest ? limitName(latest) : "now"}`;
}

/** The value of an `<input type=datetime-local>`, read as UTC, as seconds since 1970; empty if it is none. */
export function secondsOf(local: string): string {
  const time = Date.parse(`${local}Z`);
  return Number.isNaN(time) ? "" : String(time / 1000);
}

/** What such an input shows for a limit; empty unless it is absolute. */
export function localOf(limit: string): string {
  if (!/^\d{9,11}(?:\.\d+)?$/.test(limit)) return "";
  return new Date(Number(limit) * 1000).toISOString().slice(0, 19);
}

/** How long ago, in one unit. */
export function ago(seconds: number): string {
  if (seconds < 0) return "ahead of the server's clock";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} days ago`;
}
