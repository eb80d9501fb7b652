import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { count, cut, duration, eventName, indented, isWindows, linkName, number, rendered, when, witnessName } from "../data/format";
import { micros } from "../data/model";
import { WITNESS_KINDS, type EventIndex, type Fields as RowFields, type Finding, type Hop, type RawRecord } from "../data/types";
import { closeDrawer, to, useLoaded, type Route } from "../state";
import {
  AccountLink,
  Await,
  Confidence,
  CopyButton,
  Empty,
  Facts,
  HostByName,
  HostLink,
  LongText,
  Severity,
  TechniqueTag,
  When,
  useModel,
} from "../widgets/basics";

/** The panel beside a view: a hop or finding, and one of its events with its raw record. */
export function Drawer({ route }: { route: Route }) {
  const { hop, finding, event } = route.params;
  const panel = useRef<HTMLElement>(null);
  const key = [hop, finding, event].join("|");
  const open = Boolean(hop || finding || event);
  // Closing the panel returns the focus to where it was opened.
  useLayoutEffect(() => {
    if (!open) return;
    const from = document.activeElement;
    return () => {
      if (from instanceof HTMLElement || from instanceof SVGElement) if (from.isConnected) from.focus({ preventScroll: true });
    };
  }, [open]);
  useEffect(() => {
    if (!open) return;
    panel.current?.focus({ preventScroll: true });
    if (panel.current) panel.current.scrollTop = 0;
    const escape = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector(".search-results")) closeDrawer();
    };
    window.addEventListener("keydown", escape);
    return () => window.removeEventListener("keydown", escape);
  }, [key]);
  if (!open) return null;
  return (
    <aside class="drawer" ref={panel} tabIndex={-1} aria-label="Details">
      <div class="drawer-bar">
        <nav aria-label="Where you are">
          {hop && (event || finding ? <a href={to(null, { event: null, finding: null })}>← Hop</a> : <span>Hop</span>)}
          {finding && (event ? <a href={to(null, { event: null })}>← Finding</a> : <span>{hop ? " / " : ""}Finding</span>)}
          {event && <span>{hop || finding ? " / " : ""}Raw record</span>}
        </nav>
        <button type="button" class="close" onClick={closeDrawer} aria-label="Close details (Escape)">
          ✕
        </button>
      </div>
      {event ? <EventPanel index={Number(event)} /> : finding ? <FindingPanel id={finding} /> : hop ? <HopPanel id={hop} /> : null}
    </aside>
  );
}

/** One line for an event, which opens its raw record. */
export function EventLine({ index }: { index: EventIndex }) {
  const model = useModel();
  const event = model.event(index);
  if (!event) return <li class="quiet">an event that the report does not list</li>;
  return (
    <li>
      <a class="event-line" href={to(null, { event: String(index) })}>
        <span class="mono">{when(event.time).slice(11)}</span>
        <span class="event-name" title={event.channel}>
          {eventName(event)}
        </span>
        <span class="quiet">on {event.host}</span>
        <span class="quiet mono">record {event.record}</span>
      </a>
    </li>
  );
}

export function EventList({ events, total }: { events: readonly EventIndex[]; total?: number }) {
  const most = 50;
  const all = total ?? events.length;
  return (
    <>
      <ul class="events">
        {events.slice(0, most).map((index) => (
          <EventLine key={index} index={index} />
        ))}
      </ul>
      {all > Math.min(most, events.length) && <p class="quiet">and {count(all - Math.min(most, events.length), "more event")}</p>}
    </>
  );
}

