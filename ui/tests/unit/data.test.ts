import { describe, expect, test } from "vitest";
import { duration, indented, rendered, when, whenExactly, bytes, eventName } from "../../src/data/format";
import { layoutMap, UNKNOWN } from "../../src/data/map";
import { isoOf, micros, Model } from "../../src/data/model";
import { excerpt, searchAll, type SearchState } from "../../src/data/search";
import type { CaseSource } from "../../src/data/source";
import type { Core, Finding, Hop, Link, Process } from "../../src/data/types";
import { applyFilter, filterOf } from "../../src/views/findings";
import { matrix } from "../../src/views/attack";
import { treeRows } from "../../src/views/dossiers";
import { formatRoute, parseRoute } from "../../src/state";

const hop = (id: string, src: string | null, dst: string, first: string | null, more: Partial<Hop> = {}): Hop => ({
  id, src, dst, actor: null, actor_inferred: null, used: null, effective: null, techniques: ["T1021.002"], first, last: first, confidence: 0.9, attempted: false, usual: false, standing: "proven", happened: true, account: more.used ?? null, follows: null, switches: [], witnesses: [], missing: [], processes: [], findings: [], ...more,
});

const finding = (id: string, more: Partial<Finding> = {}): Finding => ({
  id, detection: `Detection ${id}`, detection_id: "d", type: "TTP", severity: "high", risk_score: 50, techniques: ["T1021.002"], story: [], everyday: null, first: null, last: null,
  message: "something happened", notable: true, suppressed: null, risk_objects: [], threat_objects: [], hosts: ["a"], events: [], event_count: 0, count: 1, ...more,
});

function core(more: Partial<Core> = {}): Core {
  return {
    schema: "crabwalk.case/1", created: "2026-01-01T00:00:00Z", tool: { name: "crabwalk", version: "0" }, sources: [], coverage: [], gaps: [],
    hosts: [
      { id: "a", name: "A", names: ["A.corp.example", "A"], ips: ["10.0.0.1"], category: [], priority: null, role: null, risk: 0 },
      { id: "10.0.0.9", name: "10.0.0.9", names: ["10.0.0.9"], ips: ["10.0.0.9"], category: [], priority: null, role: null, risk: 0 },
    ],
    accounts: [
      { id: "corp\\ann", name: "CORP\\ann", names: ["CORP.EXAMPLE\\ann", "CORP\\ann"], sid: "S-1-5-21-1", kind: "user", risk: 0 },
      { id: "localsystem", name: "LocalSystem", names: ["LocalSystem"], sid: null, kind: "system", risk: 0 },
    ],
    hops: [], paths: [], skew: [], content_problems: [],
    stats: { events: 0, bytes: 0, seconds: 0, sources: 0, sources_damaged: 0, skipped: 0, duplicates: 0, detections: 0, findings: 0, notables: 0, suppressed: 0, usual_movements_left_out: 0, findings_by_severity: {}, findings_by_detection: {}, risk: [], first: null, last: null },
    summary: [], scope: { hosts: [], isolate: [], accounts: [], blind: [], entry: null, collect: [] }, silenced: [], attack: { "T1021.002": { name: "SMB/Windows Admin Shares", tactics: ["lateral-movement"] } }, detections: {}, records: { kept: 0, left_out: 0, note: null },
    ...more,
  };
}

const source = (one: Core, findings: Finding[] = []): CaseSource => ({
  core: async () => one,
  events: async () => ({ strings: ["Security", "A"], source: [0], record: [7], time: [1_772_629_920_000_000], channel: [0], event_id: [4624], host: [1], chunk: [0] }),
  findings: async () => findings,
  fields: async () => findings.map(() => ({})),
  dossiers: async () => ({ hosts: [], accounts: [] }),
  licences: async () => "",
  recordChunks: () => [0],
  records: async () => [{ event: 0, fields: [["TargetUserName", "ann"], ["Note", ["one", "needle two"]]] }],
});

