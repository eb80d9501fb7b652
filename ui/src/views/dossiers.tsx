import { useMemo, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { count, cut, duration, number, when } from "../data/format";
import { micros, type FindingIndex, type DossierIndex } from "../data/model";
import { LOGON_TYPES } from "../data/eventnames";
import type { Account, Authentication, Covered, EventIndex, Host, HostDossier, AccountDossier, Process, Rareness } from "../data/types";
import { go, to, useLoaded, type Route } from "../state";
import { AccountLink, Await, Empty, Facts, HostLink, When, useModel } from "../widgets/basics";
import { VirtualTable, type Column } from "../widgets/table";
import { coveredColumns } from "./coverage";
import { FindingTable } from "./findings";
import { HopTable } from "./overview";

/** Opens the first event behind a row, or the hop that it belongs to. */
function openRow(row: { hop?: string | null; events?: EventIndex[] }): void {
  const event = row.events?.[0];
  if (event !== undefined) go(null, { hop: row.hop ?? null, finding: null, event: String(event) });
  else if (row.hop) go(null, { hop: row.hop, finding: null, event: null });
}

const dated = <Row extends { time: string | null }>(): Column<Row> => ({
  id: "time",
  title: "Time (UTC)",
  width: "11.2rem",
  cell: (row) => <span class="mono">{when(row.time)}</span>,
  key: (row) => micros(row.time),
});

const hopColumn = <Row extends { hop?: string | null }>(): Column<Row> => ({
  id: "hop",
  title: "Hop",
  width: "3rem",
  cell: (row) => (row.hop ? <a href={to(null, { hop: row.hop, finding: null, event: null })}>hop</a> : ""),
  key: (row) => row.hop ?? "",
});

/** A list with a search box on the left, one dossier on the right. */
function TwoPanes<Item>(props: {
  label: string;
  items: readonly Item[];
  id: (item: Item) => string;
  words: (item: Item) => string;
  columns: Column<Item>[];
  chosen: string | null;
  choose: (id: string) => void;
  children: ComponentChildren;
}) {
  const [text, setText] = useState("");
  const shown = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return props.items.filter((item) => words.every((word) => props.words(item).includes(word)));
  }, [props.items, text]);
  return (
    <div class="page two-panes">
      <section class="card list-pane" aria-label={props.label}>
        <input type="search" placeholder={`Find among ${number(props.items.length)}`} aria-label={`Find in ${props.label}`} value={text} onInput={(event) => setText(event.currentTarget.value)} />
        <VirtualTable
          label={props.label}
          rows={shown}
          columns={props.columns}
          id={props.id}
          open={(item) => props.choose(props.id(item))}
          selected={props.chosen}
          height="calc(100vh - 13rem)"
        />
      </section>
      <div class="dossier">{props.children}</div>
    </div>
  );
}

export function Hosts({ route }: { route: Route }) {
  const model = useModel();
  const order = useMemo(() => {
    const rank = new Map<string, number>();
    for (const scope of model.core.scope?.hosts ?? []) rank.set(scope.host, scope.confidence * 1e6);
    for (const hop of model.core.hops) for (const id of [hop.src, hop.dst]) if (id) rank.set(id, Math.max(rank.get(id) ?? 0, hop.confidence * 1e3));
    return [...model.core.hosts].sort((a, b) => (rank.get(b.id) ?? 0) - (rank.get(a.id) ?? 0) || b.risk - a.risk || model.hostName(a.id).localeCompare(model.hostName(b.id)));
  }, [model]);
  const chosen = route.params["id"] ?? order[0]?.id ?? null;
  const columns = useMemo(
    (): Column<Host>[] => [
      { id: "name", title: "Host", width: "minmax(7rem,1fr)", cell: (host) => <a href={to("hosts", { id: host.id })}>{model.hostName(host.id)}</a>, key: (host) => model.hostName(host.id) },
      { id: "hops", title: "Hops", width: "4rem", cell: (host) => model.hopsOfHost.get(host.id)?.length ?? 0, key: (host) => model.hopsOfHost.get(host.id)?.length ?? 0, numeric: true },
      { id: "risk", title: "Risk", width: "4rem", cell: (host) => host.risk, key: (host) => host.risk, numeric: true },
    ],
    [model],
  );
  return (
    <TwoPanes
      label="Hosts"
      items={order}
      id={(host) => host.id}
      words={(host) => [host.id, ...host.names, ...host.ips, ...host.category, host.role ?? ""].join(" ").toLowerCase()}
      columns={columns}
      chosen={chosen}
      choose={(id) => go("hosts", { id })}
    >
      {chosen === null ? <Empty>No hosts.</Empty> : <HostPage key={chosen} id={chosen} route={route} />}
    </TwoPanes>
  );
}

