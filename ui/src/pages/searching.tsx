import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Answer, Checked, Job, KnownFields, Language, Me, Question } from "../data/api";
import { bytes, cut, duration, number } from "../data/format";
import { follow, mayDecide, messageOf, server } from "../data/server";
import { narrowed } from "../data/spl";
import { ofSeconds, rangeName } from "../data/time";
import { go, replace, to, type Route } from "../state";
import { CopyButton, LongText } from "../widgets/basics";
import { Chart, Histogram, barsOf, drawable, numeric } from "./charts";
import { Editor, Problems } from "./editor";
import { TimePicker } from "./timepicker";

/** Events that are fetched of a search for events: the newest. The histogram counts all. */
const EVENTS = 1000;
/** Rows that are fetched of other searches. */
const ROWS = 10_000;
const PAGE = 50;

interface Run {
  question: Question;
  checked: Checked;
  job: Job | null;
  answer: Answer | null;
  bars: Answer | null;
  error: string | null;
  over: boolean;
}

/** Runs a search, and beside it the histogram of its events. */
async function run(question: Question, checked: Checked, stop: AbortSignal, tell: (change: Partial<Run>) => void): Promise<void> {
  const isEvents = checked.events !== null && checked.events === question.search.trim();
  const most = isEvents ? EVENTS : ROWS;
  const start = async (asked: Question, hear: (job: Job) => void): Promise<Job> => {
    const job = await server.start(asked);
    hear(job);
    stop.addEventListener("abort", () => void server.cancel(job.id).catch(() => undefined));
    if (stop.aborted) {
      void server.cancel(job.id).catch(() => undefined);
      throw new DOMException("cancelled", "AbortError");
    }
    return follow(job.id, hear, stop);
  };
  const main = start({ ...question, rows: most }, (job) => tell({ job })).then(async (job) => {
    tell({ job });
    if (job.error !== null) throw new Error(job.error);
    tell({ answer: await server.results(job.id, most) });
  });
  const beside = checked.events === null ? null : start({ ...question, search: `${checked.events} | timechart count` }, () => undefined).then(async (job) => {
    if (job.error === null) tell({ bars: await server.results(job.id, 5000) });
  });
  // The answer matters; the histogram may fail alone, as when its user has too many searches.
  void beside?.catch(() => undefined);
  try {
    await main;
  } catch (error) {
    if (!stop.aborted) tell({ error: messageOf(error) });
  }
  tell({ over: true });
}

