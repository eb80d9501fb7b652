import { existsSync, readFileSync, statSync } from "node:fs";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { executable, launch, open, violations, type Watched } from "./browser";
import { HOSTILE, corpus, crabwalk, demo, dossiers, find, folder, hostile, large, program, required } from "./worlds";

const ready = existsSync(executable) && existsSync(program);
if (!ready) {
  const message = `no browser tests: ${existsSync(executable) ? `${program} is not built` : `${executable} is missing`}`;
  if (required) throw new Error(message);
  console.warn(message);
}

let context: BrowserContext;

beforeAll(async () => {
  if (ready) context = await launch();
});
afterAll(async () => {
  await context?.close();
});

/** The page did nothing but show itself. */
function quiet(watched: Watched): void {
  expect(watched.errors).toEqual([]);
  expect(watched.requests).toEqual([]);
}

describe.skipIf(!ready)("the demo's report", () => {
  let report = "";
  beforeAll(() => {
    report = demo();
  });

  test("tells on the first screen where it began, the way, the accounts, and leads in two clicks to a raw record", async () => {
    const watched = await open(context, report);
    const { page } = watched;
    const summary = page.locator(".summary");
    expect(await summary.innerText()).toMatch(/Entry host\s+PIER-WS01/);
    for (const word of ["PIER-WS02", "TIDE-SQL01", "HARBOR\\adm.reiter", "HARBOR\\i.vollmer"]) expect(await summary.innerText()).toContain(word);
    const hops = page.locator(".pathmap .hop");
    expect(await hops.count()).toBeGreaterThanOrEqual(4);
    // The whole path is in sight without scrolling.
    for (const hop of await hops.all()) {
      const box = await hop.boundingBox();
      expect(box && box.x >= 0 && box.x + box.width <= 1280 && box.y + box.height <= 800).toBe(true);
    }
    expect(await page.locator(".pathmap .key").count()).toBeGreaterThanOrEqual(2);
    expect(await page.locator(".pathmap .hop .cell-missing").count()).toBeGreaterThanOrEqual(1);

    await hops.first().click();
    const drawer = page.locator(".drawer");
    await drawer.getByRole("heading", { name: "Witnesses" }).waitFor();
    const evidence = await drawer.innerText();
    for (const word of ["PIER-WS01", "PIER-WS02", "HARBOR\\i.vollmer", "HARBOR\\adm.reiter", "credential switch", "Destination logon"]) {
      expect(evidence).toContain(word);
    }
    await drawer.getByRole("link", { name: /Security 4624/ }).first().click();
    await drawer.getByRole("heading", { name: "Fields" }).waitFor();
    const record = await drawer.innerText();
    expect(record).toContain("TargetUserName");
    expect(record).toContain("adm.reiter");
    expect(record).toContain("<EventID>4624</EventID>");
    // As it is in the log, not written anew from the fields.
    expect(record).toContain("The event as stored in the log");
    expect(record).toMatch(/<Execution ProcessID='\d+' ThreadID='\d+'\/>/);
    expect(record).toMatch(/Security\.evtx/);
    await page.goBack();
    await drawer.getByRole("heading", { name: "Witnesses" }).waitFor();
    // What is missing is said where it is missing.
    await hops.filter({ has: page.locator(".cell-missing") }).first().press("Enter");
    await drawer.locator(".witness-missing").first().waitFor();
    expect(await drawer.locator(".witness-missing").first().innerText()).toMatch(/not seen\s+\S+/);
    quiet(watched);
    await page.close();
  });

  test("every event of every hop has its raw record", async () => {
    const watched = await open(context, report);
    const { page } = watched;
    await page.locator(".pathmap .hop").first().click();
    const hops = await page.locator(".pathmap .hop").count();
    for (let at = 0; at < hops; at++) {
      await page.locator(".pathmap .hop").nth(at).press("Enter");
      const links = await page.locator(".drawer .event-line").evaluateAll((all) => all.map((one) => one.getAttribute("href") ?? ""));
      expect(links.length).toBeGreaterThan(0);
      for (const link of links) {
        await page.evaluate((to) => {
          window.location.hash = to;
        }, link);
        await page.locator(".drawer .fields tr").first().waitFor();
        expect(await page.locator(".drawer .note").count()).toBe(0);
      }
      await page.locator(".drawer .drawer-bar a").first().click();
    }
    quiet(watched);
    await page.close();
  });

  test("findings are filtered, sorted and opened", async () => {
    const watched = await open(context, report, "#/findings");
    const { page } = watched;
    const table = page.getByRole("table", { name: "Findings" });
    const rows = table.locator("[data-row]");
    await rows.first().waitFor();
    const all = await table.getAttribute("aria-rowcount");
    await page.getByRole("button", { name: /^high/ }).click();
    await expect.poll(() => table.getAttribute("aria-rowcount")).not.toBe(all);
    for (const row of await rows.all()) expect(await row.innerText()).toContain("high");
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByLabel("Text in findings").fill("kerberoasting");
    await expect.poll(() => rows.count()).toBe(1);
    expect(await rows.first().innerText()).toContain("Kerberoasting");
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("button", { name: "Risk", exact: false }).first().click();
    const header = page.getByRole("columnheader", { name: "Risk" });
    expect(await header.getAttribute("aria-sort")).toBe("descending");
    const risks = await Promise.all((await rows.all()).map(async (row) => Number(await row.locator(".cell").nth(6).innerText())));
    expect(risks).toEqual([...risks].sort((a, b) => b - a));
    await rows.first().click();
    await page.locator(".drawer h2").waitFor();
    expect(await page.locator(".drawer").innerText()).toContain("Result row");
    quiet(watched);
    await page.close();
  });

  test("the search finds hosts, hops, findings and raw records", async () => {
    const watched = await open(context, report);
    const { page } = watched;
    await page.keyboard.press("/");
    await page.keyboard.type("psexesvc");
    const results = page.locator(".search-results");
    await results.getByRole("heading", { name: "Raw records" }).waitFor();
    await results.locator("a", { hasText: /PSEXESVC/i }).last().click();
    await page.locator(".drawer h2").waitFor();
    await page.getByLabel(/Search everything/).fill("tide-sql01");
    await results.getByRole("heading", { name: "Hosts" }).waitFor();
    await results.getByRole("heading", { name: "Hops" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "TIDE-SQL01" }).waitFor();
    await page.getByLabel(/Search everything/).fill("no such text anywhere");
    await expect.poll(() => results.innerText()).toContain("Nothing found");
    quiet(watched);
    await page.close();
  });

  test("works with the keyboard alone", async () => {
    const watched = await open(context, report);
    const { page } = watched;
    const focused = () => page.evaluate(() => {
        const element = document.activeElement;
        return element?.getAttribute("aria-label") ?? element?.querySelector(":scope > title")?.textContent ?? element?.textContent ?? "";
      });
    for (let presses = 0; presses < 60 && !(await focused()).startsWith("Hop 1"); presses++) await page.keyboard.press("Tab");
    expect(await focused()).toMatch(/^Hop 1: .*PIER-WS01 to PIER-WS02.*credential switch/);
    await page.keyboard.press("ArrowRight");
    await expect.poll(focused).toMatch(/^Hop 2/);
    await page.keyboard.press("Enter");
    await page.locator(".drawer h2").waitFor();
    await expect.poll(focused).toBe("Details");
    let link = "";
    for (let presses = 0; presses < 40 && !/\d\d:\d\d:\d\d/.test(link); presses++) {
      await page.keyboard.press("Tab");
      link = await focused();
    }
    await page.keyboard.press("Enter");
    await page.locator(".drawer .fields").first().waitFor();
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator(".drawer").count()).toBe(0);
    // Back where it was opened.
    await expect.poll(focused).toMatch(/^Hop 2/);

    await page.goto(`file://${report}#/findings`);
    const row = page.locator("[data-row='0']");
    await row.focus();
    const grid = page.locator("[aria-rowcount]").filter({ has: row }).first();
    // The header is a row too.
    const findings = Number(await grid.getAttribute("aria-rowcount")) - 1;
    expect(findings).toBeGreaterThan(10);
    await page.keyboard.press("End");
    // The last row: as many as the case has findings that nothing silences.
    const last = String(findings - 1);
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("data-row"))).toBe(last);
    await page.keyboard.press("Enter");
    await page.locator(".drawer h2").waitFor();
    quiet(watched);
    await page.close();
  });

  test("zooms and pans the map", async () => {
    const watched = await open(context, report);
    const { page } = watched;
    const where = async () => (await page.locator(".pathmap .hop").last().boundingBox())?.x ?? 0;
    const before = await where();
    await page.getByRole("button", { name: "Zoom in", exact: true }).click();
    await expect.poll(where).toBeGreaterThan(before + 20);
    await page.getByRole("toolbar", { name: "Path map" }).getByRole("button", { name: "Fit all hops" }).click();
    await expect.poll(where).toBeCloseTo(before, 0);
    await page.getByRole("button", { name: "To scale" }).click();
    expect(await page.locator(".pathmap .hop").count()).toBeGreaterThanOrEqual(4);
    quiet(watched);
    await page.close();
  });

  for (const scheme of ["light", "dark"] as const) {
    test(`has no serious flaw for those who cannot see well (${scheme})`, async () => {
      const own = await launch({ colorScheme: scheme });
      for (const place of [
        "#/overview",
        "#/overview?hop=hop-9",
        "#/findings",
        "#/attack",
        "#/hosts",
        "#/accounts",
        "#/coverage",
        "#/silenced",
      ]) {
        const { page } = await open(own, report, place);
        await page.waitForTimeout(150);
        expect(await violations(page), place).toEqual([]);
        if (place.includes("hop=")) {
          await page.locator(".drawer .event-line").first().click();
          await page.locator(".drawer .fields").first().waitFor();
          expect(await violations(page), "raw record").toEqual([]);
        }
        await page.close();
      }
      await own.close();
    });
  }

  test("prints the path with its evidence", async () => {
    const watched = await open(context, report);
    const { page } = watched;
    await page.waitForTimeout(300);
    await page.emulateMedia({ media: "print" });
    await expect.poll(() => page.locator("#paper").innerText()).toContain("Path 1");
    const paper = await page.locator("#paper").innerText();
    for (const word of ["PIER-WS01 → PIER-WS02", "HARBOR\\i.vollmer ⇒ HARBOR\\adm.reiter", "not seen:", "Findings to look at", "record"]) expect(paper).toContain(word);
    expect(await page.locator("#app").isVisible()).toBe(false);
    const pdf = await page.pdf({ format: "A4" });
    expect(pdf.length).toBeGreaterThan(20_000);
    quiet(watched);
    await page.close();
  });

  test("is one file, small, with a policy that lets nothing in", async () => {
    const html = readFileSync(report, "utf8");
    expect(statSync(report).size).toBeLessThan(3_000_000);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    expect(html).not.toMatch(/<(?:link|script|img|iframe)[^>]+(?:src|href)="(?!data:,)/);
    const { page } = await open(context, report);
    // What would be injected does not run, and nothing can be fetched.
    const ran = await page.evaluate(() => {
      const script = document.createElement("script");
      try {
        script.textContent = "window.pwned = 1";
        document.body.append(script);
      } catch {
        return "refused";
      }
      return (window as unknown as { pwned?: number }).pwned ?? "did not run";
    });
    expect(["refused", "did not run"]).toContain(ran);
    expect(await page.evaluate(() => fetch("https://example.org/").then(() => "fetched", () => "refused"))).toBe("refused");
    await page.close();
  });
});

