import { useMemo, useState } from "preact/hooks";
import { bytes, count, number, shortChannel, when } from "../data/format";
import { micros } from "../data/model";
import type { Covered, Source } from "../data/types";
import { useLoaded } from "../state";
import { Await, CopyButton, Empty, HostByName, HostLink, useModel } from "../widgets/basics";
import { VirtualTable, type Column } from "../widgets/table";

export function Coverage() {
  const { core } = useModel();
  const span: [number, number] = [micros(core.stats.first), micros(core.stats.last)];
  const damaged = core.sources.filter((one) => one.problems.length > 0 || one.skipped > 0);
  const logs = useMemo((): Column<Covered>[] => coveredColumns(span), [core]);
  return (
    <div class="page">
      <section class="card" aria-labelledby="gaps-title">
        <h1 id="gaps-title">What could not be seen</h1>
        {core.gaps.length === 0 && <Empty>Nothing that the detections need was missing.</Empty>}
        <ul class="gaps">
          {core.gaps.slice(0, 300).map((gap, at) => (
            <li key={at}>
              <p>{gap.message}</p>
              {gap.advice.length > 0 && (
                <ul class="quiet">
                  {gap.advice.map((one) => (
                    <li key={one}>{one}</li>
                  ))}
                </ul>
              )}
            </li>
          ))}
        </ul>
      </section>
      {core.scope && core.scope.blind.length > 0 && (
        <section class="card">
          <h2>Hosts with too few logs to judge</h2>
          <ul>
            {core.scope.blind.slice(0, 500).map((one) => (
              <li key={one.host}>
                <HostLink id={one.host} />: {one.why.join("; ")}
              </li>
            ))}
          </ul>
        </section>
      )}
      {core.scope && core.scope.collect.length > 0 && (
        <section class="card">
          <h2>What to collect next</h2>
          <ul class="collect">
            {core.scope.collect.slice(0, 300).map((one, at) => (
              <li key={at}>
                <strong>{one.host}</strong> {one.channel}: {one.why}
                {one.commands.map((command) => (
                  <div key={command.command} class="command">
                    <span class="badge">{command.tool}</span> <code>{command.command}</code>{" "}
                    <CopyButton text={command.command} what={`the ${command.tool} command`} />
                  </div>
                ))}
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="card" aria-labelledby="logs-title">
        <h2 id="logs-title">Logs read</h2>
        <VirtualTable
          label="Coverage by host and log"
          rows={core.coverage}
          columns={logs}
          id={(one) => `${one.host} ${one.channel}`}
          sort={{ id: "host", down: false }}
          height="28rem"
          empty="No log was read."
        />
      </section>
      <section class="card" aria-labelledby="files-title">
        <h2 id="files-title">Files</h2>
        <VirtualTable label="Files" rows={core.sources} columns={FILES} id={(one) => String(one.id)} height="20rem" empty="No file was read." />
        {damaged.length > 0 && (
          <>
            <h3>Problems</h3>
            <ul>
              {damaged.slice(0, 200).map((source) => (
                <li key={source.id}>
                  <span class="mono wrap">{source.path}</span>
                  <ul>
                    {source.problems.map((problem, at) => (
                      <li key={at}>
                        {problem.loss ? "lost: " : ""}
                        {problem.message}
                      </li>
                    ))}
                    {source.more_problems > 0 && <li>and {count(source.more_problems, "more problem")}</li>}
                  </ul>
                </li>
              ))}
            </ul>
          </>
        )}
      </section>
      {core.skew.length > 0 && (
        <section class="card">
          <h2>Clock differences</h2>
          <ul>
            {core.skew.slice(0, 200).map((one, at) => (
              <li key={at}>
                <HostLink id={one.dst} /> is {Math.abs(one.seconds).toFixed(3)} s {one.seconds >= 0 ? "ahead of" : "behind"} <HostLink id={one.src} /> (
                {count(one.connections, "connection")} that both logged)
              </li>
            ))}
          </ul>
        </section>
      )}
      {core.content_problems.length > 0 && (
        <section class="card">
          <h2>Content that could not be used, or looks wrong</h2>
          <ul>
            {core.content_problems.slice(0, 300).map((one, at) => (
              <li key={at}>
                <span class="mono wrap">
                  {one.path}
                  {one.line !== null ? `:${one.line}` : ""}
                </span>
                : {one.message}
              </li>
            ))}
          </ul>
        </section>
      )}
      <About />
    </div>
  );
}

/** The program that made the report, and the licences of its contents. */
function About() {
  const model = useModel();
  const { core } = model;
  const [open, setOpen] = useState(false);
  const licences = useLoaded(() => (open ? model.source.licences() : Promise.resolve("")), [open]);
  return (
    <section class="card">
      <h2>About this report</h2>
      <p>
        Made {when(core.created)} UTC by {core.tool.name} {core.tool.version}, in {core.stats.seconds.toFixed(1)} s.{" "}
        {core.records.note ?? `It includes all ${count(core.records.kept, "raw record")} that it refers to.`}
      </p>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Licences of third-party components</summary>
        <Await of={licences}>
          {(text) => (
            <pre class="raw" tabIndex={0} aria-label="Licences">
              {text}
            </pre>
          )}
        </Await>
      </details>
    </section>
  );
}

/** A bar that shows when a log has events, within the overall time span, with a mark at each clearing. */
export function Span({ of, span }: { of: Covered; span: [number, number] }) {
  const whole = Math.max(1, span[1] - span[0]);
  const at = (time: string | null) => Math.max(0, Math.min(100, ((micros(time) - span[0]) / whole) * 100));
  const [from, end] = [at(of.first), at(of.last)];
  const label = `from ${when(of.first)} to ${when(of.last)}${of.cleared.length ? `, cleared ${of.cleared.map(when).join(", ")}` : ""}`;
  return (
    <svg class="span" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      <rect class="span-ground" width="100" height="10" />
      {of.first && <rect class="span-bar" x={from} width={Math.max(0.6, end - from)} y="2" height="6" />}
      {of.cleared.map((one) => (
        <rect key={one} class="span-cleared" x={at(one) - 0.4} width="0.8" height="10" />
      ))}
    </svg>
  );
}

export const coveredColumns = (span: [number, number]): Column<Covered>[] => [
  { id: "host", title: "Host", width: "minmax(8rem,1fr)", cell: (one) => <HostByName name={one.host} />, key: (one) => one.host },
  { id: "channel", title: "Log", width: "minmax(12rem,2fr)", cell: (one) => <span title={one.channel}>{shortChannel(one.channel)}</span>, key: (one) => one.channel },
  { id: "span", title: "When", width: "minmax(8rem,2fr)", cell: (one) => <Span of={one} span={span} /> },
  { id: "first", title: "First (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.first)}</span>, key: (one) => micros(one.first) },
  { id: "last", title: "Last (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.last)}</span>, key: (one) => micros(one.last) },
  { id: "records", title: "Events", width: "6rem", cell: (one) => number(one.records), key: (one) => one.records, numeric: true },
  {
    id: "cleared",
    title: "Cleared",
    width: "6rem",
    cell: (one) => (one.cleared.length ? <span class="badge severity-high">{count(one.cleared.length, "time")}</span> : ""),
    key: (one) => one.cleared.length,
    numeric: true,
  },
];

const FILES: Column<Source>[] = [
  { id: "path", title: "File", width: "minmax(18rem,5fr)", cell: (one) => <span class="mono">{one.path}</span>, key: (one) => one.path },
  { id: "kind", title: "Kind", width: "7rem", cell: (one) => one.kind, key: (one) => one.kind },
  { id: "bytes", title: "Size", width: "6rem", cell: (one) => bytes(one.bytes), key: (one) => one.bytes, numeric: true },
  { id: "records", title: "Records", width: "7rem", cell: (one) => number(one.records), key: (one) => one.records, numeric: true },
  { id: "skipped", title: "Lost", width: "6rem", cell: (one) => (one.skipped ? <span class="badge severity-medium">{number(one.skipped)}</span> : "0"), key: (one) => one.skipped, numeric: true },
];
