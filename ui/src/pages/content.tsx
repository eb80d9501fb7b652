import { useEffect, useMemo, useState } from "preact/hooks";
import type { Change, Content, Detection, Me } from "../data/api";
import { count, cut, duration, number, when } from "../data/format";
import { isAdmin, mayDecide, messageOf, server } from "../data/server";
import { go, replace, type Route } from "../state";
import { CopyButton, Facts, Severity, When } from "../widgets/basics";
import { VirtualTable, type Column } from "../widgets/table";

const NEWS = 10_000;
const LIMITS: Record<string, string> = { "": "all", on: "on", off: "off", failing: "failing", alert: "with alerts", found: "that found something" };

const fits = (one: Detection, state: string, text: string): boolean =>
  (state === "" || (state === "on" && one.enabled) || (state === "off" && !one.enabled) || (state === "failing" && one.error !== null) || (state === "alert" && one.alert) || (state === "found" && one.findings > 0)) &&
  [one.name, one.id, ...one.stories, ...one.techniques].join("\n").toLowerCase().includes(text.toLowerCase());

/** The detections: whether each runs, when, and how that went. */
export function ContentPage({ route, me }: { route: Route; me: Me }) {
  const [content, setContent] = useState<Content | null>(null);
  const [error, setError] = useState<string | null>(null);
  const load = () =>
    server.content().then(
      (now) => {
        setContent(now);
        setError(null);
      },
      (failed: unknown) => setError(messageOf(failed)),
    );
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), NEWS);
    return () => clearInterval(timer);
  }, []);
  const { state = "", text = "", id = null } = route.params;
  const rows = useMemo(() => (content?.detections ?? []).filter((one) => fits(one, state, text)), [content, state, text]);
  const columns = useMemo(
    (): Column<Detection>[] => [
      { id: "name", title: "Detection", width: "minmax(14rem,4fr)", cell: (one) => <strong>{cut(one.name, 120)}</strong>, key: (one) => one.name },
      { id: "type", title: "Type", width: "6.5rem", cell: (one) => one.type, key: (one) => one.type },
      { id: "on", title: "On", width: "4rem", cell: (one) => (one.enabled ? "on" : "off"), key: (one) => (one.enabled ? 0 : 1) },
      { id: "runs", title: "Runs", width: "9rem", cell: (one) => (one.schedule ? <span class="mono">{one.schedule.cron}</span> : one.runs), key: (one) => one.runs },
      { id: "last", title: "Last run (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{one.last_run ? when(one.last_run) : "–"}</span>, key: (one) => one.last_run ?? "" },
      { id: "findings", title: "Findings", width: "6rem", cell: (one) => number(one.findings), key: (one) => one.findings, numeric: true },
      { id: "alert", title: "Alerts", width: "4.5rem", cell: (one) => (one.alert ? "yes" : "no"), key: (one) => (one.alert ? 0 : 1) },
      { id: "error", title: "State", width: "minmax(7rem,2fr)", cell: (one) => (one.error ? <span class="severity-high badge">{cut(one.error, 80)}</span> : one.run_count > 0 ? "ran" : "not run yet"), key: (one) => one.error ?? "" },
    ],
    [],
  );
  const open = content?.detections.find((one) => one.id === id || one.name === id) ?? null;
  const put = (changed: Detection) => setContent((before) => before && { ...before, detections: before.detections.map((one) => (one.id === changed.id ? changed : one)) });
  return (
    <div class={open ? "body with-drawer" : "body"}>
      <div class="page">
        <section class="card" aria-labelledby="content-title">
          <h1 id="content-title">Detections</h1>
          {error && (
            <p class="error" role="alert">
              {error}
            </p>
          )}
          {content?.trouble && (
            <p class="error" role="alert">
              {content.trouble}
            </p>
          )}
          {content && content.problems.length > 0 && (
            <details class="note">
              <summary>{count(content.problems.length, "problem")} in the content</summary>
              <ul>
                {content.problems.slice(0, 50).map((one) => (
                  <li key={one} class="wrap">
                    {one}
                  </li>
                ))}
              </ul>
            </details>
          )}
          <form class="filters" role="search" aria-label="Filter detections" onSubmit={(event) => event.preventDefault()}>
            <input type="search" aria-label="Text in detections" placeholder="Name, story, technique…" value={text} onInput={(event) => replace("content", { text: event.currentTarget.value || null })} />
            <fieldset>
              <legend class="visually-hidden">Which</legend>
              {Object.entries(LIMITS).map(([value, name]) => (
                <button key={value} type="button" class="chip" aria-pressed={state === value} onClick={() => replace("content", { state: value || null })}>
                  {name} <span class="mono">{number((content?.detections ?? []).filter((one) => fits(one, value, "")).length)}</span>
                </button>
              ))}
            </fieldset>
          </form>
          {content === null && !error && <p role="status">Loading…</p>}
          {content && (
            <VirtualTable
              label="Detections"
              rows={rows}
              columns={columns}
              id={(one) => one.id}
              open={(one) => go("content", { id: one.id })}
              selected={open?.id ?? null}
              height="calc(100vh - 16rem)"
              empty={content.detections.length === 0 ? "Content is being loaded, or there is none." : "No detection matches."}
            />
          )}
        </section>
      </div>
      {open && <Beside key={open.id} of={open} me={me} put={put} />}
    </div>
  );
}