function HostPage({ id, route }: { id: string; route: Route }) {
  const model = useModel();
  const host = model.hosts.get(id);
  const both = useLoaded(async () => [await model.findings(), await model.dossiers()] as const, [model]);
  if (!host) return <Empty>This case has no host {id}.</Empty>;
  const scope = model.core.scope?.hosts.find((one) => one.host === id);
  const blind = model.core.scope?.blind.find((one) => one.host === id);
  const hops = model.hopsOfHost.get(id) ?? [];
  const span: [number, number] = [micros(model.core.stats.first), micros(model.core.stats.last)];
  const covered = model.core.coverage.filter((one) => model.findHost(one.host) === id);
  return (
    <>
      <section class="card">
        <h1>{model.hostName(id)}</h1>
        <Facts
          of={[
            ["Touched by the intruder", scope ? `${scope.certainty} (${scope.confidence.toFixed(2)}): ${scope.why.join("; ")}` : ""],
            ["Too few logs to judge", blind?.why.join("; ") ?? ""],
            ["Role", host.role?.replaceAll("-", " ") ?? ""],
            ["Names", host.names.join(", ")],
            ["Addresses", host.ips.join(", ")],
            ["Category", host.category.join(", ")],
            ["Priority", host.priority ?? ""],
            ["Risk", number(host.risk)],
          ]}
        />
      </section>
      <section class="card">
        <h2>Hops to and from it ({number(hops.length)})</h2>
        {hops.length ? <HopTable hops={hops} selected={route.params["hop"] ?? null} height="16rem" /> : <Empty>None.</Empty>}
      </section>
      <Await of={both}>
        {([findings, dossiers]: readonly [FindingIndex, DossierIndex]) => (
          <>
            <HostTimelines dossier={dossiers.hosts.get(id) ?? null} />
            <section class="card">
              <h2>Findings ({number(findings.ofHost.get(id)?.length ?? 0)})</h2>
              <FindingTable findings={findings.ofHost.get(id) ?? []} selected={route.params["finding"] ?? null} height="18rem" />
            </section>
          </>
        )}
      </Await>
      <section class="card">
        <h2>Its logs</h2>
        <VirtualTable<Covered> label="Logs of the host" rows={covered} columns={coveredColumns(span).slice(1)} id={(one) => one.channel} height="18rem" empty="No log of this host was read." />
      </section>
    </>
  );
}

type Row = Record<string, unknown> & { time: string | null; hop?: string | null; events?: EventIndex[] };

/** The lists of a dossier that need only their columns. */
const LISTS: [keyof HostDossier, string, [string, string, string][]][] = [
  ["services", "Services", [["name", "Service", "1fr"], ["image", "Image", "3fr"], ["account", "Account", "1fr"], ["by", "By", "1fr"]]],
  ["tasks", "Scheduled tasks", [["what", "What", "0.6fr"], ["name", "Task", "1fr"], ["command", "Command", "3fr"], ["by", "By", "1fr"]]],
  ["wmi_subscriptions", "WMI subscriptions", [["name", "Name", "1fr"], ["what", "What", "3fr"], ["by", "By", "1fr"]]],
  ["run_keys", "Run keys", [["key", "Key", "2fr"], ["value", "Value", "2fr"], ["by", "By", "1fr"]]],
  ["files", "Files", [["path", "File", "3fr"], ["share", "Share", "1fr"], ["by", "By", "1fr"], ["from", "From", "1fr"]]],
  ["connections", "Connections", [["direction", "Direction", "0.5fr"], ["local", "Local", "1fr"], ["remote", "Remote", "1fr"], ["port", "Port", "0.5fr"], ["image", "Image", "2fr"], ["account", "Account", "1fr"]]],
  ["account_changes", "Account changes", [["what", "What", "3fr"], ["account", "Account", "1fr"], ["by", "By", "1fr"]]],
];

