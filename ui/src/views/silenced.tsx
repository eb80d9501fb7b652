import { count } from "../data/format";
import type { Finding } from "../data/types";
import type { FindingIndex, Model } from "../data/model";
import { useLoaded } from "../state";
import { Await, Empty, useModel } from "../widgets/basics";
import { FindingLine } from "./drawer";

interface Group {
  title: string;
  facts: string[];
  findings: Finding[];
}

/** What was silenced, by the line that did it; from the findings' own marks if the case has no list of exceptions. */
export function silencedGroups(model: Model, index: FindingIndex): Group[] {
  const groups: Group[] = model.core.silenced.map((one) => ({
    title: one.exception,
    facts: [one.why ?? "", one.who ? `decided by ${one.who}` : "", one.until ? `until ${one.until}` : ""].filter(Boolean),
    findings: one.findings.flatMap((id) => index.byId.get(id) ?? []),
  }));
  const told = new Set(model.core.silenced.flatMap((one) => one.findings));
  const rest = new Map<string, Group>();
  for (const finding of index.all) {
    const why = finding.suppressed;
    if (!why || told.has(finding.id)) continue;
    const key = [why.by, why.reason, why.until].join("\n");
    const known = rest.get(key) ?? {
      title: why.reason || why.by,
      facts: [`by ${why.by}`, why.until ? `until ${why.until}` : ""].filter(Boolean),
      findings: [],
    };
    known.findings.push(finding);
    rest.set(key, known);
  }
  return [...groups, ...rest.values()];
}

export function SilencedView() {
  const model = useModel();
  const findings = useLoaded(() => model.findings(), [model]);
  return (
    <div class="page">
      <section class="card" aria-labelledby="silenced-title">
        <h1 id="silenced-title">What was silenced, and why</h1>
        <Await of={findings}>
          {(index) => {
            const groups = silencedGroups(model, index);
            if (groups.length === 0) return <Empty>Nothing: every finding is shown.</Empty>;
            return groups.map((group, at) => (
              <section key={at} class="silenced">
                <h2 class="wrap">{group.title}</h2>
                <p>
                  {count(group.findings.length, "finding")}
                  {group.facts.length > 0 && `: ${group.facts.join("; ")}`}
                </p>
                <ul class="plain">
                  {group.findings.slice(0, 100).map((one) => (
                    <FindingLine key={one.id} finding={one} />
                  ))}
                  {group.findings.length > 100 && <li class="quiet">and {count(group.findings.length - 100, "more finding")}</li>}
                </ul>
              </section>
            ));
          }}
        </Await>
      </section>
    </div>
  );
}
