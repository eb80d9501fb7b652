import { useEffect, useMemo, useState } from "preact/hooks";
import type { Audit, Me } from "../data/api";
import { cut, number, when } from "../data/format";
import { isAdmin, messageOf, server } from "../data/server";
import { replace, type Route } from "../state";
import { VirtualTable, type Column } from "../widgets/table";

type Entry = Audit["entries"][number];
const MOST = 5000;

/** What people did, newest first. */
export function AuditLog({ route, me }: { route: Route; me: Me }) {
  const [entries, setEntries] = useState<Entry[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  const load = () =>
    server.audit(MOST).then(
      (now) => {
        setEntries(now.entries);
        setError(null);
      },
      (failed: unknown) => setError(messageOf(failed)),
    );
  useEffect(() => {
    void load();
  }, []);
  const { text = "", act = "", user = "" } = route.params;
  const rows = useMemo(
    () =>
      (entries ?? [])
        .map((entry, at) => ({ ...entry, at }))
        .filter((one) => (!act || one.act === act) && (!user || one.user === user) && [one.user, one.act, one.peer, one.about].join("\n").toLowerCase().includes(text.toLowerCase())),
    [entries, text, act, user],
  );
  const names = (of: (entry: Entry) => string) => [...new Set((entries ?? []).map(of))].sort();
  const columns = useMemo(
    (): Column<Entry & { at: number }>[] => [
      { id: "time", title: "Time (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.time)}</span>, key: (one) => one.time },
      { id: "user", title: "User", width: "9rem", cell: (one) => cut(one.user, 64), key: (one) => one.user },
      { id: "act", title: "What", width: "10rem", cell: (one) => <span class={one.act === "login-refused" ? "badge severity-medium" : ""}>{one.act}</span>, key: (one) => one.act },
      { id: "peer", title: "Address", width: "11rem", cell: (one) => <span class="mono">{one.peer}</span>, key: (one) => one.peer },
      { id: "about", title: "About", width: "minmax(14rem,4fr)", cell: (one) => <span title={cut(one.about, 1000)}>{cut(one.about, 300)}</span>, key: (one) => one.about },
    ],
    [],
  );
  return (
    <div class="page">
      <section class="card" aria-labelledby="audit-title">
        <h1 id="audit-title">Audit</h1>
        {!isAdmin(me) && <p class="empty">The audit log is for administrators.</p>}
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
        <form class="filters" role="search" aria-label="Filter the audit log" onSubmit={(event) => event.preventDefault()}>
          <input type="search" aria-label="Text in the audit log" placeholder="Text" value={text} onInput={(event) => replace("audit", { text: event.currentTarget.value || null })} />
          <select aria-label="What was done" value={act} onChange={(event) => replace("audit", { act: event.currentTarget.value || null })}>
            <option value="">anything</option>
            {names((one) => one.act).map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
          <select aria-label="User" value={user} onChange={(event) => replace("audit", { user: event.currentTarget.value || null })}>
            <option value="">anybody</option>
            {names((one) => one.user).map((one) => (
              <option key={one} value={one}>
                {cut(one, 64)}
              </option>
            ))}
          </select>
          <button type="button" onClick={() => void load()}>
            Refresh
          </button>
        </form>
        {entries === null && !error ? <p role="status">Loading…</p> : <VirtualTable label="Audit log" rows={rows} columns={columns} id={(one) => String(one.at)} height="calc(100vh - 15rem)" empty="Nothing matches." />}
        {entries !== null && entries.length >= MOST && <p class="quiet">The newest {number(MOST)} entries; audit.jsonl in the data folder has all.</p>}
      </section>
    </div>
  );
}
