import { count, number } from "../data/format";
import type { Model } from "../data/model";
import { to, useLoaded } from "../state";
import { Await, Empty, useModel } from "../widgets/basics";

export const TACTICS: [string, string][] = [
  ["reconnaissance", "Reconnaissance"],
  ["resource-development", "Resource Development"],
  ["initial-access", "Initial Access"],
  ["execution", "Execution"],
  ["persistence", "Persistence"],
  ["privilege-escalation", "Privilege Escalation"],
  ["defense-evasion", "Defense Evasion"],
  ["credential-access", "Credential Access"],
  ["discovery", "Discovery"],
  ["lateral-movement", "Lateral Movement"],
  ["collection", "Collection"],
  ["command-and-control", "Command and Control"],
  ["exfiltration", "Exfiltration"],
  ["impact", "Impact"],
];

export interface Seen {
  id: string;
  findings: number;
  hops: number;
}

/** Techniques in hops and findings, by tactic; those without a known tactic are under the empty one. */
export function matrix(model: Model, findings: { techniques: string[]; suppressed: unknown }[]): Map<string, Seen[]> {
  const seen = new Map<string, Seen>();
  const of = (id: string) => {
    const known = seen.get(id);
    if (known) return known;
    const fresh = { id, findings: 0, hops: 0 };
    seen.set(id, fresh);
    return fresh;
  };
  for (const finding of findings) if (finding.suppressed === null) for (const id of new Set(finding.techniques)) of(id).findings += 1;
  for (const hop of model.core.hops) for (const id of new Set(hop.techniques)) of(id).hops += 1;
  const byTactic = new Map<string, Seen[]>();
  for (const one of [...seen.values()].sort((a, b) => b.hops - a.hops || b.findings - a.findings || a.id.localeCompare(b.id))) {
    const tactics = model.core.attack[one.id]?.tactics ?? [];
    for (const tactic of tactics.length ? tactics : [""]) byTactic.set(tactic, [...(byTactic.get(tactic) ?? []), one]);
  }
  return byTactic;
}

export function Attack() {
  const model = useModel();
  const findings = useLoaded(() => model.findings(), [model]);
  return (
    <div class="page">
      <section class="card" aria-labelledby="attack-title">
        <h1 id="attack-title">ATT&amp;CK techniques observed</h1>
        <Await of={findings}>
          {(index) => {
            const found = matrix(model, index.all);
            if (found.size === 0) return <Empty>No finding and no hop names a technique.</Empty>;
            const columns = [...TACTICS, ["", "No tactic known"] as [string, string]].filter(([id]) => found.has(id));
            return (
              <ul class="matrix" aria-label="Techniques by tactic">
                {columns.map(([id, name]) => (
                  <li key={id} class={id === "lateral-movement" ? "tactic is-main" : "tactic"}>
                    <h2>{name}</h2>
                    <ul>
                      {(found.get(id) ?? []).map((one) => (
                        <li key={one.id}>
                          <a
                            class={`technique${one.hops ? " in-hop" : ""}`}
                            href={one.findings ? to("findings", { technique: one.id }) : to("overview", { path: "all" })}
                          >
                            <span class="mono">{one.id}</span>
                            <strong>{model.technique(one.id) || "unknown technique"}</strong>
                            <span class="counts">
                              {[one.hops ? count(one.hops, "hop") : "", one.findings ? count(one.findings, "finding") : ""].filter(Boolean).join(", ")}
                            </span>
                          </a>
                        </li>
                      ))}
                    </ul>
                  </li>
                ))}
              </ul>
            );
          }}
        </Await>
        <p class="quiet">
          Coloured: a hop used it ({number(new Set(model.core.hops.flatMap((hop) => hop.techniques)).size)} techniques). MITRE ATT&amp;CK and ATT&amp;CK are registered
          trademarks of The MITRE Corporation.
        </p>
      </section>
    </div>
  );
}
