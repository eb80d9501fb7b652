import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Exception, Me, Problem, Table } from "../data/api";
import { count, cut, number, when } from "../data/format";
import { isAdmin, mayDecide, Refused, server, type KnownKind } from "../data/server";
import { replace, to, type Route } from "../state";
import { Outcome, Removal, useDone } from "../widgets/basics";

const PARTS = { assets: "Assets", identities: "Identities", exceptions: "Exceptions" } as const;
type Part = keyof typeof PARTS;
/** Rows that are shown at once; a filter finds the others. */
const SHOWN = 200;
/** What a new exception covers at first, in days. */
const DAYS = 90;

/** What people know about their environment: machines, accounts, and what is expected. */
export function EnvironmentPage({ route, me }: { route: Route; me: Me }) {
  const part: Part = (Object.keys(PARTS) as Part[]).find((one) => one === route.params["part"]) ?? "assets";
  return (
    <div class="page">
      <section class="card" aria-labelledby="environment-title">
        <h1 id="environment-title">Environment</h1>
        <nav class="parts" aria-label="Parts of the environment">
          {(Object.keys(PARTS) as Part[]).map((one) => (
            <a key={one} href={to("environment", { part: one, text: null, detection: null, host: null })} aria-current={one === part ? "page" : undefined}>
              {PARTS[one]}
            </a>
          ))}
        </nav>
        {part === "exceptions" ? <Exceptions route={route} me={me} /> : <Entities key={part} kind={part} route={route} me={me} />}
      </section>
    </div>
  );
}

const ABOUT: Record<KnownKind, string> = {
  assets: "Machines: a row is found by its ip, mac, nt_host or dns. In searches the columns become fields such as dest_category.",
  identities: "Accounts: a row is found by its identity. In searches the columns become fields such as user_category.",
};

/** A row while it is edited; it keeps its key when others come and go. */
interface Row {
  key: number;
  cells: string[];
}

let keys = 0;
const rowOf = (cells: readonly string[]): Row => ({ key: (keys += 1), cells: [...cells] });
const place = (row: number, column: string): string => `${row}\n${column}`;