/** The search page. What is searched is in the URL, so that it can be linked. */
export function Searching({ route, me }: { route: Route; me: Me }) {
  const { q = "", earliest = "-24h", latest = "now" } = route.params;
  const [text, setText] = useState(q);
  const [known, setKnown] = useState<{ language: Language; fields: KnownFields } | null>(null);
  const [checked, setChecked] = useState<{ text: string; result: Checked } | null>(null);
  const [state, setState] = useState<Run | null>(null);
  const [busy, setBusy] = useState(false);
  const [cancelled, setCancelled] = useState(false);
  const stop = useRef<AbortController | null>(null);
  const may = mayDecide(me);

  useEffect(() => {
    if (!may) return;
    void Promise.all([server.language(), server.fields()]).then(
      ([language, fields]) => setKnown({ language, fields }),
      () => undefined,
    );
    return () => stop.current?.abort();
  }, []);

  // What is wrong is shown when typing pauses.
  useEffect(() => {
    if (!may || text.trim() === "") return setChecked(null);
    let live = true;
    const timer = setTimeout(() => {
      server.check(text).then(
        (result) => live && setChecked({ text, result }),
        () => undefined,
      );
    }, 500);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [text]);

  const begin = async () => {
    stop.current?.abort();
    const own = new AbortController();
    stop.current = own;
    setCancelled(false);
    setState(null);
    if (q.trim() === "") return;
    setBusy(true);
    try {
      const result = await server.check(q);
      if (own.signal.aborted) return;
      setChecked({ text: q, result });
      if (result.problems.length === 0) {
        const question: Question = { search: q, earliest, latest };
        const first: Run = { question, checked: result, job: null, answer: null, bars: null, error: null, over: false };
        setState(first);
        await run(question, result, own.signal, (change) => {
          if (!own.signal.aborted) setState((before) => ({ ...(before ?? first), ...change }));
        });
      }
    } catch (error) {
      if (!own.signal.aborted) setState({ question: { search: q }, checked: { problems: [], warnings: [], events: null, commands: [] }, job: null, answer: null, bars: null, error: messageOf(error), over: true });
    }
    if (!own.signal.aborted) setBusy(false);
  };
  // A place is a search: the same one again when somebody asks for it.
  useEffect(() => {
    setText(q);
    if (may) void begin();
  }, [q, earliest, latest, route.params["again"]]);

  const search = (next: string, from = earliest, until = latest) => {
    const same = next === q && from === earliest && until === latest;
    const again = same ? String(Number(route.params["again"] ?? "0") + 1) : null;
    go("search", { q: next, earliest: from, latest: until, again, view: null });
  };
  const cancel = () => {
    stop.current?.abort();
    setBusy(false);
    setCancelled(true);
  };
  if (!may) {
    return (
      <div class="page">
        <section class="card">
          <h1>Search</h1>
          <p class="empty">Viewers see what was found; searching needs the role analyst. An administrator can change it under Users.</p>
        </section>
      </div>
    );
  }
  const current = checked?.text === text ? checked.result : null;
  const limits = me.limits;
  return (
    <div class="page">
      <section class="card search-bar" aria-labelledby="search-title">
        <h1 id="search-title" class="visually-hidden">
          Search
        </h1>
        <form
          class="ask"
          role="search"
          onSubmit={(event) => {
            event.preventDefault();
            search(text);
          }}
        >
          <Editor text={text} change={setText} run={() => search(text)} problems={current?.problems ?? []} warnings={current?.warnings ?? []} known={known} />
          <TimePicker earliest={earliest} latest={latest} choose={(from, until) => search(text, from, until)} />
          {/* Two buttons: one that changed its type while it is clicked would send the form. */}
          {busy ? (
            <button key="cancel" type="button" class="main" onClick={cancel}>
              Cancel
            </button>
          ) : (
            <button key="search" type="submit" class="main">
              Search
            </button>
          )}
        </form>
        <Problems of={current?.problems ?? []} kind="wrong" />
        <Problems of={current?.warnings ?? []} kind="doubtful" />
        <JobBar state={state} busy={busy} cancelled={cancelled} />
        <p class="quiet small-text">
          Limits of your role ({me.role}): {number(limits.rows)} rows and {bytes(limits.bytes)} an answer, {duration(limits.seconds)} a search, {number(limits.at_once)} searches at once. Times are UTC.
        </p>
      </section>
      {state?.error && (
        <section class="card">
          <h2>The search failed</h2>
          <div role="alert">
            <pre class="raw" tabIndex={0} role="region" aria-label="What failed">
              {state.error}
            </pre>
          </div>
        </section>
      )}
      {state?.bars && state.bars.rows.length > 0 && (
        <section class="card" aria-label="Events over time">
          <Histogram bars={barsOf(state.bars)} choose={(from, until) => search(q, String(from), String(until))} />
        </section>
      )}
      {state?.answer && <Results key={`${q} ${earliest} ${latest}`} state={state} answer={state.answer} route={route} narrow={(next) => search(next)} />}
      {!state && q.trim() === "" && <Beginnings start={(next) => search(next)} />}
    </div>
  );
}

function JobBar({ state, busy, cancelled }: { state: Run | null; busy: boolean; cancelled: boolean }) {
  const job = state?.job;
  let words = "";
  if (cancelled) words = "Cancelled.";
  else if (busy && job?.state === "queued") words = `Waiting for its turn, ${duration(job.seconds)}…`;
  else if (busy) words = job ? `Running, ${duration(job.seconds)}…` : "Checking…";
  else if (state?.answer && job) {
    const total = number(state.answer.total);
    const what = state.checked.events === state.question.search.trim() ? "events" : "rows";
    words = state.answer.truncated ? `The first ${total} ${what} in ${duration(job.seconds)}; there are more.` : `${total} ${what} in ${duration(job.seconds)}.`;
  }
  return (
    <div class="jobbar">
      <p role="status">{words}</p>
      {busy && <progress aria-label="The search runs" />}
      {state && !busy && job?.earliest !== undefined && (
        <span class="linking">
          <CopyButton what="a link to this search with its times" text={linkOf(state)} /> <span class="quiet small-text">link with fixed times</span>
        </span>
      )}
    </div>
  );
}

/** A link that means the same tomorrow. */
function linkOf(state: Run): string {
  const seconds = (time: string | null | undefined) => (time ? String(Date.parse(time) / 1000) : "");
  const params = { q: state.question.search, earliest: seconds(state.job?.earliest), latest: seconds(state.job?.latest), again: null, view: null };
  return `${location.origin}/${to("search", params)}`;
}

function Beginnings({ start }: { start: (search: string) => void }) {
  const examples: [string, string][] = [
    ["index=*", "all events"],
    ["index=* | stats count by host, Channel", "what each host logs"],
    ["EventCode=4624 | timechart count by host", "logons over time"],
    ["EventCode=4625 | top limit=20 TargetUserName", "accounts whose logons fail most"],
    ["index=notable | table _time rule_name dest user", "what detections found"],
  ];
  return (
    <section class="card">
      <h2>Where to begin</h2>
      <ul class="plain beginnings">
        {examples.map(([search, about]) => (
          <li key={search}>
            <button type="button" class="mono" onClick={() => start(search)}>
              {search}
            </button>{" "}
            <span class="quiet">{about}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

type Value = string | string[] | null;
const valuesOf = (value: Value | undefined): string[] => (value === null || value === undefined ? [] : Array.isArray(value) ? value : [value]);
const shown = (name: string, value: Value | undefined): string => {
  const seconds = name === "_time" ? numeric(value) : null;
  return seconds === null ? valuesOf(value).join(", ") : ofSeconds(seconds);
};

function Results({ state, answer, route, narrow }: { state: Run; answer: Answer; route: Route; narrow: (search: string) => void }) {
  const isEvents = state.checked.events === state.question.search.trim();
  const chart = drawable(answer) !== null && !isEvents;
  const view = route.params["view"] ?? (chart && answer.columns[0] === "_time" ? "chart" : "rows");
  return (
    <section class="card" aria-labelledby="results-title">
      <div class="card-head">
        <h2 id="results-title">{isEvents ? "Events" : "Results"}</h2>
        {chart && (
          <div class="segmented" role="group" aria-label="How to show the results">
            <button type="button" aria-pressed={view === "rows"} onClick={() => replace("search", { view: "rows" })}>
              Table
            </button>
            <button type="button" aria-pressed={view === "chart"} onClick={() => replace("search", { view: "chart" })}>
              Chart
            </button>
          </div>
        )}
      </div>
      {answer.warnings.length > 0 && state.checked.warnings.length === 0 && (
        <ul class="problems is-doubtful" aria-label="Warnings">
          {answer.warnings.map((one) => (
            <li key={one}>{one}</li>
          ))}
        </ul>
      )}
      {answer.rows.length === 0 ? (
        <p class="empty">Nothing was found. Range of time: {rangeName(state.question.earliest ?? "", state.question.latest ?? "")}.</p>
      ) : view === "chart" && chart ? (
        <Chart answer={answer} />
      ) : isEvents ? (
        <div class="with-fields">
          <FieldBar answer={answer} search={state.question.search} narrow={narrow} />
          <Rows answer={answer} isEvents narrow={(field, value, only) => narrow(narrowed(state.question.search, field, value, only))} />
        </div>
      ) : (
        <Rows answer={answer} isEvents={false} narrow={null} />
      )}
    </section>
  );
}

/** Fields that say where an event is from, first. */
const FIRST = ["_time", "host", "source", "sourcetype", "Channel", "EventCode", "index"];

/** The fields of the events shown, and their most frequent values. */
function FieldBar({ answer, search, narrow }: { answer: Answer; search: string; narrow: (search: string) => void }) {
  const fields = useMemo(() => {
    return answer.columns.flatMap((name, column) => {
      if (name === "_time") return [];
      const counts = new Map<string, number>();
      let has = 0;
      for (const row of answer.rows) {
        const values = valuesOf(row[column]);
        if (values.length > 0) has++;
        for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      if (has === 0) return [];
      const top = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 10);
      return [{ name, has, distinct: counts.size, top }];
    });
  }, [answer]);
  const [filter, setFilter] = useState("");
  const total = answer.rows.length;
  const order = [...fields].sort((a, b) => {
    const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
    return rank(a.name) - rank(b.name) || b.has - a.has || a.name.localeCompare(b.name);
  });
  return (
    <aside class="fieldbar" aria-label="Fields">
      <input type="search" aria-label="Name of a field" placeholder={`${number(fields.length)} fields`} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
      <p class="quiet small-text">of the {number(total)} events shown</p>
      {order
        .filter((one) => one.name.toLowerCase().includes(filter.toLowerCase()))
        .map((one) => (
          <details key={one.name}>
            <summary>
              <span class="mono">{one.name}</span> <span class="quiet">{number(one.distinct)}</span>
              {one.has < total && <span class="quiet"> · {Math.max(1, Math.round((100 * one.has) / total))} %</span>}
            </summary>
            <ul class="plain">
              {one.top.map(([value, count]) => (
                <li key={value}>
                  <button type="button" class="value" title={`Only ${one.name} ${cut(value, 300)}`} onClick={() => narrow(narrowed(search, one.name, value, true))}>
                    <span class="value-bar" style={{ width: `${(100 * count) / total}%` }} />
                    <span class="value-text">
                      <span class="visually-hidden">only </span>
                      {cut(value, 60) || "(empty)"}
                    </span>
                    <span class="value-count">{number(count)}</span>
                  </button>
                </li>
              ))}
            </ul>
            <button type="button" class="small" onClick={() => narrow(`${search.trim()} | top limit=20 ${/^\w+$/.test(one.name) ? one.name : `"${one.name}"`}`)}>
              Top values of all events
            </button>
          </details>
        ))}
    </aside>
  );
}

/** The rows, a page at a time; one unfolds into all its fields. */
function Rows({ answer, isEvents, narrow }: { answer: Answer; isEvents: boolean; narrow: ((field: string, value: string, only: boolean) => void) | null }) {
  const [page, setPage] = useState(0);
  const [open, setOpen] = useState<number | null>(null);
  const pages = Math.max(1, Math.ceil(answer.rows.length / PAGE));
  const from = page * PAGE;
  const rows = answer.rows.slice(from, from + PAGE);
  const turn = (next: number) => {
    setPage(Math.max(0, Math.min(pages - 1, next)));
    setOpen(null);
  };
  const time = answer.columns.indexOf("_time");
  const summary = (row: Value[]) =>
    answer.columns
      .flatMap((name, column) => (FIRST.includes(name) && name !== "host" && name !== "Channel" && name !== "EventCode" ? [] : valuesOf(row[column]).map((value) => ({ name, value }))))
      .slice(0, 18);
  const detail = (row: Value[]) => (
    <table class="fields">
      <tbody>
        {answer.columns.map((name, column) => {
          const values = valuesOf(row[column]);
          if (values.length === 0) return null;
          return (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                {values.map((value, at) => (
                  <div key={at} class="field-value">
                    <span class="mono">
                      <LongText text={name === "_time" ? `${ofSeconds(Number(value))} UTC (${value})` : value} />
                    </span>
                    {narrow && name !== "_time" && value.length < 500 && (
                      <span class="field-acts">
                        <button type="button" class="small" aria-label={`Only events whose ${name} is ${cut(value, 60)}`} onClick={() => narrow(name, value, true)}>
                          only
                        </button>
                        <button type="button" class="small" aria-label={`Only events whose ${name} is not ${cut(value, 60)}`} onClick={() => narrow(name, value, false)}>
                          not
                        </button>
                      </span>
                    )}
                  </div>
                ))}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
  const columns = isEvents ? [] : answer.columns;
  return (
    <div class="rows">
      <div class="rows-scroll" tabIndex={0} role="region" aria-label={isEvents ? "Events" : "Rows"}>
        <table class="grid-table">
          <thead>
            <tr>
              <th scope="col">
                <span class="visually-hidden">Unfold</span>
              </th>
              {isEvents ? (
                <>
                  <th scope="col">Time (UTC)</th>
                  <th scope="col">Event</th>
                </>
              ) : (
                columns.map((name) => (
                  <th key={name} scope="col" class={answer.rows.every((row) => numeric(row[answer.columns.indexOf(name)]) !== null) && name !== "_time" ? "numeric" : ""}>
                    {cut(name, 80)}
                  </th>
                ))
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, at) => {
              const place = from + at;
              const isOpen = open === place;
              return [
                <tr key={place} class={isOpen ? "is-open" : ""}>
                  <td>
                    <button type="button" class="twist" aria-expanded={isOpen} aria-label={`${isOpen ? "Fold" : "Unfold"} row ${place + 1}`} onClick={() => setOpen(isOpen ? null : place)}>
                      <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span>
                    </button>
                  </td>
                  {isEvents ? (
                    <>
                      <td class="mono nowrap">{shown("_time", row[time])}</td>
                      <td class="event-text">
                        <div>
                          {summary(row).map(({ name, value }, part) => (
                            <span key={part}>
                              <span class="quiet">{name}=</span>
                              {cut(value, 120)}{" "}
                            </span>
                          ))}
                        </div>
                      </td>
                    </>
                  ) : (
                    columns.map((name, column) => (
                      <td key={name} class={numeric(row[column]) !== null && name !== "_time" ? "numeric mono" : "cell-text"}>
                        {cut(shown(name, row[column]), 300)}
                      </td>
                    ))
                  )}
                </tr>,
                isOpen && (
                  <tr key={`${place} open`}>
                    <td colSpan={isEvents ? 3 : columns.length + 1}>{detail(row)}</td>
                  </tr>
                ),
              ];
            })}
          </tbody>
        </table>
      </div>
      {pages > 1 && (
        <nav class="pager" aria-label="Pages of rows">
          <button type="button" disabled={page === 0} onClick={() => turn(page - 1)}>
            Previous
          </button>
          <span>
            {number(from + 1)}–{number(from + rows.length)} of {number(answer.rows.length)}
          </span>
          <button type="button" disabled={page >= pages - 1} onClick={() => turn(page + 1)}>
            Next
          </button>
        </nav>
      )}
    </div>
  );
}
