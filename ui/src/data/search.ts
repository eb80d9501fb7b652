import { cut, eventName, when } from "./format";
import type { Model } from "./model";
import type { EventIndex, Process } from "./types";
import { haystack } from "../views/findings";

export interface Hit {
  group: "Hosts" | "Accounts" | "Hops" | "Findings" | "Dossiers" | "Raw records";
  title: string;
  detail: string;
  /** Parameters of the route; `view` names the view. */
  view: "overview" | "findings" | "hosts" | "accounts" | null;
  params: Record<string, string | null>;
}

export interface SearchState {
  hits: Hit[];
  /** Number of results not listed, by group. */
  more: Map<string, number>;
  done: boolean;
  /** 0 to 1. */
  progress: number;
}

const MOST = 12;

/** The text around the first occurrence of a word. */
export function excerpt(text: string, word: string, around = 60): string {
  const at = text.toLowerCase().indexOf(word);
  if (at < 0) return cut(text, around * 2);
  const start = Math.max(0, at - around);
  return `${start > 0 ? "…" : ""}${text.slice(start, at + word.length + around)}${at + word.length + around < text.length ? "…" : ""}`;
}

const pause = () => new Promise((resolve) => setTimeout(resolve));

/** Searches everything in the report, small parts first; reports results as it goes, until it is told to stop. */
export async function searchAll(model: Model, text: string, tell: (state: SearchState) => void, stop: AbortSignal): Promise<void> {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const first = words[0];
  const state: SearchState = { hits: [], more: new Map(), done: false, progress: 0 };
  const finish = () => {
    if (!stop.aborted) tell({ ...state, hits: [...state.hits], done: true, progress: 1 });
  };
  if (first === undefined) return finish();
  const has = (haystack: string) => words.every((word) => haystack.includes(word));
  const counts = new Map<string, number>();
  const add = (hit: Hit) => {
    const count = (counts.get(hit.group) ?? 0) + 1;
    counts.set(hit.group, count);
    if (count <= MOST) state.hits.push(hit);
    else state.more.set(hit.group, count - MOST);
  };
  const step = async (progress: number) => {
    state.progress = progress;
    if (!stop.aborted) tell({ ...state, hits: [...state.hits] });
    await pause();
  };

  for (const host of model.core.hosts) {
    const all = [host.id, ...host.names, ...host.ips, ...host.category, host.role ?? ""].join(" ");
    if (has(all.toLowerCase())) add({ group: "Hosts", title: model.hostName(host.id), detail: [...host.ips, host.role ?? ""].join(" "), view: "hosts", params: { id: host.id } });
  }
  for (const account of model.core.accounts) {
    const all = [account.id, ...account.names, account.sid ?? "", account.kind].join(" ");
    if (has(all.toLowerCase())) add({ group: "Accounts", title: model.accountName(account.id), detail: account.sid ?? account.kind, view: "accounts", params: { id: account.id } });
  }
  for (const hop of model.core.hops) {
    const all = [
      hop.id,
      model.hostName(hop.src),
      model.hostName(hop.dst),
      ...[hop.actor, hop.used, hop.effective].map((id) => (id === null ? "" : model.accountName(id))),
      ...hop.techniques.map((id) => `${id} ${model.technique(id)}`),
      ...hop.witnesses.map((one) => one.what),
      ...hop.missing.map((one) => one.why),
      ...hop.processes.map((one) => `${one.image} ${one.command_line}`),
      when(hop.first),
    ].join("\n");
    if (has(all.toLowerCase())) {
      const path = model.pathOfHop.get(hop.id);
      add({
        group: "Hops",
        title: `${when(hop.first)} ${model.hostName(hop.src)} → ${model.hostName(hop.dst)}`,
        detail: excerpt(all.split("\n").find((line) => line.toLowerCase().includes(first)) ?? "", first),
        view: "overview",
        params: { path: path?.id ?? "all", hop: hop.id, finding: null, event: null },
      });
    }
  }
  await step(0.05);
  const findings = await model.findings();
  for (const [at, finding] of findings.all.entries()) {
    if (at % 5000 === 4999) await step(0.1);
    if (stop.aborted) return;
    if (has(haystack(finding, model))) {
      add({ group: "Findings", title: finding.detection, detail: excerpt(finding.message, first), view: "findings", params: { finding: finding.id, event: null } });
    }
  }
  await step(0.15);
  const dossiers = await model.dossiers();
  for (const dossier of dossiers.hosts.values()) {
    if (stop.aborted) return;
    for (const [kind, rows] of Object.entries(dossier)) {
      if (!Array.isArray(rows)) continue;
      for (const row of rows as { time: string | null; events?: EventIndex[] }[]) {
        const all = JSON.stringify(row);
        if (!has(all.toLowerCase())) continue;
        const event = row.events?.[0];
        const title = kind === "processes" ? ((row as Process).image ?? "process") : kind.replaceAll("_", " ");
        add({
          group: "Dossiers",
          title: `${model.hostName(dossier.host)}: ${title}`,
          detail: `${when(row.time)} ${excerpt(all, first)}`,
          view: "hosts",
          params: { id: dossier.host, ...(event === undefined ? {} : { event: String(event) }) },
        });
      }
    }
    await pause();
  }
  await step(0.3);
  const chunks = model.source.recordChunks();
  for (const [at, chunk] of chunks.entries()) {
    const records = await model.chunk(chunk);
    if (stop.aborted) return;
    let since = 0;
    for (const [index, record] of records) {
      const event = model.event(index);
      if (!event) continue;
      const all = `${eventName(event)}\n${event.host}\n${record.fields.map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(", ") : value}`).join("\n")}`;
      if (has(all.toLowerCase())) {
        const line = all.split("\n").find((one) => one.toLowerCase().includes(first)) ?? "";
        add({
          group: "Raw records",
          title: `${when(event.time)} ${eventName(event)} on ${event.host}`,
          detail: excerpt(line, first),
          view: null,
          params: { event: String(index), finding: null, hop: null },
        });
      }
      if ((since += all.length) > 2_000_000) {
        since = 0;
        await pause();
        if (stop.aborted) return;
      }
    }
    await step(0.3 + (0.7 * (at + 1)) / chunks.length);
  }
  finish();
}