/** A value of a dossier's list as text: an id of a host or account becomes its name. */
function Plain({ name, value }: { name: string; value: unknown }) {
  const model = useModel();
  if (value === null || value === undefined) return null;
  const text = String(value);
  if ((name === "account" || name === "by") && model.accounts.has(text)) return <AccountLink id={text} />;
  if ((name === "remote" || name === "from") && model.hosts.has(text)) return <HostLink id={text} />;
  return <span class="mono">{cut(text)}</span>;
}

const LIST_NAMES: Record<string, string> = { authentication: "logons", processes: "processes", ...Object.fromEntries(LISTS.map(([key, title]) => [key, title.toLowerCase()])) };

function HostTimelines({ dossier }: { dossier: HostDossier | null }) {
  if (!dossier) return null;
  const left = Object.entries(dossier.left_out ?? {}).filter(([, number]) => number > 0);
  return (
    <>
      {left.length > 0 && <p class="note">Left out since they are many: {left.map(([name, many]) => `${number(many)} ${LIST_NAMES[name] ?? name}`).join(", ")}.</p>}
      {dossier.authentication && dossier.authentication.length > 0 && (
        <section class="card">
          <h2>Authentication ({number(dossier.authentication.length)})</h2>
          <VirtualTable label="Authentication" rows={dossier.authentication.map((one, at) => ({ ...one, at }))} columns={AUTHENTICATION} id={(one) => String(one.at)} open={openRow} height="22rem" />
        </section>
      )}
      {dossier.processes && dossier.processes.length > 0 && (
        <section class="card">
          <h2>Processes ({number(dossier.processes.length)})</h2>
          <ProcessTree processes={dossier.processes} />
        </section>
      )}
      {LISTS.map(([key, title, fields]) => {
        const rows = (dossier[key] ?? []) as unknown as Row[];
        if (!Array.isArray(rows) || rows.length === 0) return null;
        return <DossierList key={key} title={title} rows={rows} fields={fields} />;
      })}
    </>
  );
}

function DossierList({ title, rows, fields }: { title: string; rows: Row[]; fields: [string, string, string][] }) {
  const numbered = useMemo(() => rows.map((row, at) => ({ row, at, time: row.time, hop: row.hop ?? null })), [rows]);
  const columns = useMemo(
    (): Column<(typeof numbered)[number]>[] => [
      dated(),
      ...fields.map(([name, heading, width]) => ({
        id: name,
        title: heading,
        width: `minmax(5rem,${width})`,
        cell: (one: (typeof numbered)[number]) => <Plain name={name} value={one.row[name]} />,
        key: (one: (typeof numbered)[number]) => String(one.row[name] ?? ""),
      })),
      hopColumn(),
    ],
    [rows],
  );
  return (
    <section class="card">
      <h2>
        {title} ({number(rows.length)})
      </h2>
      <VirtualTable label={title} rows={numbered} columns={columns} id={(one) => String(one.at)} open={(one) => openRow(one.row)} height="16rem" />
    </section>
  );
}

type NumberedLogon = Authentication & { at: number };

const AUTHENTICATION: Column<NumberedLogon>[] = [
  dated(),
  { id: "direction", title: "Way", width: "2.6rem", cell: (one) => one.direction, key: (one) => one.direction },
  { id: "account", title: "Account", width: "minmax(7.5rem,1.5fr)", cell: (one) => (one.account ? <AccountLink id={one.account} short /> : (one.name ?? "")), key: (one) => one.name ?? one.account ?? "" },
  { id: "type", title: "Logon", width: "7rem", cell: (one) => (one.logon_type === null ? "" : `${one.logon_type} ${LOGON_TYPES[one.logon_type] ?? ""}`), key: (one) => one.logon_type ?? -1 },
  {
    id: "peer",
    title: "Peer",
    width: "minmax(5.5rem,1fr)",
    cell: (one) => (one.peer?.host ? <HostLink id={one.peer.host} /> : (one.peer?.name ?? one.peer?.address ?? "")),
    key: (one) => one.peer?.host ?? one.peer?.name ?? one.peer?.address ?? "",
  },
  {
    id: "result",
    title: "Result",
    width: "minmax(4.6rem,0.7fr)",
    cell: (one) => (one.result === "failure" ? <span class="badge severity-medium">failure {one.status ?? ""}</span> : one.result),
    key: (one) => one.result,
  },
  {
    id: "lasted",
    title: "Lasted",
    width: "4rem",
    cell: (one) => (one.seconds === null ? "" : duration(one.seconds)),
    key: (one) => one.seconds ?? -1,
    numeric: true,
  },
  {
    id: "did",
    title: "What it did",
    width: "minmax(7rem,2fr)",
    cell: (one) => (
      <>
        {one.privileged && <span class="badge severity-low" title="an administrator's rights">admin</span>} {cut((one.did ?? []).join("; "))}
      </>
    ),
  },
  hopColumn(),
];

