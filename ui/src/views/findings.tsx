import { useEffect, useMemo, useState } from "preact/hooks";
import { cut, number, when } from "../data/format";
import { micros, type FindingIndex, type Model } from "../data/model";
import type { Finding } from "../data/types";
import { go, replace, to, useLoaded, type Route } from "../state";
import { Await, HostLink, Severity, useModel } from "../widgets/basics";
import { VirtualTable, type Column } from "../widgets/table";

export const SEVERITIES = ["critical", "high", "medium", "low", "informational"] as const;
const RANK = new Map<string, number>(SEVERITIES.map((name, at) => [name, SEVERITIES.length - at]));
const TYPES = ["TTP", "Anomaly", "Hunting", "Correlation"] as const;

export interface Filter {
  text: string;
  severities: string[];
  types: string[];
  technique: string;
  host: string;
  notable: boolean;
  silenced: boolean;
}

const list = (text: string | undefined) => (text ? text.split(",").filter(Boolean) : []);

export function filterOf(params: Record<string, string>): Filter {
  return {
    text: params["q"] ?? "",
    severities: list(params["severity"]),
    types: list(params["type"]),
    technique: params["technique"] ?? "",
    host: params["host"] ?? "",
    notable: params["notable"] === "yes",
    silenced: params["silenced"] === "yes",
  };
}

/** The searchable text of a finding, in lower case. */
const haystacks = new WeakMap<Finding, string>();
export function haystack(finding: Finding, model: Model): string {
  let text = haystacks.get(finding);
  if (text === undefined) {
    text = [
      finding.detection,
      finding.message,
      ...finding.techniques,
      ...finding.hosts.map((id) => model.hostName(id)),
      ...finding.risk_objects.map((one) => one.value),
      ...finding.threat_objects.map((one) => one.value),
    ]
      .join("\n")
      .toLowerCase();
    haystacks.set(finding, text);
  }
  return text;
}

/** Whether a technique is the wanted one or a part of it. */
const isTechnique = (technique: string, wanted: string) => technique === wanted || technique.startsWith(`${wanted}.`);

export function applyFilter(findings: readonly Finding[], filter: Filter, model: Model): Finding[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return findings.filter(
    (finding) =>
      (filter.silenced || finding.suppressed === null) &&
      (filter.severities.length === 0 || filter.severities.includes(finding.severity)) &&
      (filter.types.length === 0 || filter.types.includes(finding.type)) &&
      (!filter.technique || finding.techniques.some((one) => isTechnique(one, filter.technique))) &&
      (!filter.host || finding.hosts.includes(filter.host)) &&
      (!filter.notable || finding.notable) &&
      words.every((word) => haystack(finding, model).includes(word)),
  );
}

export function Findings({ route }: { route: Route }) {
  const model = useModel();
  const findings = useLoaded(() => model.findings(), [model]);
  return (
    <div class="page">
      <section class="card" aria-labelledby="findings-title">
        <h1 id="findings-title">Findings</h1>
        <Await of={findings}>{(index) => <FindingsBody index={index} route={route} />}</Await>
      </section>
    </div>
  );
}

