import { count, cut, eventName, number, when, witnessName } from "../data/format";
import type { FindingIndex, Model } from "../data/model";
import { WITNESS_KINDS, type Hop } from "../data/types";
import { ModelContext } from "../widgets/basics";
import { PathMap } from "./pathmap";

const MOST_PATHS = 10;
const MOST_HOPS = 40;
/** Maximum hops whose evidence is written out; further paths only list their hops. */
const MOST_DETAILED = 120;
const MOST_FINDINGS = 200;
/** Maximum hops side by side on a readable map. */
const HOPS_IN_A_ROW = 7;

const accountsOf = (model: Model, hop: Hop): string =>
  [hop.actor, hop.used, hop.effective]
    .filter((id, place, ids) => id !== null && id !== ids[place - 1])
    .map((id) => model.accountName(id))
    .join(" ⇒ ") || "unknown";

/** The report on paper: what happened, each path with its map and the evidence of each hop, findings, what could not be seen. */
export function PrintView({ model, findings }: { model: Model; findings: FindingIndex | null }) {
  const { core } = model;
  const notable = (findings?.all ?? []).filter((one) => one.notable);
  const paths = core.paths.slice(0, MOST_PATHS);
  let room = MOST_DETAILED;
  return (
    <ModelContext.Provider value={model}>
      <div class="paper">
        <header>
          <h1>Lateral movement: report</h1>
          <p>
            Made {when(core.created)} UTC by {core.tool.name} {core.tool.version} from {count(core.stats.events, "event")} in {count(core.stats.sources, "file")},{" "}
            {when(core.stats.first)} to {when(core.stats.last)} UTC. All times are UTC.
          </p>
        </header>
        <h2>What happened</h2>
        {core.summary.map((sentence, at) => (
          <p key={at}>{sentence}</p>
        ))}
        {paths.map((path, at) => {
          const all = model.hopsOf(path);
          const hops = all.slice(0, MOST_HOPS);
          const detailed = hops.length <= room;
          if (detailed) room -= hops.length;
          return (
            <section key={path.id} class="paper-path">
              <h2>
                Path {at + 1}: {path.way}
              </h2>
              <p>
                Score {path.score.toFixed(1)}: {path.why.join("; ")}.
              </p>
              {detailed &&
                Array.from({ length: Math.ceil(hops.length / HOPS_IN_A_ROW) }, (_, row) => hops.slice(row * HOPS_IN_A_ROW, (row + 1) * HOPS_IN_A_ROW)).map((part, row, rows) => (
                  <PathMap key={row} hops={part} links={path.links} selected={null} printWidth={Math.max(700, 240 + part.length * 98)} legend={row + 1 === rows.length} />
                ))}
              {!detailed && <p class="quiet">The evidence of these hops is omitted on paper; see the report on screen.</p>}
              {!detailed && (
                <table>
                  <tbody>
                    {hops.map((hop) => (
                      <tr key={hop.id}>
                        <td class="mono">{when(hop.first)}</td>
                        <td>
                          {model.hostName(hop.src)} → {model.hostName(hop.dst)}
                          {hop.attempted && " (refused)"}
                        </td>
                        <td>{hop.techniques[0] ? `${hop.techniques[0]} ${model.technique(hop.techniques[0])}` : "no technique known"}</td>
                        <td>{accountsOf(model, hop)}</td>
                        <td>{hop.confidence.toFixed(2)}</td>
                        <td>{count(WITNESS_KINDS.filter((kind) => hop.witnesses.some((one) => one.kind === kind)).length, "witness", "witnesses")}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )}
              <ol class="paper-hops">
                {(detailed ? hops : []).map((hop) => (
                  <li key={hop.id}>
                    <h3>
                      {when(hop.first)} {model.hostName(hop.src)} → {model.hostName(hop.dst)}
                      {hop.attempted && " (tried and refused)"}
                    </h3>
                    <p>
                      {hop.techniques.map((id) => `${id} ${model.technique(id)}`.trim()).join(", ") || "no technique known"}. Accounts:{" "}
                      {accountsOf(model, hop)}. Confidence {hop.confidence.toFixed(2)}.
                    </p>
                    <table>
                      <tbody>
                        {WITNESS_KINDS.map((kind) => {
                          const seen = hop.witnesses.filter((one) => one.kind === kind);
                          return (
                            <tr key={kind}>
                              <th scope="row">{witnessName[kind]}</th>
                              <td>
                                {seen.length === 0
                                  ? `not seen: ${hop.missing.find((one) => one.kind === kind)?.why ?? "reason unknown"}`
                                  : seen.map((one, place) => {
                                      const event = model.event(one.events[0] ?? -1);
                                      return (
                                        <div key={place}>
                                          {one.what}
                                          {event && (
                                            <span class="quiet">
                                              {" "}
                                              ({[eventName(event), event.host].filter(Boolean).join(", ")}, record {event.record}
                                              {one.events.length > 1 ? ` and ${one.events.length - 1} more` : ""})
                                            </span>
                                          )}
                                        </div>
                                      );
                                    })}
                              </td>
                            </tr>
                          );
                        })}
                        {hop.processes.length > 0 && (
                          <tr>
                            <th scope="row">What ran</th>
                            <td>
                              {hop.processes.slice(0, 12).map((one, place) => (
                                <div key={place} class="mono">
                                  {cut(one.command_line || one.image, 300)}
                                </div>
                              ))}
                              {hop.processes.length > 12 && `and ${count(hop.processes.length - 12, "more program")}`}
                            </td>
                          </tr>
                        )}
                      </tbody>
                    </table>
                  </li>
                ))}
              </ol>
              {all.length > hops.length && <p>And {count(all.length - hops.length, "more hop")}.</p>}
            </section>
          );
        })}
        {core.paths.length > paths.length && <p>And {count(core.paths.length - paths.length, "more path")} with lower scores.</p>}
        <h2>Findings to look at ({number(notable.length)})</h2>
        {findings === null && <p>Findings were not loaded when this was printed: open the findings page once, then print again.</p>}
        <table class="paper-findings">
          <thead>
            <tr>
              <th scope="col">Time (UTC)</th>
              <th scope="col">Severity</th>
              <th scope="col">Host</th>
              <th scope="col">Finding</th>
              <th scope="col">ATT&amp;CK</th>
            </tr>
          </thead>
          <tbody>
            {notable.slice(0, MOST_FINDINGS).map((one) => (
              <tr key={one.id}>
                <td class="mono">{when(one.first)}</td>
                <td>{one.severity}</td>
                <td>{one.hosts.map((id) => model.hostName(id)).join(", ")}</td>
                <td>
                  <strong>{one.detection}</strong>: {one.message.slice(0, 600)}
                </td>
                <td>{one.techniques.join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {notable.length > MOST_FINDINGS && <p>And {count(notable.length - MOST_FINDINGS, "more finding")}.</p>}
        {core.gaps.length > 0 && (
          <>
            <h2>What could not be seen</h2>
            <ul>
              {core.gaps.slice(0, 60).map((gap, at) => (
                <li key={at}>{gap.message}</li>
              ))}
            </ul>
            {core.gaps.length > 60 && <p>And {count(core.gaps.length - 60, "more")}.</p>}
          </>
        )}
      </div>
    </ModelContext.Provider>
  );
}