interface TreeRow {
  process: Process;
  depth: number;
  children: number;
}

/** Processes as rows of a tree, parents before children, in chronological order. Circular parents, which damaged logs can have, are cut. */
export function treeRows(processes: readonly Process[], closed: ReadonlySet<number>): TreeRow[] {
  const byId = new Map(processes.map((one) => [one.id, one]));
  const children = new Map<number | null, Process[]>();
  for (const one of processes) {
    const parent = one.parent !== null && one.parent !== one.id && byId.has(one.parent) ? one.parent : null;
    const known = children.get(parent);
    if (known) known.push(one);
    else children.set(parent, [one]);
  }
  for (const all of children.values()) all.sort((a, b) => micros(a.time) - micros(b.time));
  const rows: TreeRow[] = [];
  const done = new Set<number>();
  const walk = (start: Process) => {
    const waiting: [Process, number][] = [[start, 0]];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const [process, depth] = next;
      if (done.has(process.id)) continue;
      done.add(process.id);
      const own = children.get(process.id) ?? [];
      rows.push({ process, depth, children: own.length });
      if (closed.has(process.id)) {
        const hidden = [...own];
        for (let one = hidden.pop(); one; one = hidden.pop()) {
          if (done.has(one.id)) continue;
          done.add(one.id);
          hidden.push(...(children.get(one.id) ?? []));
        }
      } else {
        for (let at = own.length - 1; at >= 0; at--) {
          const child = own[at];
          if (child) waiting.push([child, depth + 1]);
        }
      }
    }
  };
  for (const root of children.get(null) ?? []) walk(root);
  for (const one of processes) if (!done.has(one.id)) walk(one);
  return rows;
}

const SEEN: Record<Rareness, string> = {
  "first-anywhere": "first anywhere",
  "first-here": "first on this host",
  common: "common",
  "here-before": "seen before",
};

/** Whether a process deserves attention, as the case says. */
const isMarked = (one: Process): boolean => one.remarkable === true;

function ProcessTree({ processes }: { processes: Process[] }) {
  const [closed, setClosed] = useState<ReadonlySet<number>>(new Set());
  const [onlyMarked, setOnlyMarked] = useState(() => processes.some(isMarked));
  const kept = useMemo(() => {
    if (!onlyMarked) return processes;
    // Includes the ancestors of marked processes, so that the tree stays connected.
    const byId = new Map(processes.map((one) => [one.id, one]));
    const wanted = new Set<number>();
    for (const one of processes) {
      if (!isMarked(one)) continue;
      for (let up: Process | undefined = one; up && !wanted.has(up.id); up = up.parent === null ? undefined : byId.get(up.parent)) wanted.add(up.id);
    }
    return processes.filter((one) => wanted.has(one.id));
  }, [processes, onlyMarked]);
  const rows = useMemo(() => treeRows(kept, closed), [kept, closed]);
  const columns = useMemo(
    (): Column<TreeRow>[] => [
      { id: "time", title: "Time (UTC)", width: "11.5rem", cell: (row) => <span class="mono">{when(row.process.time)}</span> },
      {
        id: "process",
        title: "Process",
        width: "minmax(16rem,4fr)",
        cell: (row) => (
          <span style={{ paddingLeft: `${Math.min(row.depth, 14) * 16}px` }} title={cut(row.process.command_line ?? "", 2000)}>
            {row.children > 0 ? (
              <button
                type="button"
                class="twist"
                aria-expanded={!closed.has(row.process.id)}
                aria-label={`children of ${(row.process.image ?? "").split("\\").at(-1)}`}
                onClick={() => {
                  const next = new Set(closed);
                  if (!next.delete(row.process.id)) next.add(row.process.id);
                  setClosed(next);
                }}
              >
                {closed.has(row.process.id) ? "▸" : "▾"}
              </button>
            ) : (
              <span class="twist" aria-hidden="true" />
            )}
            <strong>{(row.process.image ?? "unknown").split("\\").at(-1)}</strong> <span class="mono quiet">{cut(row.process.command_line ?? "", 200)}</span>
          </span>
        ),
      },
      {
        id: "marks",
        title: "Marks",
        width: "minmax(8rem,1.4fr)",
        cell: (row) => (
          <span title={row.process.reasons.join("; ")}>
            {row.process.marks.map((mark) => (
              <span key={mark} class="badge severity-high">
                {mark}
              </span>
            ))}
            {row.process.seen.startsWith("first") && <span class="badge severity-medium">{SEEN[row.process.seen]}</span>}
          </span>
        ),
      },
      { id: "account", title: "Account", width: "minmax(7rem,1fr)", cell: (row) => (row.process.account ? <AccountLink id={row.process.account} short /> : "") },
      { id: "pid", title: "PID", width: "4.5rem", cell: (row) => row.process.pid ?? "", numeric: true },
      { id: "hop", title: "Hop", width: "4.5rem", cell: (row) => (row.process.hop ? <a href={to(null, { hop: row.process.hop, finding: null, event: null })}>hop</a> : "") },
    ],
    [closed],
  );
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={onlyMarked} onChange={() => setOnlyMarked(!onlyMarked)} /> only what is marked or belongs to a hop, with its parents
      </label>
      <VirtualTable label="Process tree" rows={rows} columns={columns} id={(row) => String(row.process.id)} open={(row) => openRow(row.process)} height="26rem" empty="No process is marked." />
    </>
  );
}