function FindingsBody({ index, route }: { index: FindingIndex; route: Route }) {
  const model = useModel();
  const filter = filterOf(route.params);
  const { q, severity, type, technique, host, notable, silenced } = route.params;
  const shown = useMemo(
    () => applyFilter(index.all, filter, model),
    [index, q, severity, type, technique, host, notable, silenced],
  );
  const [text, setText] = useState(filter.text);
  useEffect(() => setText(filter.text), [q]);
  const techniques = useMemo(() => [...new Set(index.all.flatMap((one) => one.techniques))].sort(), [index]);
  const hosts = useMemo(
    () => [...index.ofHost.keys()].sort((a, b) => model.hostName(a).localeCompare(model.hostName(b))),
    [index],
  );
  const toggle = (name: string, all: string[], one: string) =>
    replace("findings", { [name]: (all.includes(one) ? all.filter((other) => other !== one) : [...all, one]).join(",") || null });
  const anyFilter = [q, severity, type, technique, host, notable, silenced].some(Boolean);
  return (
    <>
      <form class="filters" role="search" aria-label="Filter findings" onSubmit={(event) => event.preventDefault()}>
        <input
          type="search"
          placeholder="Text in message, detection, host, account…"
          aria-label="Text in findings"
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            replace("findings", { q: event.currentTarget.value || null });
          }}
        />
        <fieldset>
          <legend class="visually-hidden">Severity</legend>
          {SEVERITIES.map((one) => (
            <button
              key={one}
              type="button"
              class={`chip severity-${one}`}
              aria-pressed={filter.severities.includes(one)}
              onClick={() => toggle("severity", filter.severities, one)}
            >
              {one} <span class="mono">{number(model.core.stats.findings_by_severity[one] ?? 0)}</span>
            </button>
          ))}
        </fieldset>
        <fieldset>
          <legend class="visually-hidden">Type of detection</legend>
          {TYPES.map((one) => (
            <button key={one} type="button" class="chip" aria-pressed={filter.types.includes(one)} onClick={() => toggle("type", filter.types, one)}>
              {one}
            </button>
          ))}
        </fieldset>
        <select aria-label="Technique" value={filter.technique} onChange={(event) => replace("findings", { technique: event.currentTarget.value || null })}>
          <option value="">any technique</option>
          {[...new Set([...techniques, ...(filter.technique ? [filter.technique] : [])])].map((one) => (
            <option key={one} value={one}>
              {`${one} ${model.technique(one)}`}
            </option>
          ))}
        </select>
        <select aria-label="Host" value={filter.host} onChange={(event) => replace("findings", { host: event.currentTarget.value || null })}>
          <option value="">any host</option>
          {hosts.map((one) => (
            <option key={one} value={one}>
              {model.hostName(one)}
            </option>
          ))}
        </select>
        <label class="check">
          <input type="checkbox" checked={filter.notable} onChange={() => replace("findings", { notable: filter.notable ? null : "yes" })} /> to look at
        </label>
        <label class="check">
          <input type="checkbox" checked={filter.silenced} onChange={() => replace("findings", { silenced: filter.silenced ? null : "yes" })} /> silenced too
        </label>
        {anyFilter && (
          <button
            type="button"
            onClick={() =>
              replace("findings", { q: null, severity: null, type: null, technique: null, host: null, notable: null, silenced: null })
            }
          >
            Clear
          </button>
        )}
      </form>
      <FindingTable findings={shown} selected={route.params["finding"] ?? null} height="calc(100vh - 17rem)" />
    </>
  );
}

export function FindingTable({ findings, selected, height }: { findings: readonly Finding[]; selected: string | null; height?: string }) {
  const model = useModel();
  const columns = useMemo(
    (): Column<Finding>[] => [
      { id: "first", title: "Time (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.first)}</span>, key: (one) => micros(one.first) },
      { id: "severity", title: "Severity", width: "7.5rem", cell: (one) => <Severity name={one.severity} />, key: (one) => RANK.get(one.severity) ?? 0, numeric: false },
      { id: "type", title: "Type", width: "6.5rem", cell: (one) => one.type, key: (one) => one.type },
      { id: "host", title: "Host", width: "minmax(7rem,1fr)", cell: (one) => (one.hosts[0] ? <HostLink id={one.hosts[0]} /> : ""), key: (one) => model.hostName(one.hosts[0] ?? "") },
      {
        id: "detection",
        title: "Detection and message",
        width: "minmax(16rem,5fr)",
        cell: (one) => (
          <>
            <strong>{cut(one.detection, 90)}</strong> {cut(one.message)}
          </>
        ),
        key: (one) => one.detection,
      },
      {
        id: "techniques",
        title: "ATT&CK",
        width: "7rem",
        cell: (one) =>
          one.techniques.length > 0 && (
            <a class="tag" href={to("findings", { technique: one.techniques[0] ?? null })} title={one.techniques.map((id) => `${id} ${model.technique(id)}`).join(", ")}>
              {one.techniques[0]}
              {one.techniques.length > 1 && ` +${one.techniques.length - 1}`}
            </a>
          ),
        key: (one) => one.techniques[0] ?? "",
      },
      { id: "risk", title: "Risk", width: "4rem", cell: (one) => one.risk_score, key: (one) => one.risk_score, numeric: true },
      { id: "events", title: "Events", width: "5rem", cell: (one) => number(one.event_count), key: (one) => one.event_count, numeric: true },
    ],
    [model],
  );
  return (
    <VirtualTable
      label="Findings"
      rows={findings}
      columns={columns}
      id={(one) => one.id}
      open={(one) => go(null, { finding: one.id, event: null })}
      selected={selected}
      sort={{ id: "severity", down: true }}
      height={height ?? "24rem"}
      empty="No finding matches."
    />
  );
}