function Section({ title, children, id }: { title: string; children: ComponentChildren; id?: string }) {
  return (
    <section {...(id ? { id } : {})}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

export function HopAccounts({ hop }: { hop: Hop }) {
  return (
    <ol class="accounts-row" aria-label="Accounts of the hop">
      {(
        [
          ["Actor", hop.actor_inferred ?? "acted on the source", hop.actor],
          ["Used", "logged on to the destination", hop.used],
          ["Effective", "as whom the payload ran", hop.effective],
        ] as const
      ).map(([role, what, id], at, all) => {
        const before = all.slice(0, at).findLast(([, , one]) => one !== null)?.[2] ?? null;
        const changed = id !== null && before !== null && id !== before;
        return (
          <li key={role} class={changed ? "changed" : ""}>
            <span>
              <strong>{role}</strong> <span class="quiet">{what}</span>
            </span>
            <AccountLink id={id} />
            {changed && <span class="badge credential">credential switch</span>}
          </li>
        );
      })}
    </ol>
  );
}

function HopPanel({ id }: { id: string }) {
  const model = useModel();
  const hop = model.hops.get(id);
  const findings = useLoaded(() => model.findings(), [model]);
  if (!hop) return <Empty>This case has no hop {id}.</Empty>;
  const path = model.pathOfHop.get(id);
  const before = path?.links.filter((link) => link.to === id) ?? [];
  const after = path?.links.filter((link) => link.from === id) ?? [];
  const lasted = hop.first && hop.last ? (micros(hop.last) - micros(hop.first)) / 1e6 : 0;
  return (
    <div class="panel">
      <h2>
        <HostLink id={hop.src} /> <span aria-label="to">→</span> <HostLink id={hop.dst} />
      </h2>
      <p>
        <When time={hop.first} /> UTC{lasted >= 1 ? `, for ${duration(lasted)}` : ""}
        {hop.usual && (
          <span class="badge" title="Its account does the same on other days, as far as the logs show">
            {" "}
            daily work
          </span>
        )}
        {hop.attempted && <strong class="badge severity-medium"> tried and refused</strong>}
      </p>
      <p class="tags">{hop.techniques.length ? hop.techniques.map((one) => <TechniqueTag key={one} id={one} />) : "no technique known"}</p>
      <HopAccounts hop={hop} />
      <p>
        Confidence <Confidence value={hop.confidence} />
        {hop.standing === "possible" && <span class="quiet"> (possible, not proven)</span>}
      </p>
      <Section title="Witnesses" id="witnesses">
        {WITNESS_KINDS.map((kind) => {
          const witnesses = hop.witnesses.filter((one) => one.kind === kind);
          const missing = hop.missing.find((one) => one.kind === kind);
          return (
            <div key={kind} class={`witness${witnesses.length ? "" : " witness-missing"}`}>
              <h4>
                <span aria-hidden="true">{witnesses.length ? "✔" : "▨"}</span> {witnessName[kind]}
                {!witnesses.length && <span class="quiet"> not seen</span>}
              </h4>
              {!witnesses.length && <p class="quiet">{missing?.why ?? "reason unknown"}</p>}
              {witnesses.map((one, at) => (
                <div key={at} class="witness-what">
                  <p>
                    <LongText text={one.what} most={300} />
                  </p>
                  <EventList events={one.events} />
                  {one.more !== undefined && <p class="quiet">and {count(one.more, "more event")}</p>}
                </div>
              ))}
            </div>
          );
        })}
      </Section>
      {hop.processes.length > 0 && (
        <Section title={`What ran because of it (${number(hop.processes.length)})`}>
          <ul class="plain ran">
            {hop.processes.slice(0, 200).map((one, at) => (
              <li key={at} style={{ paddingLeft: `${Math.min(one.depth, 10) * 14}px` }}>
                <span class="mono quiet">{when(one.time).slice(11)}</span>{" "}
                {one.events[0] === undefined ? (
                  <strong>{one.image.split("\\").at(-1)}</strong>
                ) : (
                  <a href={to(null, { event: String(one.events[0]) })}>{one.image.split("\\").at(-1)}</a>
                )}{" "}
                {one.account !== null && (
                  <span class="quiet">
                    as <AccountLink id={one.account} />
                  </span>
                )}
                {one.command_line && (
                  <p class="mono">
                    <LongText text={one.command_line} most={300} />
                  </p>
                )}
              </li>
            ))}
          </ul>
          {hop.processes.length > 200 && <p class="quiet">and {count(hop.processes.length - 200, "more program")}</p>}
        </Section>
      )}
      {(before.length > 0 || after.length > 0) && (
        <Section title="Why it belongs to the path">
          <ul>
            {before.map((link) => (
              <li key={link.from}>
                follows <HopRef id={link.from} />: {linkName[link.kind]} ({link.certainty.toFixed(2)})
              </li>
            ))}
            {after.map((link) => (
              <li key={link.to}>
                is followed by <HopRef id={link.to} />: {linkName[link.kind]} ({link.certainty.toFixed(2)})
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={`Findings about it (${number(hop.findings.length)})`}>
        {hop.findings.length === 0 ? (
          <p class="quiet">None: the hop rests on its witnesses alone.</p>
        ) : (
          <Await of={findings}>
            {(index) => (
              <ul class="plain">
                {hop.findings.flatMap((one) => index.byId.get(one) ?? []).map((one) => (
                  <FindingLine key={one.id} finding={one} />
                ))}
              </ul>
            )}
          </Await>
        )}
      </Section>
    </div>
  );
}

export function HopRef({ id }: { id: string }) {
  const model = useModel();
  const hop = model.hops.get(id);
  if (!hop) return <span>{id}</span>;
  return (
    <a href={to(null, { hop: id, finding: null, event: null })}>
      {when(hop.first)} {model.hostName(hop.src)} → {model.hostName(hop.dst)}
    </a>
  );
}

export function FindingLine({ finding }: { finding: Finding }) {
  return (
    <li class="finding-line">
      <Severity name={finding.severity} />{" "}
      <a href={to(null, { finding: finding.id, event: null })}>{finding.detection}</a>
      <p>{cut(finding.message, 400)}</p>
    </li>
  );
}

function FindingPanel({ id }: { id: string }) {
  const model = useModel();
  const findings = useLoaded(() => model.findings(), [model]);
  return <Await of={findings}>{(index) => <FindingBody finding={index.byId.get(id) ?? null} />}</Await>;
}

function FindingBody({ finding }: { finding: Finding | null }) {
  const model = useModel();
  const fields = useLoaded(async (): Promise<RowFields> => (finding ? (await model.findings()).fields(finding.id) : {}), [finding?.id]);
  if (!finding) return <Empty>This case has no such finding.</Empty>;
  const detection = model.core.detections[finding.detection_id];
  const hops = model.hopsOfFinding.get(finding.id) ?? [];
  return (
    <div class="panel">
      <h2>{finding.detection}</h2>
      <p>
        <Severity name={finding.severity} /> <span class="quiet">{finding.type}</span> <When time={finding.first} /> UTC
      </p>
      <p class="message">
        <LongText text={finding.message} />
      </p>
      {finding.suppressed && (
        <p class="note">
          Silenced by {finding.suppressed.by}: {finding.suppressed.reason}
          {finding.suppressed.until ? `, until ${finding.suppressed.until}` : ""}
        </p>
      )}
      <p class="tags">
        {finding.techniques.map((one) => (
          <TechniqueTag key={one} id={one} />
        ))}
      </p>
      <Facts
        of={[
          ["Hosts", finding.hosts.length ? finding.hosts.map((one, at) => <>{at > 0 && ", "}<HostLink key={one} id={one} /></>) : ""],
          ["Risk", finding.risk_objects.map((one) => `${one.value} +${one.calculated_score || one.score}`).join(", ")],
          ["Threat objects", finding.threat_objects.map((one) => `${one.type} ${cut(one.value)}`).join(", ")],
          ["Story", finding.story.join(", ")],
          ["Last seen", finding.last && finding.last !== finding.first ? <When time={finding.last} /> : ""],
        ]}
      />
      {hops.length > 0 && (
        <Section title="Hops">
          <ul class="plain">
            {hops.map((hop) => (
              <li key={hop.id}>
                <HopRef id={hop.id} />
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={`Events (${number(finding.event_count)})`}>
        <EventList events={finding.events} total={finding.event_count} />
      </Section>
      <Section title="Result row">
        <Await of={fields}>
          {(row) => (
            <table class="fields">
              <tbody>
                {Object.entries(row).map(([name, value]) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td>
                      <Value value={value} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Await>
      </Section>
      {detection && (
        <Section title="The detection">
          <p>{detection.description}</p>
          {detection.known_false_positives && (
            <p>
              <strong>What else looks like it:</strong> {detection.known_false_positives}
            </p>
          )}
          <ul>
            {detection.references.map((one) => (
              <li key={one}>{/^https?:\/\//.test(one) ? <a href={one} rel="noopener noreferrer nofollow" target="_blank">{one}</a> : one}</li>
            ))}
          </ul>
        </Section>
      )}
    </div>
  );
}

function Value({ value }: { value: string | string[] | null }) {
  if (value === null) return <span class="quiet">null</span>;
  if (!Array.isArray(value)) return <LongText text={value} />;
  return (
    <ul class="plain values">
      {value.slice(0, 200).map((one, at) => (
        <li key={at}>
          <LongText text={one} />
        </li>
      ))}
      {value.length > 200 && <li class="quiet">and {number(value.length - 200)} more</li>}
    </ul>
  );
}

function EventPanel({ index }: { index: EventIndex }) {
  const model = useModel();
  const event = model.event(index);
  const record = useLoaded(() => model.record(index), [index]);
  if (!event) return <Empty>The report has no event {index}.</Empty>;
  return (
    <div class="panel">
      <h2>{eventName(event)}</h2>
      <Facts
        of={[
          ["Time", <When time={event.time} exact />],
          ["Log", event.channel],
          ["Host", <HostByName name={event.host} />],
          ["File", <span class="mono wrap">{model.sources.get(event.source) ?? `source ${event.source}`}</span>],
          ["Record", <span class="mono">{event.record}</span>],
        ]}
      />
      <Await of={record}>{(raw) => <Raw raw={raw} index={index} />}</Await>
    </div>
  );
}

function Raw({ raw, index }: { raw: RawRecord | null; index: EventIndex }) {
  const model = useModel();
  const event = model.event(index);
  if (!raw || !event) {
    return <p class="note">{model.core.records.note ?? "The report does not include this record; find it by the file and record number above."}</p>;
  }
  const text = raw.xml === null ? rendered(event, raw.fields) : indented(raw.xml);
  return (
    <>
      {raw.partial && <p class="note">Only the fields that the hunt read: the file could not be read a second time.</p>}
      {raw.cut > 0 && <p class="note">{count(raw.cut, "character")} of very long values are left out here; the file has them.</p>}
      <Section title="Fields">
        <table class="fields">
          <tbody>
            {raw.fields.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="mono">
                  <Value value={value} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Section>
      <section>
        <h3>
          {isWindows(event) ? "XML" : "Text"} <CopyButton text={raw.xml ?? text} what="the record" />
        </h3>
        <p class="quiet">
          {raw.xml === null
            ? `Rendered from the fields: ${raw.partial ? "the record was not read a second time" : "the log stores this record in another format"}.`
            : "The event as stored in the log, indented for display only."}
        </p>
        <pre class="raw" tabIndex={0} aria-label="The record as text">
          <LongText text={text} most={20_000} />
        </pre>
      </section>
    </>
  );
}