export function Accounts({ route }: { route: Route }) {
  const model = useModel();
  const reset = useMemo(() => new Set((model.core.scope?.accounts ?? []).map((one) => one.account)), [model]);
  const order = useMemo(() => {
    const rank = (id: string) => (reset.has(id) ? 1e9 : 0) + (model.hopsOfAccount.get(id)?.length ?? 0) * 1e4;
    return [...model.core.accounts].sort((a, b) => rank(b.id) + b.risk - rank(a.id) - a.risk || model.accountName(a.id).localeCompare(model.accountName(b.id)));
  }, [model]);
  const chosen = route.params["id"] ?? order[0]?.id ?? null;
  const columns = useMemo(
    (): Column<Account>[] => [
      { id: "name", title: "Account", width: "minmax(8rem,1fr)", cell: (one) => <a href={to("accounts", { id: one.id })}>{model.accountName(one.id)}</a>, key: (one) => model.accountName(one.id) },
      { id: "hops", title: "Hops", width: "4rem", cell: (one) => model.hopsOfAccount.get(one.id)?.length ?? 0, key: (one) => model.hopsOfAccount.get(one.id)?.length ?? 0, numeric: true },
      { id: "risk", title: "Risk", width: "4rem", cell: (one) => one.risk, key: (one) => one.risk, numeric: true },
    ],
    [model],
  );
  return (
    <TwoPanes
      label="Accounts"
      items={order}
      id={(one) => one.id}
      words={(one) => [one.id, ...one.names, one.sid ?? "", one.kind].join(" ").toLowerCase()}
      columns={columns}
      chosen={chosen}
      choose={(id) => go("accounts", { id })}
    >
      {chosen === null ? <Empty>No accounts.</Empty> : <AccountPage key={chosen} id={chosen} route={route} />}
    </TwoPanes>
  );
}

