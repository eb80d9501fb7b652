import { describe, expect, test } from "vitest";
import type { KnownFields, Language } from "../../src/data/api";
import { narrowed, offersAt, pieces } from "../../src/data/spl";
import { ago, localOf, rangeName, secondsOf } from "../../src/data/time";

const language: Language = {
  commands: [
    { name: "search", also: [], syntax: "search <clause>", meaning: "Keeps events.", options: [] },
    { name: "stats", also: [], syntax: "stats <aggregation>… [by <fields>]", meaning: "Groups rows.", options: [{ name: "allnum", meaning: "…" }] },
    { name: "eval", also: [], syntax: "eval <field>=<expression>", meaning: "Calculates.", options: [] },
    { name: "lookup", also: [], syntax: "lookup <lookup> <field>", meaning: "Looks up.", options: [] },
  ],
  functions: [{ name: "coalesce", syntax: "", meaning: "The first value.", example: "" }],
  aggregations: [{ name: "count", syntax: "", meaning: "Number of rows.", example: "" }],
  macros: [{ name: "security_content_ctime", arguments: ["field"], definition: "" }],
  lookups: ["assets"],
  models: ["Endpoint.Processes"],
};
const fields: KnownFields = { fields: [{ name: "user", events: 3 }, { name: "CommandLine", events: 9 }], types: [] };

const offered = (text: string): string[] => offersAt(text, text.length, language, fields).offers.map((one) => one.text);

describe("a search's text", () => {
  test("comes in pieces that are the text", () => {
    const text = 'index=* "a | b" `m(x)` ```why``` | stats dc(user) AS n, count by host\n| eval x=coalesce(a,1.5) [search y';
    const all = pieces(text);
    expect(all.map((one) => one.text).join("")).toBe(text);
    const of = (kind: string) => all.filter((one) => one.kind === kind).map((one) => one.text);
    expect(of("command")).toEqual(["stats", "eval", "search"]);
    expect(of("string")).toEqual(['"a | b"']);
    expect(of("function")).toEqual(["dc", "coalesce"]);
    expect(of("keyword")).toEqual(["AS", "by"]);
    expect(of("comment")).toEqual(["```why```"]);
  });

  test("of any kind is taken apart in reasonable time", () => {
    for (const text of ['"'.repeat(20_000), "`".repeat(20_000), "\\".repeat(20_000), "|[".repeat(10_000), "\u{1f980}\u202e".repeat(5000)]) {
      const began = performance.now();
      expect(pieces(text).map((one) => one.text).join("")).toBe(text);
      expect(performance.now() - began).toBeLessThan(2000);
    }
  });

  test("is completed by what may stand there", () => {
    expect(offered("index=* | st")).toEqual(["stats"]);
    expect(offered("index=* | stats co")).toEqual(["count", "coalesce", "CommandLine"]);
    expect(offered("index=* | stats count b")).toContain("by");
    expect(offered("index=* | eval x=coale")).toEqual(["coalesce"]);
    expect(offered("us")).toEqual(["user"]);
    expect(offered("x | lookup as")).toContain("assets");
    expect(offered("x | search `secu")).toEqual(["security_content_ctime"]);
    // Not within a text, and not of what is whole.
    expect(offered('x "us')).toEqual([]);
    expect(offered("x | stats")).toEqual([]);
    expect(offersAt("us | stats count", 2, language, fields)).toMatchObject({ from: 0, offers: [{ text: "user" }] });
  });

  test("is narrowed to a value as it is", () => {
    expect(narrowed("x ", "Image", 'C:\\a "b"', true)).toBe("x | where 'Image'=\"C:\\\\a \\\"b\\\"\"");
    expect(narrowed("x", "a'b", "1", false)).toBe("x | where NOT 'ab'=\"1\"");
  });
});

test("ranges of time have names, and inputs are UTC", () => {
  expect(rangeName("-24h", "now")).toBe("Last 24 hours");
  expect(rangeName("1790000000", "")).toBe("2026-09-21 14:13:20 – now");
  expect(localOf("-1d")).toBe("");
  expect(secondsOf(localOf("1790000000"))).toBe("1790000000");
  expect(secondsOf("")).toBe("");
  expect(ago(7200)).toBe("2 h ago");
});
