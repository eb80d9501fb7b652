import { useEffect, useMemo, useState } from "preact/hooks";
import type { Alerts, Health, Me, Outputs } from "../data/api";
import { bytes, count, cut, number, when } from "../data/format";
import { isAdmin, messageOf, server } from "../data/server";
import { ago } from "../data/time";
import { Outcome, useDone } from "../widgets/basics";
import { VirtualTable, type Column } from "../widgets/table";

type Log = Health["logs"][number];
type Sender = Health["senders"][number];
const NEWS = 5000;
/** A log whose newest event is older than this, in seconds, is likely to be silent. */
const SILENT = 24 * 3600;

/** Whether data comes: figures, senders, and the logs of each host. */
export function DataPage({ me }: { me: Me }) {
  const [health, setHealth] = useState<Health | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [silent, setSilent] = useState(false);
  useEffect(() => {
    const load = () =>
      server.health().then(
        (now) => {
          setHealth(now);
          setError(null);
        },
        (failed: unknown) => setError(messageOf(failed)),
      );
    void load();
    const timer = setInterval(() => void load(), NEWS);
    return () => clearInterval(timer);
  }, []);
  const now = Date.parse(health?.now ?? "");
  const age = (time: string | null) => (time === null ? Number.POSITIVE_INFINITY : (now - Date.parse(time)) / 1000);
  const logs = useMemo((): Column<Log>[] => {
    return [
      { id: "host", title: "Host", width: "minmax(10rem,2fr)", cell: (one) => cut(one.host, 80), key: (one) => one.host },
      { id: "channel", title: "Log", width: "minmax(12rem,3fr)", cell: (one) => cut(one.channel, 100), key: (one) => one.channel },
      { id: "records", title: "Events", width: "6.5rem", cell: (one) => number(one.records), key: (one) => one.records, numeric: true },
      { id: "first", title: "First (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.first)}</span>, key: (one) => one.first ?? "" },
      { id: "last", title: "Last (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.last)}</span>, key: (one) => one.last ?? "" },
      { id: "age", title: "Newest", width: "9rem", cell: (one) => <span class={age(one.last) > SILENT ? "badge severity-medium" : ""}>{ago(age(one.last))}</span>, key: (one) => age(one.last) },
      { id: "cleared", title: "Cleared", width: "9rem", cell: (one) => (one.cleared.length > 0 ? <span class="badge severity-high">{when(one.cleared.at(-1)).slice(0, 16)}</span> : ""), key: (one) => one.cleared.length },
    ];
  }, [health?.now]);
  if (!health) {
    return (
      <div class="page">
        <section class="card">
          <h1>Data</h1>
          {error ? (
            <p class="error" role="alert">
              {error}
            </p>
          ) : (
            <p role="status">Loading…</p>
          )}
        </section>
      </div>
    );
  }
  const { status } = health;
  const quiet = health.logs.filter((one) => age(one.last) > SILENT);
  const troubles: [string, string | null | undefined][] = [
    ["Events are not accepted", status.trouble],
    ["The store cannot be written; events stay in the log", status.stored.trouble],
    ["The last hunt failed", status.hunting?.trouble],
    ["Detections cannot run", status.schedules?.trouble],
  ];
  const tiles: [string, string][] = [
    ["Events stored", number(status.stored.events)],
    ["On disk", bytes(status.stored.bytes)],
    ["Events since the start", number(status.events)],
    ["Requests", number(status.requests)],
    ["Sync of the log", status.syncs > 0 ? `${(status.sync_micros / status.syncs / 1000).toFixed(1)} ms on average` : "–"],
    ["Refused, to be sent again", number(status.refused)],
    ["Sent twice, kept once", number(status.repeated)],
    ["Syslog messages lost", number(status.lost_messages)],
    ["Waiting", bytes(status.waiting_bytes)],
    ["Logs without news for a day", number(quiet.length)],
    ["Detections that fail", status.schedules ? number(status.schedules.failing) : "–"],
    ["Last hunt", status.case ? `${when(status.case.created)}, ${status.case.seconds.toFixed(1)} s` : "none yet"],
  ];
  return (
    <div class="page">
      <section class="card" aria-labelledby="data-title">
        <h1 id="data-title">Data</h1>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
        {troubles.map(
          ([what, why]) =>
            why && (
              <p key={what} class="error" role="alert">
                {what}: {why}
              </p>
            ),
        )}
        <dl class="tiles figures">
          {tiles.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <p class="quiet small-text">
          <a href="#/coverage">Coverage of the last hunt</a> says which detections are blind where, and how to mend it.
        </p>
      </section>
      <section class="card" aria-labelledby="senders-title">
        <h2 id="senders-title">Senders and files</h2>
        <Senders of={health.senders} age={age} />
      </section>
      <AlertList me={me} />
      <section class="card" aria-labelledby="logs-title">
        <div class="card-head">
          <h2 id="logs-title">Logs of each host</h2>
          <label class="check">
            <input type="checkbox" checked={silent} onChange={() => setSilent(!silent)} /> only without news for a day ({number(quiet.length)})
          </label>
        </div>
        <VirtualTable label="Logs" rows={silent ? quiet : health.logs} columns={logs} id={(one) => `${one.host}\n${one.channel}`} sort={{ id: "age", down: true }} height="28rem" empty="No log has come." />
        {health.more > 0 && <p class="quiet">{count(health.more, "more sender or log", "more senders and logs")} not listed.</p>}
      </section>
    </div>
  );
}

type Posted = Alerts["alerts"][number];

/** What became of the newest alerts, and a test of every output. */
function AlertList({ me }: { me: Me }) {
  const [alerts, setAlerts] = useState<Posted[] | null>(null);
  const [tested, setTested] = useState<Outputs["outputs"] | null>(null);
  const { done, error, attempt } = useDone();
  useEffect(() => {
    const load = () => server.alerts().then((now) => setAlerts(now.alerts.slice(0, 20)), () => undefined);
    void load();
    const timer = setInterval(() => void load(), NEWS);
    return () => clearInterval(timer);
  }, []);
  const test = () =>
    attempt(async () => {
      setTested(null);
      const { outputs } = await server.testAlerts();
      setTested(outputs);
      return outputs.length === 0 ? "Alerts go nowhere: docs/serve.md says how to configure outputs." : "";
    });
  // An output's name ends with what tells it from others of the same name.
  const output = (id: string) => id.replace(/ [0-9a-f]{12}$/, "");
  return (
    <section class="card" aria-labelledby="alerts-title">
      <div class="card-head">
        <h2 id="alerts-title">Alerts</h2>
        {isAdmin(me) && (
          <button type="button" onClick={() => void test()}>
            Send a test to every output
          </button>
        )}
      </div>
      <Outcome done={done} error={error} />
      {tested && (
        <ul aria-label="Outcome of the test">
          {tested.map((one) => (
            <li key={one.output} class={one.error === null ? "" : "error"}>
              {cut(one.output, 120)}: {one.error === null ? "accepted" : cut(one.error, 400)}
            </li>
          ))}
        </ul>
      )}
      {alerts && alerts.length > 0 ? (
        <div class="rows-scroll" tabIndex={0} role="region" aria-label="Alerts">
          <table class="grid-table">
            <thead>
              <tr>
                <th scope="col">Time (UTC)</th>
                <th scope="col">Alert</th>
                <th scope="col">Received by</th>
                <th scope="col">Not received by</th>
              </tr>
            </thead>
            <tbody>
              {alerts.map((one) => {
                const failed = Object.entries(one.failed);
                const received = one.done.filter((id) => !(id in one.failed));
                return (
                  <tr key={one.alert.id}>
                    <td class="mono nowrap">{when(one.alert.time)}</td>
                    <td class="cell-text">{cut(one.alert.title, 200)}</td>
                    <td class="cell-text">{received.map(output).join(", ")}</td>
                    <td class="cell-text">
                      {failed.map(([id, { tries, why, given_up }]) => (
                        <div key={id} class={given_up ? "error" : ""}>
                          {cut(output(id), 120)}: {cut(why, 300)} ({given_up ? "given up" : `tried ${count(tries, "time")}, goes on`})
                        </div>
                      ))}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="empty">There have been no alerts.</p>
      )}
    </section>
  );
}

function Senders({ of, age }: { of: readonly Sender[]; age: (time: string | null) => number }) {
  if (of.length === 0) return <p class="empty">Nobody has sent anything yet. Users makes a token; docs/serve.md has what each sender needs.</p>;
  const order = [...of].sort((a, b) => b.skipped - a.skipped || age(a.last_request) - age(b.last_request) || a.name.localeCompare(b.name)).slice(0, 500);
  return (
    <div class="rows-scroll" tabIndex={0} role="region" aria-label="Senders">
      <table class="grid-table">
        <thead>
          <tr>
            <th scope="col">Sender or file</th>
            <th scope="col">Last request</th>
            <th scope="col" class="numeric">
              Events since the start
            </th>
            <th scope="col" class="numeric">
              Records stored
            </th>
            <th scope="col" class="numeric">
              Unreadable
            </th>
            <th scope="col">Problems</th>
          </tr>
        </thead>
        <tbody>
          {order.map((one) => (
            <tr key={one.name}>
              <td class="cell-text mono">{cut(one.name, 160)}</td>
              <td class="nowrap">{one.last_request ? ago(age(one.last_request)) : "before the start"}</td>
              <td class="numeric">{number(one.events)}</td>
              <td class="numeric">{number(one.records)}</td>
              <td class="numeric">{one.skipped > 0 ? <span class="badge severity-high">{number(one.skipped)}</span> : "0"}</td>
              <td class="cell-text">
                {one.problems.map((text, at) => (
                  <div key={at}>{cut(text, 200)}</div>
                ))}
                {one.more_problems > 0 && <div class="quiet">and {number(one.more_problems)} more</div>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
