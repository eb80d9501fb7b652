import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Decision, Disposition, InboxDetail, Item, Me, Status } from "../data/api";
import { count, cut, number, when } from "../data/format";
import { mayDecide, messageOf, server } from "../data/server";
import { go, replace, useLoaded, type Route } from "../state";
import { Await, Facts, Severity, When } from "../widgets/basics";

const SEVERITIES = ["critical", "high", "medium", "low", "informational"];
const STATUSES: Record<Status, string> = { new: "New", "in-progress": "In progress", closed: "Closed" };
const DISPOSITIONS: Record<Disposition, string> = {
  undetermined: "Undetermined",
  "true-positive": "True positive",
  "benign-positive": "Suspicious but expected",
  "false-positive": "False positive",
  other: "Other",
};
const NEWS = 4000;
/** Rows in the page at once. */
const PAGE = 100;

/** What is counted on the left. A value begins with `-` in the URL if it is excluded. */
const FACETS: readonly { id: string; title: string; of: (item: Item) => string[]; name?: (value: string) => string }[] = [
  { id: "status", title: "Status", of: (one) => [one.status], name: (value) => STATUSES[value as Status] ?? value },
  { id: "severity", title: "Severity", of: (one) => [one.severity] },
  { id: "owner", title: "Owner", of: (one) => [one.owner], name: (value) => value || "nobody" },
  { id: "disposition", title: "Disposition", of: (one) => [one.disposition], name: (value) => DISPOSITIONS[value as Disposition] ?? value },
  { id: "what", title: "Detection", of: (one) => [one.kind === "path" ? "Paths" : one.title] },
  { id: "host", title: "Host", of: (one) => one.hosts },
  { id: "account", title: "Account", of: (one) => one.accounts },
  { id: "technique", title: "Technique", of: (one) => one.techniques },
];
const OPEN = "new\u001fin-progress";

interface Facet {
  only: string[];
  not: string[];
}

function facetOf(text: string | undefined): Facet {
  const all = text === undefined || text === "" ? [] : text.split("\u001f");
  return { only: all.filter((one) => !one.startsWith("-")).map((one) => one.replace(/^\+/, "")), not: all.filter((one) => one.startsWith("-")).map((one) => one.slice(1)) };
}

const written = (facet: Facet): string => [...facet.only.map((one) => (one === "" || /^[-+]/.test(one) ? `+${one}` : one)), ...facet.not.map((one) => `-${one}`)].join("\u001f");

const facetsOf = (params: Record<string, string>): Map<string, Facet> => new Map(FACETS.map(({ id }) => [id, facetOf(params[id] ?? (id === "status" ? OPEN : ""))]));

const fits = (item: Item, facets: Map<string, Facet>, text: string, without: string | null): boolean =>
  FACETS.every(({ id, of }) => {
    if (id === without) return true;
    const facet = facets.get(id);
    if (!facet) return true;
    const values = of(item);
    return (facet.only.length === 0 || values.some((one) => facet.only.includes(one))) && !values.some((one) => facet.not.includes(one));
  }) &&
  (!text ||
    [item.title, item.message, ...item.hosts, ...item.accounts, ...item.techniques, item.owner].join("\n").toLowerCase().includes(text.toLowerCase()));

const KEYS: readonly [string, string][] = [
  ["j / k", "next, previous"],
  ["x", "select"],
  ["Enter or o", "open beside the list"],
  ["e", "close"],
  ["p", "in progress"],
  ["n", "new again"],
  ["a", "assign to me"],
  ["u", "undo the last decision"],
  ["/", "filter by text"],
  ["Escape", "close what is open, select nothing"],
  ["?", "these keys"],
];

interface Undo {
  words: string;
  decisions: Decision[];
}