describe("times", () => {
  test.each([
    ["2026-03-04T13:12:00Z", "2026-03-04 13:12:00", 1_772_629_920_000_000],
    ["2026-03-04T13:12:00.03Z", "2026-03-04 13:12:00", 1_772_629_920_030_000],
    ["2026-03-04T13:12:00.000001Z", "2026-03-04 13:12:00", 1_772_629_920_000_001],
    ["1969-12-31T23:59:59.5Z", "1969-12-31 23:59:59", -500_000],
  ])("%s", (time, shown, number) => {
    expect(when(time)).toBe(shown);
    expect(micros(time)).toBe(number);
    expect(micros(isoOf(number))).toBe(number);
  });

  test("what has none comes last", () => {
    expect(micros(null)).toBe(Number.MAX_SAFE_INTEGER);
    expect(micros("nonsense")).toBe(Number.MAX_SAFE_INTEGER);
    expect(whenExactly(null)).toBe("no time");
  });

  test.each([[0.5, "500 ms"], [12, "12 s"], [600, "10 min"], [7200, "2 h"], [864000, "10 days"]])("%d seconds", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  test("sizes", () => {
    expect([0, 999, 1500, 2e7].map(bytes)).toEqual(["0 B", "999 B", "1.5 KB", "20 MB"]);
  });
});

describe("records as text", () => {
  const event = { index: 0, source: 0, record: 7, time: "2026-03-04T13:12:00Z", channel: "Security", eventId: 4624, host: "A" };
  test("event XML is indented, and its values stay as they are", () => {
    expect(indented("<Event xmlns='e'><System><Provider Name='P'/><EventID>1</EventID></System><EventData><Data Name='a'>  x\n y </Data><Data></Data></EventData></Event>")).toBe(
      [
        "<Event xmlns='e'>", "  <System>", "    <Provider Name='P'/>", "    <EventID>1</EventID>", "  </System>", "  <EventData>",
        "    <Data Name='a'>  x\n y </Data>", "    <Data></Data>", "  </EventData>", "</Event>",
      ].join("\n"),
    );
    for (const odd of ["", "no tags", "<Event><Data>cut", "</Data></Event>", "<Data Name='a>b'>c</Data>", "<Event><![CDATA[<a><b>]]></Event>"]) {
      expect(indented(odd).replace(/\s/g, ""), odd).toBe(odd.replace(/\s/g, ""));
    }
  });

  test("XML of Windows, escaped", () => {
    const text = rendered(event, [["Provider", "P"], ["Keywords", "0x80"], ["ExecutionProcessID", "4"], ["TargetUserName", "</Data><script>"], ["Data", ["1", "2"]]]);
    expect(text).toContain(`<Provider Name="P"/>`);
    expect(text).toContain(`<Execution ProcessID="4"/>`);
    expect(text).toContain(`<Data Name="TargetUserName">&lt;/Data&gt;&lt;script&gt;</Data>`);
    expect(text.match(/<Data Name="Data">/g)).toHaveLength(2);
    expect(text).toContain("<EventRecordID>7</EventRecordID>");
  });
  test("pairs of others", () => {
    expect(rendered({ ...event, channel: "zeek:conn", eventId: 0 }, [["uid", "C\"1"]])).toBe(`uid="C\\"1"`);
  });
  test("names of events", () => {
    expect(eventName(event)).toBe("Security 4624: logon");
    expect(eventName({ ...event, channel: "Microsoft-Windows-Sysmon/Operational", eventId: 1 })).toBe("Sysmon 1: process created");
    expect(eventName({ ...event, channel: "zeek:conn", eventId: 0 })).toBe("zeek:conn");
  });
});

describe("the map", () => {
  const hops = [
    hop("1", null, "a", "2026-03-01T00:00:00Z"),
    hop("2", "a", "b", "2026-03-01T00:00:01Z"),
    hop("3", "b", "c", "2026-03-09T00:00:00Z"),
    hop("4", "a", "c", "2026-03-09T00:00:00Z", { attempted: true }),
  ];
  const links: Link[] = [{ from: "1", to: "2", kind: "session-causal", certainty: 0.9 }, { from: "x", to: "2", kind: "time-possible", certainty: 0.5 }];

  test("gives each host a lane in the order of being met", () => {
    const map = layoutMap(hops, links, "steps", 800);
    expect(map.lanes).toEqual([UNKNOWN, "a", "b", "c"]);
    expect(map.hops.map((one) => [one.from, one.to])).toEqual([[0, 1], [1, 2], [2, 3], [1, 3]]);
    expect(map.links).toHaveLength(1);
    expect(map.links[0]?.lane).toBe(1);
    // What was only tried reaches nothing.
    expect([...map.reached.keys()]).toEqual([1, 2, 3]);
    expect(map.reached.get(3)).toBe(map.hops[2]?.x);
  });

  test("even steps leave room for each hop, however near or far in time", () => {
    const map = layoutMap(hops, [], "steps", 100);
    const steps = map.hops.slice(1).map((one, at) => one.x - (map.hops[at]?.x ?? 0));
    for (const step of steps) expect(step).toBeCloseTo(map.step);
    expect(map.step).toBeGreaterThan(60);
    expect(map.hops[2]?.since).toBeCloseTo(8 * 86400 - 1);
  });

  test("to scale, time is place", () => {
    const map = layoutMap(hops, [], "time", 1000);
    const [first, second, third] = map.hops.map((one) => one.x);
    expect((second ?? 0) - (first ?? 0)).toBeLessThan(1);
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThan(700);
  });

  test("nothing and what has no time are not trouble", () => {
    expect(layoutMap([], [], "time", 500).hops).toEqual([]);
    expect(layoutMap([hop("1", "a", "b", null)], [], "time", 500).hops).toHaveLength(1);
  });
});

describe("a case", () => {
  test("names hosts and accounts as people do", () => {
    const model = new Model(core(), source(core()));
    expect(model.hostName("a")).toBe("A");
    expect(model.hostName("10.0.0.9")).toBe("10.0.0.9");
    expect(model.hostName(null)).toBe("unknown source");
    expect(model.hostName("never heard of")).toBe("never heard of");
    expect(model.accountName("corp\\ann")).toBe("CORP\\ann");
    expect(model.accountShort("corp\\ann")).toBe("ann");
    for (const name of ["a", "A", "A.CORP.EXAMPLE", "10.0.0.1"]) expect(model.findHost(name)).toBe("a");
    expect(model.findAccount("s-1-5-21-1")).toBe("corp\\ann");
  });

  test("techniques stand under their tactics, hops first", () => {
    const model = new Model(core({ hops: [hop("1", "a", "b", null)] }), source(core()));
    const found = matrix(model, [finding("1", { techniques: ["T1021.002", "T9999"] }), finding("2", { suppressed: { by: "x", reason: "y", until: null, exception: null } })]);
    expect(found.get("lateral-movement")).toEqual([{ id: "T1021.002", hops: 1, findings: 1 }]);
    expect(found.get("")).toEqual([{ id: "T9999", hops: 0, findings: 1 }]);
  });

  test("is searched to its raw records, and the search can be stopped", async () => {
    const one = core({ hops: [hop("1", "a", "10.0.0.9", "2026-03-04T00:00:00Z")] });
    const model = await Model.load(source(one, [finding("1", { message: "Needle in a message" })]));
    let last: SearchState | null = null;
    await searchAll(model, "needle", (state) => (last = state), new AbortController().signal);
    const groups = (last as SearchState | null)?.hits.map((hit) => hit.group);
    expect(groups).toEqual(["Findings", "Raw records"]);
    await searchAll(model, "10.0.0.9", (state) => (last = state), new AbortController().signal);
    expect((last as SearchState | null)?.hits.map((hit) => hit.group)).toEqual(["Hosts", "Hops"]);
    const stopped = new AbortController();
    stopped.abort();
    last = null;
    await searchAll(model, "needle", (state) => (last = state), stopped.signal);
    expect(last).toBeNull();
  });

  test("excerpts show the place", () => {
    expect(excerpt(`${"x".repeat(200)}word${"y".repeat(200)}`, "word", 3)).toBe("…xxxwordyyy…");
    expect(excerpt("word", "word")).toBe("word");
  });
});

describe("findings", () => {
  const model = new Model(core(), source(core()));
  const all = [
    finding("1", { message: "alpha beta" }),
    finding("2", { severity: "low", type: "Hunting", notable: false, techniques: ["T1021"], message: "beta" }),
    finding("3", { suppressed: { by: "x", reason: "y", until: null, exception: null }, message: "alpha" }),
    finding("4", { hosts: ["b"], techniques: ["T10211"], message: "gamma" }),
  ];
  test.each([
    [{}, ["1", "2", "4"]],
    [{ silenced: "yes" }, ["1", "2", "3", "4"]],
    [{ q: "BETA alpha" }, ["1"]],
    [{ severity: "low,critical" }, ["2"]],
    [{ type: "TTP" }, ["1", "4"]],
    [{ technique: "T1021" }, ["1", "2"]],
    [{ technique: "T1021.002" }, ["1"]],
    [{ host: "b" }, ["4"]],
    [{ notable: "yes", q: "beta" }, ["1"]],
    [{ q: "nothing" }, []],
  ])("%j", (params, ids) => {
    expect(applyFilter(all, filterOf(params as Record<string, string>), model).map((one) => one.id)).toEqual(ids);
  });
});

describe("the process tree", () => {
  const process = (id: number, parent: number | null, time: string): Process => ({
    id, parent, time, session: null, ended: null, image: "C:\\x.exe", command_line: null, account: null, pid: 0, original_name: null, hashes: {}, signature: null, seen: "common", marks: [], reasons: [], hop: null, events: [],
  });
  const all = [process(3, 1, "2026-01-01T00:00:03Z"), process(1, null, "2026-01-01T00:00:01Z"), process(2, 1, "2026-01-01T00:00:02Z"), process(4, 2, "2026-01-01T00:00:04Z")];
  const ids = (rows: ReturnType<typeof treeRows>) => rows.map((row) => [row.process.id, row.depth]);

  test("has parents before children, by time", () => {
    expect(ids(treeRows(all, new Set()))).toEqual([[1, 0], [2, 1], [4, 2], [3, 1]]);
    expect(ids(treeRows(all, new Set([2])))).toEqual([[1, 0], [2, 1], [3, 1]]);
    expect(ids(treeRows(all, new Set([1])))).toEqual([[1, 0]]);
  });

  test("shows every process once, even where parents go in a ring or are not there", () => {
    const ring = [process(1, 2, "2026-01-01T00:00:01Z"), process(2, 1, "2026-01-01T00:00:02Z"), process(3, 3, "2026-01-01T00:00:03Z"), process(4, 99, "2026-01-01T00:00:04Z")];
    expect(treeRows(ring, new Set()).map((row) => row.process.id).sort()).toEqual([1, 2, 3, 4]);
  });
});

describe("places", () => {
  test.each([
    ["", "overview", {}],
    ["#/findings?q=a%20b", "findings", { q: "a b" }],
    ["#/nonsense?x=1", "overview", { x: "1" }],
    ["#/hosts?id=corp%5Cx", "hosts", { id: "corp\\x" }],
  ])("%s", (hash, view, params) => {
    const route = parseRoute(hash);
    expect(route).toEqual({ view, params });
    expect(parseRoute(formatRoute(route))).toEqual(route);
  });
});