function Beside({ of: one, me, put }: { of: Detection; me: Me; put: (changed: Detection) => void }) {
  const [busy, setBusy] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const admin = isAdmin(me);
  const change = async (wanted: Change, words: string) => {
    setBusy("change");
    setError(null);
    setSaid(null);
    try {
      put(await server.change(one.id, wanted));
      setSaid(words);
    } catch (failed) {
      setError(messageOf(failed));
    }
    setBusy("");
  };
  const run = async () => {
    setBusy("run");
    setError(null);
    setSaid(null);
    try {
      const done = await server.run(one.id);
      put(done.detection);
      setSaid(done.detection.error ? null : `It ran: ${count(done.found, "new finding")}.`);
    } catch (failed) {
      setError(messageOf(failed));
    }
    setBusy("");
  };
  const close = () => go("content", { id: null });
  return (
    <aside
      class="drawer"
      aria-label="Detection"
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      <div class="drawer-bar">
        <strong>Detection</strong>
        <button type="button" class="close" aria-label="Close the detection" onClick={close}>
          ✕
        </button>
      </div>
      <div class="panel">
        <h2 class="wrap">{one.name}</h2>
        <p>
          <Severity name={one.severity} /> <span class="badge">{one.type}</span>
        </p>
        <p class="message">{one.description}</p>
        <div class="acts">
          <button type="button" aria-pressed={one.enabled} disabled={!admin || busy !== ""} onClick={() => void change({ enabled: !one.enabled }, one.enabled ? "It is off." : "It is on.")}>
            {one.enabled ? "On" : "Off"}
          </button>
          <button type="button" aria-pressed={one.alert} disabled={!admin || busy !== ""} onClick={() => void change({ alert: !one.alert }, one.alert ? "It raises no alerts." : "Each of its findings is an alert.")}>
            {one.alert ? "Raises alerts" : "No alerts"}
          </button>
          {mayDecide(me) && (
            <button type="button" disabled={busy !== "" || !one.enabled} onClick={() => void run()}>
              {busy === "run" ? "Running…" : "Run now"}
            </button>
          )}
        </div>
        <p role="status">{said}</p>
        {(error ?? one.error) && (
          <div role="alert">
            <pre class="raw" tabIndex={0} role="region" aria-label="What failed">
              {error ?? one.error}
            </pre>
          </div>
        )}
        <section>
          <h3>When it runs</h3>
          <Facts
            of={[
              ["Runs", one.runs],
              ["Next run", one.next_run && <When time={one.next_run} />],
              ["Last run", one.last_run && <When time={one.last_run} />],
              ["Took", one.last_seconds !== null && duration(one.last_seconds)],
              ["Runs so far", number(one.run_count)],
              ["Findings", number(one.findings)],
              ["Last finding", one.last_finding && <When time={one.last_finding} />],
              ["Throttled", one.throttled > 0 && number(one.throttled)],
              ["Windows given up on", one.missed > 0 && number(one.missed)],
            ]}
          />
          {admin && <Times key={JSON.stringify(one.schedule)} of={one} busy={busy !== ""} change={change} />}
          {one.schedule && !admin && (
            <p class="mono">
              {one.schedule.cron}, from {one.schedule.earliest} to {one.schedule.latest}
            </p>
          )}
        </section>
        <section>
          <h3>Last runs</h3>
          {one.recent.length === 0 ? (
            <p class="quiet">{one.runs === "on arrival" ? "None that found something." : "None yet."}</p>
          ) : (
            <table class="grid-table">
              <thead>
                <tr>
                  <th scope="col">Time (UTC)</th>
                  <th scope="col" class="numeric">
                    Took
                  </th>
                  <th scope="col" class="numeric">
                    Findings
                  </th>
                  <th scope="col">Error</th>
                </tr>
              </thead>
              <tbody>
                {one.recent.map((run, at) => (
                  <tr key={at}>
                    <td class="mono nowrap">{when(run.time)}</td>
                    <td class="numeric">{duration(run.seconds)}</td>
                    <td class="numeric">{number(run.findings)}</td>
                    <td class="cell-text">{cut(run.error ?? "", 200)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          <p>
            <a href={`#/inbox?${new URLSearchParams({ what: one.name, status: "" })}`}>Its findings in the inbox</a>
          </p>
        </section>
        <section>
          <h3>Search</h3>
          <p>
            <CopyButton text={one.search} what="the search" />{" "}
            {one.language === "spl" && mayDecide(me) && <a href={`#/search?${new URLSearchParams({ q: one.search })}`}>Open in Search</a>}
          </p>
          <pre class="raw" tabIndex={0} role="region" aria-label="The search">
            {one.search}
          </pre>
        </section>
        <section>
          <Facts of={[["Id", one.id], ["Stories", one.stories.join(", ")], ["ATT&CK", one.techniques.join(", ")]]} />
        </section>
      </div>
    </aside>
  );
}

function Times({ of: one, busy, change }: { of: Detection; busy: boolean; change: (wanted: Change, words: string) => Promise<void> }) {
  const [cron, setCron] = useState(one.schedule?.cron ?? "0 * * * *");
  const [earliest, setEarliest] = useState(one.schedule?.earliest ?? "-70m@m");
  const [latest, setLatest] = useState(one.schedule?.latest ?? "-10m@m");
  return (
    <form
      class="times"
      aria-label="Schedule"
      onSubmit={(event) => {
        event.preventDefault();
        void change({ schedule: { cron, earliest, latest } }, "The schedule is changed.");
      }}
    >
      <label>
        Cron expression
        <input type="text" class="mono" value={cron} required onInput={(event) => setCron(event.currentTarget.value)} />
      </label>
      <label>
        Window from
        <input type="text" class="mono" value={earliest} required onInput={(event) => setEarliest(event.currentTarget.value)} />
      </label>
      <label>
        to
        <input type="text" class="mono" value={latest} required onInput={(event) => setLatest(event.currentTarget.value)} />
      </label>
      <div class="acts">
        <button type="submit" disabled={busy}>
          {one.schedule ? "Change schedule" : "Run on this schedule"}
        </button>
        {one.schedule?.changed && (
          <button type="button" disabled={busy} onClick={() => void change({ schedule: null }, "It runs as its content says.")}>
            As the content says
          </button>
        )}
      </div>
    </form>
  );
}