export function InboxPage({ route, me }: { route: Route; me: Me }) {
  const [items, setItems] = useState<Item[] | null>(null);
  const [owners, setOwners] = useState<string[]>([]);
  const [total, setTotal] = useState(0);
  const [error, setError] = useState<string | null>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [active, setActive] = useState<string | null>(null);
  const [help, setHelp] = useState(false);
  const [undo, setUndo] = useState<Undo | null>(null);
  const [page, setPage] = useState(0);
  const tag = useRef("");
  const filter = useRef<HTMLInputElement>(null);
  const may = mayDecide(me);
  const opened = route.params["id"] ?? null;

  const load = async (all = false) => {
    try {
      const now = await server.inbox(all ? "" : tag.current);
      tag.current = now.tag;
      if (now.items) {
        setItems(now.items);
        setOwners(now.owners ?? []);
        setTotal(now.total ?? 0);
      }
      setError((before) => (before?.startsWith("The server") ? null : before));
    } catch (failed) {
      setError(`The server cannot be reached: ${messageOf(failed)}`);
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => void load(), NEWS);
    return () => clearInterval(timer);
  }, []);

  const facets = useMemo(() => facetsOf(route.params), [JSON.stringify(route.params)]);
  const text = route.params["text"] ?? "";
  const rows = useMemo(() => {
    const time = (one: Item) => one.last ?? one.found ?? "";
    const paths = (one: Item) => (one.kind === "path" ? 0 : 1);
    return (items ?? []).filter((one) => fits(one, facets, text, null)).sort((a, b) => paths(a) - paths(b) || time(b).localeCompare(time(a)) || a.id.localeCompare(b.id));
  }, [items, facets, text]);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const from = Math.min(page, pages - 1) * PAGE;
  const shown = rows.slice(from, from + PAGE);
  const here = shown.find((one) => one.id === (active ?? opened)) ?? null;
  const chosen = selected.size > 0 ? rows.filter((one) => selected.has(one.id)) : here ? [here] : [];

  const decide = async (about: readonly Item[], change: Omit<Decision, "items">, words: string) => {
    if (!may || about.length === 0) return;
    setError(null);
    // The row in this one's place is next.
    const next = shown[shown.findIndex((one) => one.id === about.at(-1)?.id) + 1]?.id ?? null;
    try {
      const done = await server.decide({ items: about.map(({ id, version }) => ({ id, version })), ...change });
      const changed = new Map(done.items.map((one) => [one.id, one]));
      setItems((before) => before?.map((one) => changed.get(one.id) ?? one) ?? null);
      // What each of them was before, alike ones in one decision.
      const back = new Map<string, Decision>();
      for (const one of about) {
        const version = changed.get(one.id)?.version ?? one.version + 1;
        const was = { status: one.status, owner: one.owner, disposition: one.disposition };
        const known = back.get(JSON.stringify(was)) ?? { items: [], ...was, note: "undone" };
        known.items.push({ id: one.id, version });
        back.set(JSON.stringify(was), known);
      }
      setUndo({ words: `${count(about.length, "thing")}: ${words}.`, decisions: [...back.values()] });
      setSelected(new Set());
      if (change.status === "closed" && next) setActive(next);
    } catch (failed) {
      setError(messageOf(failed));
      await load(true);
    }
  };
  const undoLast = async () => {
    if (!undo) return;
    setUndo(null);
    try {
      for (const one of undo.decisions) await server.decide(one);
    } catch (failed) {
      setError(messageOf(failed));
    }
    await load(true);
  };
  const select = (id: string) =>
    setSelected((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  const open = (id: string | null) => go("inbox", { id });
  const move = (by: number) => {
    const at = shown.findIndex((one) => one.id === active);
    const next = shown[Math.max(0, Math.min(shown.length - 1, at < 0 ? 0 : at + by))];
    if (!next) return;
    setActive(next.id);
    document.getElementById(`row-${next.id}`)?.focus();
    if (opened) open(next.id);
  };
  const act: Record<string, () => void> = {
    j: () => move(1),
    k: () => move(-1),
    x: () => here && select(here.id),
    o: () => here && open(here.id),
    e: () => void decide(chosen, { status: "closed" }, "closed"),
    p: () => void decide(chosen, { status: "in-progress" }, "in progress"),
    n: () => void decide(chosen, { status: "new" }, "new"),
    a: () => void decide(chosen, { owner: me.name }, `assigned to ${me.name}`),
    u: () => void undoLast(),
    "/": () => filter.current?.focus(),
    "?": () => setHelp(!help),
    Escape: () => {
      if (help) setHelp(false);
      else if (opened) open(null);
      else setSelected(new Set());
    },
  };
  // The keys mean what the page shows now, however fast they come.
  const acts = useRef(act);
  acts.current = act;
  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const field = (event.target as HTMLElement).closest("input:not([type=checkbox]),select,textarea");
      if (field) {
        if (event.key === "Escape") (field as HTMLElement).blur();
        return;
      }
      const wanted = acts.current[event.key];
      if (!wanted) return;
      event.preventDefault();
      wanted();
    };
    window.addEventListener("keydown", keys);
    return () => window.removeEventListener("keydown", keys);
  }, []);

  return (
    <div class={opened ? "body with-drawer" : "body"}>
      <div class="page inbox-page">
        <section class="card" aria-labelledby="inbox-title">
          <div class="card-head">
            <h1 id="inbox-title">Inbox</h1>
            <span class="quiet" role="status">
              {items === null ? "Loading…" : `${count(rows.length, "thing")} of ${number(items.length)}${total > items.length ? `; ${number(total - items.length)} older findings are not shown` : ""}`}
            </span>
            <input
              ref={filter}
              type="search"
              aria-label="Text in the inbox"
              placeholder="Filter   /"
              value={text}
              onInput={(event) => {
                setPage(0);
                replace("inbox", { text: event.currentTarget.value || null });
              }}
            />
            <button type="button" class="small" onClick={() => setHelp(!help)} aria-expanded={help}>
              Keys ?
            </button>
          </div>
          {error && (
            <p class="error" role="alert">
              {error}
            </p>
          )}
          {help && (
            <dl class="keys" aria-label="Keys">
              {KEYS.map(([key, what]) => (
                <div key={key}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          )}
          {items !== null && (
            <div class="with-fields">
              <Facets items={items} facets={facets} text={text} turned={() => setPage(0)} />
              <div>
                {may && <BulkBar key={chosen.map((one) => one.id).join()} chosen={chosen} several={selected.size > 0} owners={owners} decide={decide} />}
                <div class="rows-scroll" tabIndex={0} role="region" aria-label="Paths and notables">
                  <table class="grid-table inbox-table">
                    <thead>
                      <tr>
                        <th scope="col">
                          {may ? (
                            <input
                              type="checkbox"
                              aria-label="Select all that are shown"
                              checked={shown.length > 0 && shown.every((one) => selected.has(one.id))}
                              onChange={(event) => setSelected(event.currentTarget.checked ? new Set(shown.map((one) => one.id)) : new Set())}
                            />
                          ) : (
                            <span class="visually-hidden">Severity</span>
                          )}
                        </th>
                        <th scope="col">Severity</th>
                        <th scope="col">What</th>
                        <th scope="col">Hosts and accounts</th>
                        <th scope="col">Last (UTC)</th>
                        <th scope="col">Status</th>
                        <th scope="col">Owner</th>
                      </tr>
                    </thead>
                    <tbody>
                      {shown.map((one) => (
                        <tr
                          key={one.id}
                          id={`row-${one.id}`}
                          tabIndex={one.id === (here?.id ?? shown[0]?.id) ? 0 : -1}
                          class={`bar-${one.severity}${one.id === opened ? " is-open" : ""}${selected.has(one.id) ? " is-selected" : ""}`}
                          aria-current={one.id === opened ? "true" : undefined}
                          onFocus={() => setActive(one.id)}
                          onKeyDown={(event) => {
                            if (event.key === "Enter" && event.target === event.currentTarget) {
                              event.preventDefault();
                              open(one.id);
                            }
                          }}
                          onClick={(event) => {
                            if ((event.target as HTMLElement).closest("input,a,button")) return;
                            setActive(one.id);
                            open(one.id);
                          }}
                        >
                          <td>{may && <input type="checkbox" aria-label={`Select ${cut(one.title, 80)}`} checked={selected.has(one.id)} onChange={() => select(one.id)} />}</td>
                          <td>
                            <Severity name={one.severity} />
                          </td>
                          <td class="cell-text">
                            <button
                              type="button"
                              class="as-link"
                              onClick={() => {
                                setActive(one.id);
                                open(one.id);
                              }}
                            >
                              {one.kind === "path" ? `Lateral movement: ${cut(one.title, 160)}` : cut(one.title, 120)}
                            </button>{" "}
                            {one.goes_on && <span class="badge credential">goes on since it was closed</span>}
                            <div class="quiet">{cut(one.message, 200)}</div>
                          </td>
                          <td class="cell-text">{cut([...one.hosts, ...one.accounts].join(", "), 120)}</td>
                          <td class="mono nowrap">{when(one.last ?? one.found)}</td>
                          <td class="nowrap">
                            {STATUSES[one.status]}
                            {one.status === "closed" && one.disposition !== "undetermined" && <div class="quiet">{DISPOSITIONS[one.disposition]}</div>}
                          </td>
                          <td>{one.owner || <span class="quiet">–</span>}</td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
                {shown.length === 0 && <p class="empty">{items.length === 0 ? "Nothing was found so far. What detections and hunts find comes here." : "Nothing matches; the filters on the left hide the rest."}</p>}
                {pages > 1 && (
                  <nav class="pager" aria-label="Pages">
                    <button type="button" disabled={from === 0} onClick={() => setPage(Math.max(0, page - 1))}>
                      Previous
                    </button>
                    <span>
                      {number(from + 1)}–{number(from + shown.length)} of {number(rows.length)}
                    </span>
                    <button type="button" disabled={from + PAGE >= rows.length} onClick={() => setPage(page + 1)}>
                      Next
                    </button>
                  </nav>
                )}
              </div>
            </div>
          )}
        </section>
        {undo && (
          <div class="toast" role="status">
            {undo.words}{" "}
            <button type="button" class="small" onClick={() => void undoLast()}>
              Undo
            </button>{" "}
            <button type="button" class="small" aria-label="Hide this" onClick={() => setUndo(null)}>
              ✕
            </button>
          </div>
        )}
      </div>
      {opened && <Beside id={opened} version={items?.find((one) => one.id === opened)?.version ?? 0} close={() => open(null)} />}
    </div>
  );
}

function Facets({ items, facets, text, turned }: { items: readonly Item[]; facets: Map<string, Facet>; text: string; turned: () => void }) {
  const turn = (id: string, value: string, exclude: boolean) => {
    const facet = facets.get(id) ?? { only: [], not: [] };
    const without = (all: string[]) => all.filter((one) => one !== value);
    const next: Facet = exclude
      ? { only: without(facet.only), not: facet.not.includes(value) ? without(facet.not) : [...facet.not, value] }
      : { only: facet.only.includes(value) ? without(facet.only) : [...facet.only, value], not: without(facet.not) };
    turned();
    // Without a status in the URL the open ones are meant.
    replace("inbox", { [id]: written(next) || (id === "status" ? "" : null) });
  };
  return (
    <aside class="fieldbar facets" aria-label="Filters">
      {FACETS.map(({ id, title, of, name }) => {
        const facet = facets.get(id) ?? { only: [], not: [] };
        const counts = new Map<string, number>();
        for (const one of items) if (fits(one, facets, text, id)) for (const value of of(one)) counts.set(value, (counts.get(value) ?? 0) + 1);
        for (const value of [...facet.only, ...facet.not]) if (!counts.has(value)) counts.set(value, 0);
        const rank = (value: string) => (id === "severity" ? SEVERITIES.indexOf(value) : id === "status" ? Object.keys(STATUSES).indexOf(value) : 0);
        const all = [...counts].sort((a, b) => rank(a[0]) - rank(b[0]) || b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, 12);
        if (all.length === 0) return null;
        return (
          <details key={id} open={["status", "severity", "owner", "what"].includes(id) || facet.only.length + facet.not.length > 0}>
            <summary>{title}</summary>
            <ul class="plain">
              {all.map(([value, many]) => {
                const words = (name ?? ((one: string) => one))(value);
                const state = facet.only.includes(value) ? "only" : facet.not.includes(value) ? "not" : "";
                return (
                  <li key={value} class="facet">
                    <button type="button" class="value" aria-pressed={state === "only"} title={`${cut(words, 200)}; Alt and click excludes`} onClick={(event) => turn(id, value, event.altKey)}>
                      <span class="value-text">
                        {state === "not" && "not "}
                        {cut(words, 60)}
                      </span>
                      <span class="value-count">{number(many)}</span>
                    </button>
                    <button type="button" class="small facet-not" aria-pressed={state === "not"} aria-label={`Without ${cut(words, 60)}`} onClick={() => turn(id, value, true)}>
                      −
                    </button>
                  </li>
                );
              })}
            </ul>
          </details>
        );
      })}
    </aside>
  );
}

function BulkBar({ chosen, several, owners, decide }: { chosen: readonly Item[]; several: boolean; owners: readonly string[]; decide: (about: readonly Item[], change: Omit<Decision, "items">, words: string) => Promise<void> }) {
  const first = chosen[0];
  const same = <T,>(of: (item: Item) => T): T | "" => (first && chosen.every((one) => of(one) === of(first)) ? of(first) : "");
  const [status, setStatus] = useState<string>(same((one) => one.status));
  const [owner, setOwner] = useState<string>(first && chosen.every((one) => one.owner === first.owner) ? `=${first.owner}` : "");
  const [disposition, setDisposition] = useState<string>(same((one) => one.disposition));
  const [note, setNote] = useState("");
  const change: Omit<Decision, "items"> = {
    ...(status && chosen.some((one) => one.status !== status) ? { status: status as Status } : {}),
    ...(owner && chosen.some((one) => `=${one.owner}` !== owner) ? { owner: owner.slice(1) } : {}),
    ...(disposition && chosen.some((one) => one.disposition !== disposition) ? { disposition: disposition as Disposition } : {}),
    ...(note.trim() ? { note: note.trim() } : {}),
  };
  const is = Object.keys(change).length > 0;
  const words = chosen.length === 0 ? "Nothing selected" : several ? `${number(chosen.length)} selected` : cut(first?.title ?? "", 40);
  return (
    <form
      class="bulk"
      aria-label="Decide"
      onSubmit={(event) => {
        event.preventDefault();
        if (is) void decide(chosen, change, "changed");
      }}
    >
      <span class="bulk-what">{words}</span>
      <select aria-label="Status" disabled={chosen.length === 0} value={status} onChange={(event) => setStatus(event.currentTarget.value)}>
        <option value="">status…</option>
        {Object.entries(STATUSES).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
      <select aria-label="Owner" disabled={chosen.length === 0} value={owner} onChange={(event) => setOwner(event.currentTarget.value)}>
        <option value="">owner…</option>
        <option value="=">nobody</option>
        {owners.map((name) => (
          <option key={name} value={`=${name}`}>
            {name}
          </option>
        ))}
      </select>
      <select aria-label="Disposition" disabled={chosen.length === 0} value={disposition} onChange={(event) => setDisposition(event.currentTarget.value)}>
        <option value="">disposition…</option>
        {Object.entries(DISPOSITIONS).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
      <input type="text" aria-label="Note" placeholder="Note" maxLength={4000} disabled={chosen.length === 0} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
      <button type="submit" disabled={!is || chosen.length === 0}>
        Apply
      </button>
    </form>
  );
}

/** One thing beside the list: what it is, where to look further, and who decided what. */
function Beside({ id, version, close }: { id: string; version: number; close: () => void }) {
  const detail = useLoaded(() => server.item(id), [id, version]);
  return (
    <aside class="drawer" aria-label="Details" tabIndex={-1}>
      <div class="drawer-bar">
        <strong>Details</strong>
        <button type="button" class="close" aria-label="Close the details" onClick={close}>
          ✕
        </button>
      </div>
      <Await of={detail}>{(value) => <Detail of={value} />}</Await>
    </aside>
  );
}

function Detail({ of: { item, finding, history } }: { of: InboxDetail }) {
  const day = (time: string, more: number) => String(Math.round(Date.parse(time) / 1000) + more);
  const first = item.first ?? item.found;
  const last = item.last ?? first;
  const host = item.hosts[0];
  const around = first && last && host ? `#/search?${new URLSearchParams({ q: `host=${JSON.stringify(host)}`, earliest: day(first, -300), latest: day(last, 300) })}` : null;
  const decisions = (one: InboxDetail["history"][number]) =>
    [one.status && STATUSES[one.status], one.owner !== null && (one.owner ? `owner ${one.owner}` : "owner nobody"), one.disposition && DISPOSITIONS[one.disposition]].filter(Boolean).join(", ");
  return (
    <div class="panel">
      <h2 class="wrap">{item.kind === "path" ? `Lateral movement: ${item.title}` : item.title}</h2>
      <p>
        <Severity name={item.severity} /> <span class="badge">{item.type}</span>
      </p>
      <p class="message">{item.message}</p>
      <ul class="plain">
        {item.kind === "path" && (
          <li>
            <a href={`#/overview?${new URLSearchParams({ path: item.id })}`}>The path on the map, with its evidence</a>
          </li>
        )}
        {around && (
          <li>
            <a href={around}>Events of {host} around it</a>
          </li>
        )}
        {item.detection && (
          <li>
            <a href={`#/content?${new URLSearchParams({ id: item.detection })}`}>The detection</a>
          </li>
        )}
        {item.kind === "finding" && (
          <li>
            <a href={`#/environment?${new URLSearchParams({ part: "exceptions", detection: item.detection, host: host ?? "" })}`}>An exception for it, if it is expected</a>
          </li>
        )}
      </ul>
      <section>
        <Facts
          of={[
            ["Status", STATUSES[item.status]],
            ["Owner", item.owner || "nobody"],
            ["Disposition", DISPOSITIONS[item.disposition]],
            ["First", <When time={item.first} />],
            ["Last", <When time={item.last} />],
            ["Hosts", item.hosts.join(", ")],
            ["Accounts", item.accounts.join(", ")],
            ["ATT&CK", item.techniques.join(", ")],
            [item.kind === "path" ? "Hops" : "Events", number(item.count)],
            ["Score", number(Math.round(item.score))],
          ]}
        />
      </section>
      {finding && (
        <section>
          <h3>Result row</h3>
          <table class="fields">
            <tbody>
              {Object.entries(finding.fields).map(([name, value]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="mono">{cut(Array.isArray(value) ? value.join("\n") : String(value ?? ""), 4000)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {finding && finding.events.length > 0 && (
        <section>
          <h3>{count(finding.event_count, "event")}</h3>
          <ul class="plain">
            {finding.events.map((one, at) => (
              <li key={at} class="mono">
                {when(one.time)} {one.channel} {one.event_id > 0 && one.event_id} {one.host}
              </li>
            ))}
          </ul>
        </section>
      )}
      <section>
        <h3>History</h3>
        {history.length === 0 && <p class="quiet">Nobody has decided anything yet.</p>}
        <ol class="plain history">
          {history.map((one, at) => (
            <li key={at}>
              <span class="mono">{when(one.time)}</span> <strong>{one.by}</strong> {decisions(one)}
              {one.note && <div class="message wrap">{one.note}</div>}
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}