describe.skipIf(!ready)("dossiers", () => {
  let report = "";
  beforeAll(() => {
    report = dossiers(demo());
  });

  test("of a host show its logons, its process tree with marks, and what was put there", async () => {
    const watched = await open(context, report, "#/hosts?id=pier-ws02");
    const { page } = watched;
    await page.getByRole("heading", { name: "Processes (5,005)" }).waitFor();
    const text = await page.locator(".dossier").innerText();
    for (const word of ["certain (0.99): a service ran there", "Authentication (3,000)", "Services (1)", "Scheduled tasks (1)", "WMI subscriptions (1)", "Run keys (1)", "Files (1)", "Connections (1)", "Account changes (1)"]) {
      expect(text).toContain(word);
    }
    const tree = page.getByRole("table", { name: "Process tree" });
    // What is marked comes first, with its parents.
    expect(await tree.getAttribute("aria-rowcount")).toBe("4");
    expect(await tree.innerText()).toContain("user-writable");
    await page.getByLabel(/only what is marked/).uncheck();
    await expect.poll(() => tree.getAttribute("aria-rowcount")).toBe("5006");
    await tree.getByRole("button", { name: "children of PSEXESVC.exe" }).click();
    await expect.poll(() => tree.getAttribute("aria-rowcount")).toBe("5005");
    await page.getByLabel(/only what is marked/).check();
    await expect.poll(() => tree.getAttribute("aria-rowcount")).toBe("3");
    expect(await violations(page)).toEqual([]);
    await tree.locator("[data-row]").last().click();
    await page.locator(".drawer .fields").first().waitFor();
    quiet(watched);
    await page.close();
  });

  test("of an account show its logons, exposure and changes", async () => {
    const watched = await open(context, report, `#/accounts?id=${encodeURIComponent("harbor\\adm.reiter")}`);
    const { page } = watched;
    await page.getByRole("heading", { name: "Where its credentials were exposed" }).waitFor();
    const text = await page.locator(".dossier").innerText();
    for (const word of ["To be reset", "never logged on", "3 network, 10 remote desktop", "password reset"]) expect(text).toContain(word);
    expect(await violations(page)).toEqual([]);
    quiet(watched);
    await page.close();
  });

  test("scope, silenced findings and what to collect are told", async () => {
    const watched = await open(context, report, "#/silenced");
    const { page } = watched;
    await expect.poll(() => page.locator("main").innerText()).toContain("exceptions.yml:3");
    await page.goto(`file://${report}#/coverage`);
    await expect.poll(() => page.locator("main").innerText()).toContain("wevtutil epl Security");
    await page.goto(`file://${report}#/overview`);
    await expect.poll(() => page.locator(".summary").innerText()).toContain("The intruder came in on PIER-WS01");
    await page.getByLabel(/Search everything/).fill("\\updater");
    await page.locator(".search-results").getByRole("heading", { name: "Dossiers" }).waitFor();
    expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned ?? 0)).toBe(0);
    quiet(watched);
    await page.close();
  });
});