function AccountPage({ id, route }: { id: string; route: Route }) {
  const model = useModel();
  const account = model.accounts.get(id);
  const both = useLoaded(async () => [await model.findings(), await model.dossiers()] as const, [model]);
  if (!account) return <Empty>This case has no account {id}.</Empty>;
  const hops = model.hopsOfAccount.get(id) ?? [];
  const scope = model.core.scope?.accounts.find((one) => one.account === id);
  const used = hops.filter((hop) => hop.used === id).map((hop) => hop.dst);
  return (
    <>
      <section class="card">
        <h1>{model.accountName(id)}</h1>
        <Facts
          of={[
            ["To be reset", scope ? scope.why.join("; ") : ""],
            ["Kind", account.kind],
            ["Names", account.names.join(", ")],
            ["SID", account.sid ?? ""],
            ["Risk", number(account.risk)],
            ["Moved to", used.length ? [...new Set(used)].map((host, at) => <>{at > 0 && ", "}<HostLink id={host} /></>) : ""],
          ]}
        />
      </section>
      <section class="card">
        <h2>Hops in which it takes part ({number(hops.length)})</h2>
        {hops.length ? <HopTable hops={hops} selected={route.params["hop"] ?? null} height="16rem" /> : <Empty>None.</Empty>}
      </section>
      <Await of={both}>
        {([findings, dossiers]: readonly [FindingIndex, DossierIndex]) => (
          <>
            <AccountTimelines dossier={dossiers.accounts.get(id) ?? null} />
            <section class="card">
              <h2>Findings ({number(findings.ofAccount.get(id)?.length ?? 0)})</h2>
              <FindingTable findings={findings.ofAccount.get(id) ?? []} selected={route.params["finding"] ?? null} height="18rem" />
            </section>
          </>
        )}
      </Await>
    </>
  );
}

type NumberedLogons = NonNullable<AccountDossier["logons"]>[number] & { at: number };

const LOGONS: Column<NumberedLogons>[] = [
  { id: "first", title: "First (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.first)}</span>, key: (one) => micros(one.first) },
  { id: "last", title: "Last (UTC)", width: "11.5rem", cell: (one) => <span class="mono">{when(one.last)}</span>, key: (one) => micros(one.last) },
  { id: "host", title: "On", width: "minmax(7rem,1fr)", cell: (one) => <HostLink id={one.host} />, key: (one) => one.host },
  { id: "from", title: "From", width: "minmax(7rem,1fr)", cell: (one) => (one.from ? <HostLink id={one.from} /> : (one.address ?? "")), key: (one) => one.from ?? one.address ?? "" },
  { id: "types", title: "Logon", width: "minmax(8rem,1fr)", cell: (one) => (one.types ?? []).map((type) => `${type} ${LOGON_TYPES[type] ?? ""}`).join(", "), key: (one) => (one.types ?? []).join() },
  { id: "count", title: "Logons", width: "5rem", cell: (one) => number(one.count), key: (one) => one.count, numeric: true },
  { id: "failures", title: "Failures", width: "5.5rem", cell: (one) => number(one.failures), key: (one) => one.failures, numeric: true },
  { id: "new", title: "New", width: "4rem", cell: (one) => (one.new ? <span class="badge severity-medium">new</span> : ""), key: (one) => (one.new ? 1 : 0), numeric: true },
];

function AccountTimelines({ dossier }: { dossier: AccountDossier | null }) {
  const model = useModel();
  if (!dossier) return null;
  return (
    <>
      {(dossier.left_out ?? 0) > 0 && <p class="note">{count(dossier.left_out ?? 0, "row")} of logons omitted to keep this list short.</p>}
      {dossier.new && dossier.new.length > 0 && (
        <section class="card">
          <h2>New for this account</h2>
          <ul>
            {dossier.new.slice(0, 100).map((one) => (
              <li key={one}>{one}</li>
            ))}
          </ul>
        </section>
      )}
      {dossier.exposed && dossier.exposed.length > 0 && (
        <section class="card">
          <h2>Where its credentials were exposed</h2>
          <ul>
            {dossier.exposed.slice(0, 200).map((one, at) => (
              <li key={at}>
                <HostLink id={one.host} />, <When time={one.first} /> to <When time={one.last} />: {one.how}
                {one.to.length > 0 && ` (to ${one.to.map((id) => (model.hosts.has(id) ? model.hostName(id) : id)).join(", ")})`}
              </li>
            ))}
          </ul>
        </section>
      )}
      {dossier.logons && dossier.logons.length > 0 && (
        <section class="card">
          <h2>Logons ({count(dossier.logons.length, "row")})</h2>
          <VirtualTable label="Logons of the account" rows={dossier.logons.map((one, at) => ({ ...one, at }))} columns={LOGONS} id={(one) => String(one.at)} height="22rem" />
        </section>
      )}
      {dossier.changes && dossier.changes.length > 0 && (
        <DossierList title="Changes of the account" rows={dossier.changes as unknown as Row[]} fields={[["what", "What", "3fr"], ["by", "By", "1fr"]]} />
      )}
    </>
  );
}