/** The machines or accounts, in a table that administrators edit. */
function Entities({ kind, route, me }: { kind: KnownKind; route: Route; me: Me }) {
  const [saved, setSaved] = useState<Table | null>(null);
  const [columns, setColumns] = useState<string[]>([]);
  const [rows, setRows] = useState<Row[]>([]);
  const [edited, setEdited] = useState(false);
  const [problems, setProblems] = useState<Problem[]>([]);
  const { done, error, attempt } = useDone();
  const file = useRef<HTMLInputElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const text = route.params["text"] ?? "";
  const may = isAdmin(me);
  const show = (table: Pick<Table, "columns" | "rows">) => {
    setColumns([...table.columns]);
    setRows(table.rows.map(rowOf));
  };
  const take = (table: Table) => {
    setSaved(table);
    show(table);
    setEdited(false);
    setProblems([]);
  };
  const load = () =>
    attempt(async () => {
      take(await server.known(kind));
      return "";
    });
  useEffect(() => {
    void load();
  }, []);
  useEffect(() => {
    if (!edited) return undefined;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [edited]);
  const wrong = useMemo(() => {
    const at = new Map<string, string>();
    for (const one of problems) at.set(place(one.row, one.column), at.has(place(one.row, one.column)) ? `${at.get(place(one.row, one.column))}; ${one.message}` : one.message);
    return at;
  }, [problems]);
  const wrongRows = useMemo(() => new Set(problems.map((one) => one.row)), [problems]);
  const found = useMemo(() => {
    const needle = text.toLowerCase();
    const fits = (row: Row) => needle === "" || row.cells.some((cell) => cell.toLowerCase().includes(needle));
    const all = rows.map((row, at) => ({ row, at })).filter(({ row, at }) => wrongRows.has(at) || fits(row));
    // What is wrong comes first, and what was added last is in sight.
    return all.length <= SHOWN ? all : [...all.filter(({ at }) => wrongRows.has(at)), ...all.filter(({ at }) => !wrongRows.has(at)).reverse()];
  }, [rows, text, wrongRows]);
  const change = (next: Row[]) => {
    setRows(next);
    setEdited(true);
  };
  const set = (at: number, column: number, value: string) => {
    change(rows.map((row, index) => (index === at ? { ...row, cells: row.cells.map((cell, number) => (number === column ? value : cell)) } : row)));
    setProblems((before) => before.filter((one) => one.row !== at || (one.column !== columns[column] && one.column !== "")));
  };
  const focus = (row: number, column: number) => {
    requestAnimationFrame(() => body.current?.rows[row]?.querySelectorAll("input")[column]?.focus());
  };
  const add = () => {
    replace("environment", { part: kind, text: null });
    change([...rows, rowOf(columns.map(() => ""))]);
    focus(rows.length < SHOWN ? rows.length : 0, 0);
  };
  const addColumn = (name: string) => {
    if (!name || columns.includes(name)) return;
    setColumns([...columns, name]);
    change(rows.map((row) => ({ ...row, cells: [...row.cells, ""] })));
  };
  const save = () =>
    attempt(async () => {
      setProblems([]);
      try {
        // Rows that nobody filled in are left out, as the server leaves them out.
        const filled = rows.filter((row) => row.cells.some((cell) => cell.trim() !== ""));
        setRows(filled);
        take(await server.setKnown(kind, { version: saved?.version ?? null, columns, rows: filled.map((row) => row.cells) }));
      } catch (failed) {
        if (failed instanceof Refused) setProblems(failed.problems);
        throw failed;
      }
      return "Saved. Detections and the next hunt use it.";
    });
  const read = (chosen: File) =>
    attempt(async () => {
      const table = await server.readKnown(kind, await chosen.text());
      show(table);
      setEdited(true);
      setProblems(table.problems);
      return `${count(table.rows.length, "row")} read from ${cut(chosen.name, 80)}. Nothing is saved yet.`;
    });
  return (
    <>
      <p class="quiet">
        {ABOUT[kind]} Several values in a cell are separated by <code>|</code>. {saved?.changed && `${saved.by} changed this last, ${when(saved.changed)} UTC.`}
      </p>
      <Outcome done={done} error={error} />
      {wrong.has(place(0, "")) && rows.length === 0 && <p class="error">{wrong.get(place(0, ""))}</p>}
      <form class="filters" role="search" aria-label={`Filter ${kind}`} onSubmit={(event) => event.preventDefault()}>
        <input type="search" aria-label={`Text in ${kind}`} placeholder="Name, address, category…" value={text} onInput={(event) => replace("environment", { part: kind, text: event.currentTarget.value || null })} />
        <a class="button" href={`/api/v1/environment/${kind}/csv`} download={`${kind}.csv`}>
          Export as CSV
        </a>
        {may && (
          <>
            <button type="button" onClick={() => file.current?.click()}>
              Import CSV…
            </button>
            <input
              ref={file}
              type="file"
              class="visually-hidden"
              tabIndex={-1}
              accept=".csv,text/csv"
              aria-label={`A CSV file of ${kind}`}
              onChange={(event) => {
                const chosen = event.currentTarget.files?.[0];
                if (chosen) void read(chosen);
                event.currentTarget.value = "";
              }}
            />
            <button type="button" onClick={add}>
              Add a row
            </button>
          </>
        )}
      </form>
      {problems.length > 0 && (
        <p class="error" role="status">
          {count(problems.length, "problem")}; each is at its place below, in rows that are shown whatever the filter.
        </p>
      )}
      <div class="rows-scroll" tabIndex={0} role="region" aria-label={PARTS[kind]}>
        <table class="grid-table sheet" aria-rowcount={rows.length + 1}>
          <thead>
            <tr>
              {columns.map((name) => (
                <th key={name} scope="col">
                  {cut(name, 64)}
                  {wrong.get(place(0, name)) && rows.length === 0 && <span class="error"> {wrong.get(place(0, name))}</span>}
                </th>
              ))}
              {may && (
                <th scope="col">
                  <span class="visually-hidden">Row</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody ref={body}>
            {found.slice(0, SHOWN).map(({ row, at }, shown) => (
              <tr key={row.key} aria-rowindex={at + 2}>
                {row.cells.map((cell, column) => {
                  const name = columns[column] ?? "";
                  const why = wrong.get(place(at, name)) ?? (column === 0 ? wrong.get(place(at, "")) : undefined);
                  const id = `wrong-${row.key}-${column}`;
                  return (
                    <td key={name} class={may ? "" : "cell-text"}>
                      {may ? (
                        <input
                          type="text"
                          aria-label={`${name}, row ${at + 1}`}
                          aria-invalid={why !== undefined}
                          aria-describedby={why === undefined ? undefined : id}
                          value={cell}
                          onInput={(event) => set(at, column, event.currentTarget.value)}
                          onKeyDown={(event) => {
                            if (event.key === "Enter" || event.key === "ArrowDown") focus(shown + 1, column);
                            else if (event.key === "ArrowUp") focus(shown - 1, column);
                            else return;
                            event.preventDefault();
                          }}
                        />
                      ) : (
                        cut(cell, 200)
                      )}
                      {why !== undefined && (
                        <span id={id} class="error small-text wrong-cell">
                          {why}
                        </span>
                      )}
                    </td>
                  );
                })}
                {may && (
                  <td>
                    <button type="button" class="small" aria-label={`Remove row ${at + 1}`} onClick={() => {
                      change(rows.filter((one) => one !== row));
                      setProblems([]);
                    }}>
                      Remove
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length === 0 && <p class="empty">{rows.length === 0 ? `No ${kind} are known${may ? ": add rows, or import a CSV file" : ""}.` : "Nothing matches."}</p>}
      {found.length > SHOWN && (
        <p class="quiet">
          {number(SHOWN)} of {number(found.length)} rows; the filter finds the others.
        </p>
      )}
      {may && (
        <div class="acts">
          <button type="button" class="main" disabled={!edited} onClick={() => void save()}>
            Save {number(rows.length)} {rows.length === 1 ? "row" : "rows"}
          </button>
          <button type="button" disabled={!edited} onClick={() => void load()}>
            Discard changes
          </button>
          <NewColumn add={addColumn} />
        </div>
      )}
    </>
  );
}

function NewColumn({ add }: { add: (name: string) => void }) {
  const [name, setName] = useState("");
  return (
    <form
      class="acts"
      aria-label="New column"
      onSubmit={(event) => {
        event.preventDefault();
        add(name.trim());
        setName("");
      }}
    >
      <input type="text" aria-label="Name of a new column" placeholder="New column" maxLength={64} pattern="[A-Za-z0-9_. \-]+" title="Letters, digits and _" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      <button type="submit">Add column</button>
    </form>
  );
}

const day = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

interface Draft {
  id: string | null;
  version: number | null;
  detection: string;
  fields: string;
  reason: string;
  until: string;
}

const FRESH: Draft = { id: null, version: null, detection: "", fields: "", reason: "", until: "" };

/** `user=svc_deploy|svc_*` in each line. */
function fieldsOf(text: string): Record<string, string[]> {
  const fields: Record<string, string[]> = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    const name = at < 0 ? line : line.slice(0, at).trim();
    fields[name] = at < 0 ? [] : line.slice(at + 1).split("|").map((one) => one.trim()).filter(Boolean);
  }
  return fields;
}

const linesOf = (fields: Record<string, string[]>): string =>
  Object.entries(fields)
    .map(([name, all]) => `${name}=${all.join("|")}`)
    .join("\n");

/** Findings that are expected until a day. */
function Exceptions({ route, me }: { route: Route; me: Me }) {
  const [all, setAll] = useState<Exception[] | null>(null);
  const [names, setNames] = useState<string[]>([]);
  const asked = { detection: route.params["detection"] ?? "", host: route.params["host"] ?? "" };
  const fresh = (): Draft => ({ ...FRESH, detection: asked.detection, fields: asked.host ? `host=${asked.host}` : "", until: day(DAYS) });
  const [draft, setDraft] = useState<Draft>(fresh);
  const [problems, setProblems] = useState<Problem[]>([]);
  const { done, error, attempt } = useDone();
  const form = useRef<HTMLFormElement>(null);
  const load = async () => setAll((await server.exceptions()).exceptions);
  useEffect(() => {
    void load().catch(() => undefined);
    void server.content().then((content) => setNames(content.detections.map((one) => one.name)), () => undefined);
    if (asked.detection || asked.host) form.current?.querySelector<HTMLElement>("#exception-reason")?.focus();
  }, []);
  const may = mayDecide(me);
  const wrong = (place: string) =>
    problems
      .filter((one) => one.column === place)
      .map((one) => one.message)
      .join("; ");
  const save = () =>
    attempt(async () => {
      setProblems([]);
      const decided = { version: draft.version, detection: draft.detection, fields: fieldsOf(draft.fields), reason: draft.reason, until: draft.until };
      try {
        await (draft.id === null ? server.addException(decided) : server.changeException(draft.id, decided));
      } catch (failed) {
        if (failed instanceof Refused) setProblems(failed.problems);
        throw failed;
      }
      const made = draft.id === null;
      setDraft({ ...FRESH, until: day(DAYS) });
      if (asked.detection || asked.host) replace("environment", { part: "exceptions", detection: null, host: null });
      await load();
      return made ? "The exception is made. What it hides stays in the case, counted, under Silenced." : "The exception is changed.";
    });
  const state = (one: Exception) => (one.ended ? <span class="badge">ended</span> : "in force");
  return (
    <>
      <p class="quiet">
        An exception hides findings that are expected, until its end. They stay in the case under <a href="#/silenced">Silenced</a>, and are counted. When it has ended, they are seen again.
      </p>
      <Outcome done={done} error={error} />
      <div class="rows-scroll" tabIndex={0} role="region" aria-label="Exceptions">
        <table class="grid-table">
          <thead>
            <tr>
              <th scope="col">Detection</th>
              <th scope="col">Only where</th>
              <th scope="col">Reason</th>
              <th scope="col">Until (UTC)</th>
              <th scope="col">By</th>
              <th scope="col" class="numeric">
                Hidden in the last hunt
              </th>
              <th scope="col">State</th>
              {may && <th scope="col">Exception</th>}
            </tr>
          </thead>
          <tbody>
            {(all ?? []).map((one) => (
              <tr key={one.id}>
                <td class="cell-text">{one.detection ? cut(one.detection, 120) : <span class="quiet">any</span>}</td>
                <td class="cell-text mono">
                  {Object.entries(one.fields).map(([name, patterns]) => (
                    <div key={name}>{cut(`${name}=${patterns.join("|")}`, 200)}</div>
                  ))}
                </td>
                <td class="cell-text">{cut(one.reason, 300)}</td>
                <td class="mono nowrap">{one.until}</td>
                <td>{cut(one.by, 64)}</td>
                <td class="numeric">{one.hidden === null ? "–" : number(one.hidden)}</td>
                <td>{state(one)}</td>
                {may && (
                  <td>
                    <div class="acts">
                      <button
                        type="button"
                        class="small"
                        aria-label={`Change the exception ${one.reason}`}
                        onClick={() => {
                          setDraft({ id: one.id, version: one.version, detection: one.detection, fields: linesOf(one.fields), reason: one.reason, until: one.until });
                          setProblems([]);
                          form.current?.querySelector("input")?.focus();
                        }}
                      >
                        Change
                      </button>
                      <Removal
                        what={`the exception ${cut(one.reason, 60)}`}
                        words="Remove"
                        remove={() =>
                          void attempt(async () => {
                            await server.removeException(one.id);
                            await load();
                            return "It is removed; what it hid is seen again.";
                          })
                        }
                      />
                    </div>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {all?.length === 0 && <p class="empty">There are no exceptions.</p>}
      {may && (
        <form
          ref={form}
          class="times exception"
          aria-label={draft.id === null ? "New exception" : "Change the exception"}
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <h2>{draft.id === null ? "New exception" : "Change the exception"}</h2>
          <label for="exception-detection">Detection: its name or id, * for any text; empty for all</label>
          <input id="exception-detection" type="text" list="detections" autocomplete="off" value={draft.detection} aria-invalid={wrong("detection") !== ""} aria-describedby="exception-detection-wrong" onInput={(event) => setDraft({ ...draft, detection: event.currentTarget.value })} />
          <datalist id="detections">
            {names.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
          <Wrong id="exception-detection-wrong" text={wrong("detection")} />
          <label for="exception-fields">
            Only where: a field and its values in each line, such as <code>user=svc_deploy|svc_*</code>
          </label>
          <textarea id="exception-fields" rows={3} spellcheck={false} value={draft.fields} aria-invalid={wrong("fields") !== ""} aria-describedby="exception-fields-wrong" onInput={(event) => setDraft({ ...draft, fields: event.currentTarget.value })} />
          <Wrong id="exception-fields-wrong" text={wrong("fields")} />
          <label for="exception-reason">Why these findings are expected</label>
          <input id="exception-reason" type="text" required maxLength={1000} value={draft.reason} aria-invalid={wrong("reason") !== ""} aria-describedby="exception-reason-wrong" onInput={(event) => setDraft({ ...draft, reason: event.currentTarget.value })} />
          <Wrong id="exception-reason-wrong" text={wrong("reason")} />
          <label for="exception-until">Until the end of this day (UTC), at most a year from now</label>
          {draft.until.length > 10 ? (
            // A program gave it a time of day.
            <input id="exception-until" type="text" required value={draft.until} aria-invalid={wrong("until") !== ""} aria-describedby="exception-until-wrong" onInput={(event) => setDraft({ ...draft, until: event.currentTarget.value })} />
          ) : (
            <input id="exception-until" type="date" required value={draft.until} aria-invalid={wrong("until") !== ""} aria-describedby="exception-until-wrong" onInput={(event) => setDraft({ ...draft, until: event.currentTarget.value })} />
          )}
          <Wrong id="exception-until-wrong" text={wrong("until")} />
          <div class="acts">
            <button type="submit" class="main">
              {draft.id === null ? "Make exception" : "Change exception"}
            </button>
            {draft.id !== null && (
              <button type="button" onClick={() => setDraft({ ...FRESH, until: day(DAYS) })}>
                Leave it
              </button>
            )}
          </div>
        </form>
      )}
    </>
  );
}

function Wrong({ id, text }: { id: string; text: string }) {
  return (
    <p id={id} class="error small-text" hidden={text === ""}>
      {text}
    </p>
  );
}
