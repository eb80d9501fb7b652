import { useMemo } from "preact/hooks";
import { clock, count, day, duration, number, when } from "../data/format";
import { micros, type Model } from "../data/model";
import { WITNESS_KINDS, type Hop, type Path } from "../data/types";
import { go, to, type Route } from "../state";
import { AccountLink, Confidence, Empty, HostLink, TechniqueTag, useModel } from "../widgets/basics";
import { VirtualTable, type Column } from "../widgets/table";
import { HostGraph } from "./hostgraph";
import { PathMap, WitnessCells } from "./pathmap";

/** Maximum hops on a map: more would be a wall of arrows. The table has all. */
export const MOST_HOPS = 400;
/** Maximum characters of sentences above the map, which should be visible too. */
const MOST_TEXT = 430;

/** How many sentences to show at once. */
export function shownSentences(sentences: readonly string[]): number {
  let characters = 0;
  const fit = sentences.findIndex((sentence) => (characters += sentence.length) > MOST_TEXT);
  return fit < 0 ? sentences.length : Math.max(1, fit);
}

/** Number of reasons for a path's rank to show at once. */
const MOST_TERMS = 3;

export function chosenPath(model: Model, route: Route): Path | null {
  const wanted = route.params["path"];
  if (wanted === "all") return null;
  return model.core.paths.find((one) => one.id === wanted) ?? model.core.paths[0] ?? null;
}

export function Overview({ route }: { route: Route }) {
  const model = useModel();
  const path = chosenPath(model, route);
  const all = useMemo(() => model.hopsOf(path), [model, path]);
  const hops = all.slice(0, MOST_HOPS);
  const selected = route.params["hop"] ?? null;
  const links = path?.links ?? model.core.paths.flatMap((one) => one.links);
  if (model.core.hops.length === 0) {
    return (
      <div class="page">
        <SummaryCard hops={[]} />
        <Empty>
          No event shows movement between hosts. What could not be seen, and which log would show it, is under{" "}
          <a href={to("coverage")}>Coverage</a>; {count(model.core.stats.findings, "finding")} under <a href={to("findings")}>Findings</a>.
        </Empty>
      </div>
    );
  }
  return (
    <div class="page">
      <SummaryCard hops={model.hopsOf(model.core.paths[0] ?? null)} />
      <section class="card map-card" aria-labelledby="map-title">
        <div class="card-head">
          <h2 id="map-title">Path map</h2>
          <label>
            <span class="visually-hidden">Path</span>
            <select value={path?.id ?? "all"} onChange={(event) => go("overview", { path: event.currentTarget.value, hop: null, finding: null, event: null })}>
              {model.core.paths.slice(0, 500).map((one, at) => (
                <option key={one.id} value={one.id}>
                  {`${at + 1}. ${one.told ? "told: " : ""}${one.way}, ${count(one.hops.length, "hop")}, score ${one.score.toFixed(1)}`}
                </option>
              ))}
              <option value="all">{`All movements (${number(model.core.hops.length)})`}</option>
            </select>
          </label>
          {path && path.why.length > 0 && <p class="why">{path.why.join(" · ")}</p>}
          {path && path.rank.length > 0 && (
            <ul class="why" aria-label="How often daily work does so">
              {path.rank.slice(0, MOST_TERMS).map((term) => (
                <li key={term.what}>{`${term.what} (${term.probability.toFixed(4)})`}</li>
              ))}
            </ul>
          )}
        </div>
        <div class="map-row">
          <div class="map-main">
            <PathMap hops={hops} links={links} selected={selected} />
            {all.length > hops.length && (
              <p class="note">The map shows the first {number(hops.length)} of {number(all.length)} hops; the table below has all.</p>
            )}
          </div>
          <div class="map-side">
            <h3 class="visually-hidden">Host graph</h3>
            <HostGraph hops={hops} selected={selected} />
          </div>
        </div>
      </section>
      <section class="card" aria-labelledby="hops-title">
        <h2 id="hops-title">Hops of this path</h2>
        <HopTable hops={all} selected={selected} />
      </section>
    </div>
  );
}