describe.skipIf(!ready)("a log full of hostile text", () => {
  let world: ReturnType<typeof hostile>;
  beforeAll(() => {
    world = hostile();
  });

  test("runs nothing in any view", async () => {
    const watched = await open(context, world.report);
    const { page } = watched;
    expect(await page.locator(".pathmap .hop").count()).toBeGreaterThan(0);
    // Half of an arrow that nothing shows is hatched.
    await page.goto(`file://${world.report}#/overview?path=all`);
    const missing = page.locator(".pathmap .band.missing").first();
    await missing.waitFor();
    expect(await missing.evaluate((band) => getComputedStyle(band).fill)).toContain("#hatch");
    for (const view of ["findings", "attack", "hosts", "accounts", "coverage", "silenced", "overview"]) {
      await page.goto(`file://${world.report}#/${view}`);
      await page.waitForTimeout(200);
      expect(await page.evaluate(() => document.querySelectorAll("main img, main iframe, main script, main object").length)).toBe(0);
    }
    await page.locator(".pathmap .hop").first().press("Enter");
    await page.locator(".drawer .event-line").first().waitFor();
    const links = await page.locator(".drawer .event-line").evaluateAll((all) => all.map((one) => one.getAttribute("href") ?? ""));
    expect(links.length).toBeGreaterThan(2);
    for (const link of links.slice(0, 12)) {
      await page.evaluate((to) => {
        window.location.hash = to;
      }, link);
      await page.locator(".drawer .fields tr").first().waitFor();
    }
    const text = await page.locator("body").innerText();
    // The planted text stands there as text.
    expect(text).toContain("<script>window.pwned=1</script>");
    expect(text).not.toMatch(/[\u001b\u0007\u202e\u2066]/);
    await page.getByLabel(/Search everything/).fill("onerror");
    await page.locator(".search-results h2").first().waitFor();
    await page.emulateMedia({ media: "print" });
    await page.waitForTimeout(300);
    expect(await page.evaluate(() => (window as unknown as { pwned?: number }).pwned ?? 0)).toBe(0);
    quiet(watched);
    await page.close();
  });

  test("breaks no CSV, terminal or export", () => {
    const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
    expect(world.terminal).not.toMatch(control);
    const directory = `${world.directory}/case`;
    for (const name of ["findings.csv", "timeline.csv"]) {
      const csv = readFileSync(`${directory}/${name}`, "utf8");
      expect(csv, name).not.toMatch(control);
      // No cell begins with what a spreadsheet takes for a formula.
      expect(csv, name).not.toMatch(/(?:^|,)"[=+@|]/m);
    }
    for (const format of ["csv", "stix", "navigator", "timesketch", "graphml", "dot", "markdown"]) {
      const { out } = crabwalk("export", format, `${directory}/case.json`);
      expect(out, format).not.toMatch(control);
      if (format === "markdown") expect(out).not.toMatch(/<script|<img|[^\\]\]\(|(?<!\\)`/);
      if (format === "graphml") expect(out).not.toMatch(/<script|<img/);
    }
    for (const text of HOSTILE) expect(text.length).toBeGreaterThan(0);
  });
});

describe.skipIf(!ready)("a large case", () => {
  let report = "";
  beforeAll(() => {
    report = large();
  });

  test("is shown at once, and its tables scroll, sort and filter without lag", async () => {
    const began = Date.now();
    const watched = await open(context, report);
    const { page } = watched;
    await page.locator(".pathmap .hop").first().waitFor();
    expect(Date.now() - began).toBeLessThan(8000);
    expect(await page.locator(".pathmap .hop").count()).toBe(10);
    // Eleven hosts scroll in the place of the map, under the times.
    const lanes = page.locator(".map-lanes");
    const [shown, all] = await lanes.evaluate((box) => [box.clientHeight, box.scrollHeight]);
    expect(shown).toBeLessThan(700);
    expect(all).toBeGreaterThan(shown ?? 0);
    await lanes.evaluate((box) => box.scrollTo(0, 100));
    await expect.poll(async () => ((await page.locator(".axis-time").first().boundingBox())?.y ?? 0) >= ((await lanes.boundingBox())?.y ?? 0)).toBe(true);

    await page.goto(`file://${report}#/findings`);
    const table = page.getByRole("table", { name: "Findings" });
    await table.locator("[data-row]").first().waitFor();
    expect(await table.getAttribute("aria-rowcount")).toBe("10001");
    expect(await table.locator("[data-row]").count()).toBeLessThan(100);
    // Long tasks block whoever scrolls or types.
    const timed = async (act: () => Promise<void>) => {
      const start = Date.now();
      await act();
      return Date.now() - start;
    };
    const filtered = await timed(async () => {
      await page.getByLabel("Text in findings").fill("number 77");
      await expect.poll(() => table.getAttribute("aria-rowcount"), { interval: 20 }).toBe("281");
    });
    expect(filtered).toBeLessThan(2500);
    await page.getByRole("button", { name: "Clear" }).click();
    const sorted = await timed(async () => {
      await page.getByRole("button", { name: "Detection and message" }).click();
      await expect.poll(() => table.locator("[data-row='0']").innerText(), { interval: 20 }).toContain("Detection 0");
    });
    expect(sorted).toBeLessThan(2500);
    await table.locator("[data-row='0']").focus();
    const scrolled = await timed(async () => {
      await page.keyboard.press("End");
      await table.locator("[data-row='9999']").waitFor();
    });
    expect(scrolled).toBeLessThan(2500);
    quiet(watched);
    await page.close();
  });

  test("all movements, hosts and the search work as well", async () => {
    const watched = await open(context, report, "#/overview?path=all");
    const { page } = watched;
    await page.locator(".pathmap .hop").first().waitFor();
    expect(await page.locator(".pathmap .hop").count()).toBe(400);
    expect(await page.locator("main").innerText()).toContain("of 600 hops");
    await page.goto(`file://${report}#/hosts`);
    await page.getByLabel("Find in Hosts").fill("host-499");
    await page.getByRole("link", { name: "HOST-499" }).first().click();
    await page.getByRole("heading", { level: 1, name: "HOST-499" }).waitFor();
    await page.getByLabel(/Search everything/).fill("thing number 9999");
    await page.locator(".search-results").getByRole("heading", { name: "Findings" }).waitFor();
    expect(await violations(page)).toEqual([]);
    quiet(watched);
    await page.close();
  });

  test("says why it holds no raw records", async () => {
    const watched = await open(context, report, "#/overview?hop=hop-0");
    await watched.page.locator(".drawer .event-line").first().click();
    await watched.page.locator(".drawer .note").waitFor();
    expect(await watched.page.locator(".drawer .note").innerText()).toContain("without the logs");
    quiet(watched);
    await watched.page.close();
  });
});

const logs = corpus();
describe.skipIf(!ready || logs === null)("reports of recorded attacks", () => {
  const cases: [string, string[]][] = [
    ["EVTX of attacks", ["evtx-attack-samples", "lateral movement", ".evtx"]],
    ["Mordor", ["security-datasets", "lateral_movement", ".zip"]],
  ];
  for (const [name, words] of cases) {
    test(name, async () => {
      const files = find(`${logs}/files`, ...words).sort().slice(0, 12);
      if (files.length === 0) return console.warn(`no file of ${name} in the corpus`);
      const out = folder();
      crabwalk("hunt", ...files, "--out", out, "--quiet");
      const watched = await open(context, `${out}/report.html`);
      const { page } = watched;
      if ((await page.locator(".pathmap .hop").count()) > 0) {
        await page.locator(".pathmap .hop").first().press("Enter");
        await page.locator(".drawer .event-line").first().click();
        await page.locator(".drawer .fields tr").first().waitFor();
      }
      for (const view of ["findings", "attack", "hosts", "accounts", "coverage"]) {
        await page.goto(`file://${out}/report.html#/${view}`);
        await page.waitForTimeout(150);
        expect(await violations(page), view).toEqual([]);
      }
      quiet(watched);
      await page.close();
    });
  }
});