export function HopTable({ hops, selected, height }: { hops: Hop[]; selected: string | null; height?: string }) {
  const model = useModel();
  const columns = useMemo(
    (): Column<Hop>[] => [
      { id: "first", title: "Time (UTC)", width: "11.5rem", cell: (hop) => <span class="mono">{when(hop.first)}</span>, key: (hop) => micros(hop.first) },
      { id: "src", title: "From", width: "minmax(6.5rem,1fr)", cell: (hop) => <HostLink id={hop.src} />, key: (hop) => model.hostName(hop.src) },
      { id: "dst", title: "To", width: "minmax(6.5rem,1fr)", cell: (hop) => <HostLink id={hop.dst} />, key: (hop) => model.hostName(hop.dst) },
      {
        id: "technique",
        title: "Technique",
        width: "minmax(8rem,2fr)",
        cell: (hop) => (
          <>
            {hop.attempted && <span class="badge severity-medium">refused</span>}
            {hop.usual && (
              <span class="badge" title="Its account does the same on other days, as far as the logs show">
                daily work
              </span>
            )}{" "}
            {hop.techniques[0] ? <TechniqueTag id={hop.techniques[0]} /> : "unknown"}
          </>
        ),
        key: (hop) => hop.techniques[0] ?? "",
      },
      {
        id: "account",
        title: "Accounts",
        width: "minmax(9rem,2fr)",
        cell: (hop) =>
          [hop.actor, hop.used, hop.effective]
            .filter((id, at, all) => id !== null && id !== all[at - 1] && all.indexOf(id) === at)
            .map((id, at) => (
              <>
                {at > 0 && " ⇒ "}
                <AccountLink id={id} short />
              </>
            )),
        key: (hop) => model.accountName(hop.account),
      },
      {
        id: "witnesses",
        title: "Witnesses",
        width: "6.5rem",
        cell: (hop) => (
          <svg width="72" height="14" role="img" aria-label={`${seenKinds(hop)} of ${WITNESS_KINDS.length} kinds of witnesses`}>
            <WitnessCells hop={hop} x={0} y={1} />
          </svg>
        ),
        key: seenKinds,
        numeric: true,
      },
      { id: "confidence", title: "Confidence", width: "7rem", cell: (hop) => <Confidence value={hop.confidence} />, key: (hop) => hop.confidence, numeric: true },
      { id: "findings", title: "Findings", width: "4.5rem", cell: (hop) => number(hop.findings.length), key: (hop) => hop.findings.length, numeric: true },
    ],
    [model],
  );
  return (
    <VirtualTable
      label="Hops"
      rows={hops}
      columns={columns}
      id={(hop) => hop.id}
      open={(hop) => go(null, { hop: hop.id, finding: null, event: null })}
      selected={selected}
      height={height ?? "24rem"}
      empty="No hops."
    />
  );
}

const seenKinds = (hop: Hop): number => WITNESS_KINDS.filter((kind) => hop.witnesses.some((one) => one.kind === kind)).length;

function SummaryCard({ hops }: { hops: Hop[] }) {
  const model = useModel();
  const { core } = model;
  const entry = model.entryHost();
  const shown = shownSentences(core.summary);
  const touched = core.scope.hosts.map((one) => one.host);
  const accounts = [...new Set(hops.flatMap((hop) => [hop.actor, hop.used]).filter((id): id is string => id !== null))];
  const first = hops[0]?.first ?? core.stats.first;
  const last = hops.reduce((latest, hop) => (hop.last && micros(hop.last) > micros(latest) ? hop.last : latest), hops[0]?.last ?? core.stats.last);
  const list = (ids: string[], item: (id: string) => preact.ComponentChildren) => (
    <>
      {ids.slice(0, 3).map((id, at) => (
        <>
          {at > 0 && ", "}
          {item(id)}
        </>
      ))}
      {ids.length > 3 && ` and ${number(ids.length - 3)} more`}
    </>
  );
  return (
    <section class="summary card" aria-labelledby="summary-title">
      <div class="summary-text">
        <h1 id="summary-title">What happened</h1>
        {core.summary.slice(0, shown).map((sentence, at) => (
          <p key={at}>{sentence}</p>
        ))}
        {core.summary.length > shown && (
          <details>
            <summary>{count(core.summary.length - shown, "more sentence")}</summary>
            {core.summary.slice(shown).map((sentence, at) => (
              <p key={at}>{sentence}</p>
            ))}
          </details>
        )}
      </div>
      <dl class="tiles">
        {hops.length > 0 && (
          <>
            <div>
              <dt>Entry host</dt>
              <dd>{entry === null ? "none: no path stands out" : <HostLink id={entry} />}</dd>
            </div>
            <div>
              <dt>{touched.length === 1 ? "Host touched" : "Hosts touched"}</dt>
              <dd>{touched.length ? list(touched, (id) => <HostLink id={id} />) : "none for certain"}</dd>
            </div>
            <div>
              <dt>{accounts.length === 1 ? "Account" : "Accounts"}</dt>
              <dd>{accounts.length ? list(accounts, (id) => <AccountLink id={id} />) : "unknown"}</dd>
            </div>
            <div>
              <dt>When (UTC)</dt>
              <dd>
                {day(first)} {clock(first)}
                {first && last ? `, over ${duration((micros(last) - micros(first)) / 1e6)}` : ""}
              </dd>
            </div>
          </>
        )}
        <div>
          <dt>Findings</dt>
          <dd>
            <a href={to("findings")}>{count(core.stats.findings, "finding")}</a>
            {core.stats.notables > 0 && (
              <>
                , <a href={to("findings", { notable: "yes" })}>{number(core.stats.notables)} to look at</a>
              </>
            )}
          </dd>
        </div>
        <div>
          <dt>Read</dt>
          <dd>
            {count(core.stats.events, "event")} from {count(core.stats.sources, "file")}
            {core.stats.sources_damaged > 0 && (
              <>
                , <a href={to("coverage")}>{count(core.stats.sources_damaged, "damaged file")}</a>
              </>
            )}
          </dd>
        </div>
      </dl>
    </section>
  );
}

