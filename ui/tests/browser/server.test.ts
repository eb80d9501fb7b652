import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { executable, violations } from "./browser";
import { api, fill, go, serve, visit, type Served, type Visit } from "./served";
import { HOSTILE, program, required } from "./worlds";

const ready = existsSync(executable) && existsSync(program);
if (!ready && required) throw new Error("the pages of the server cannot be tested: the program or Chromium is missing");

let browser: Browser;
let served: Served;

/** The page did nothing but show itself, and ran nothing of what it shows. */
async function quiet(seen: Visit): Promise<void> {
  expect(seen.errors).toEqual([]);
  expect(seen.elsewhere).toEqual([]);
  expect(await seen.page.evaluate(() => "pwned" in window)).toBe(false);
}

const search = (q: string, earliest = "-24h"): string => `#/search?${new URLSearchParams({ q, earliest, latest: "now" })}`;

describe.skipIf(!ready)("the pages of a server", () => {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executable, headless: true, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
    served = await serve();
    await fill(served);
  });
  afterAll(async () => {
    await browser?.close();
    served?.stop();
  });

  test("a search completes, runs, is narrowed and linked", async () => {
    const seen = await visit(browser, served, "ann");
    const { page } = seen;
    await go(page, search(""));
    const editor = page.getByLabel("Search, in SPL");
    await editor.click();
    await page.keyboard.type("EventCode=4624 | timech");
    await page.getByRole("option", { name: /timechart/ }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("count by host");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Enter");
    await page.getByRole("img", { name: /ws0.*over time/ }).waitFor();
    expect(page.url()).toContain("timechart+count+by+host");
    await page.getByRole("button", { name: "Table" }).click();
    await page.getByRole("columnheader", { name: "ws2" }).waitFor();
    // A reload shows the same.
    await page.reload();
    await page.getByRole("columnheader", { name: "ws2" }).waitFor();

    await go(page, search("EventCode=4624"));
    const events = page.getByRole("region", { name: "Events", exact: true });
    await expect.poll(() => page.getByRole("status").first().innerText()).toContain("120 events");
    expect(await events.locator("tbody tr").count()).toBe(50);
    await events.getByRole("button", { name: "Unfold row 2", exact: true }).click();
    await events.getByRole("rowheader", { name: "TargetUserName" }).waitFor();
    await page.locator(".fieldbar summary", { hasText: "TargetUserName" }).click();
    await page.locator(".fieldbar").getByRole("button", { name: "user3 17" }).click();
    await expect.poll(() => page.getByRole("status").first().innerText()).toContain("17 events");
    expect(await editor.inputValue()).toBe("EventCode=4624 | where 'TargetUserName'=\"user3\"");

    // The histogram narrows the time, by keys.
    const before = Number(/^([\d,]+)/.exec(await page.locator(".histogram p").innerText())?.[1]);
    expect(before).toBe(17);
    await page.getByRole("application", { name: /Events over time/ }).focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    await expect.poll(() => page.url()).toMatch(/earliest=\d+&latest=\d+/);
    await expect.poll(async () => Number(/^(\d+)/.exec(await page.getByRole("status").first().innerText())?.[1])).toBeLessThan(17);
    await quiet(seen);
    await seen.close();
  });

  test("errors of a search stand at their place, and limits are said", async () => {
    const seen = await visit(browser, served, "ann");
    const { page } = seen;
    await go(page, search(""));
    await page.getByLabel("Search, in SPL").fill("EventCode=4624\n| nosuch x=1");
    const errors = page.getByRole("list", { name: "Errors" });
    await errors.waitFor();
    expect(await errors.innerText()).toMatch(/line 2, column 3:.*`nosuch`/);
    await expect.poll(() => page.locator(".editor-back .wrong").allInnerTexts()).toEqual(["nosuch"]);
    expect(await page.locator(".search-bar").innerText()).toMatch(/50,000 rows.*10 min/);
    await quiet(seen);
    await seen.close();
  });

  test("a search that takes long is cancelled", async () => {
    const seen = await visit(browser, served, "ann");
    const { page } = seen;
    const hashes = ` | eval ${Array(10).fill("n=sha512(n)").join(", ")}`.repeat(4);
    await go(page, search(`| makeresults count=1000000 | streamstats count as n${hashes} | stats dc(n)`));
    await page.getByRole("status").first().filter({ hasText: "Running" }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("status").first().filter({ hasText: "Cancelled" }).waitFor();
    const running = async () => (await api<{ jobs: { state: string }[] }>(served.origin, "GET", "search/jobs")).jobs.filter((one) => one.state === "running" || one.state === "queued").length;
    await expect.poll(running).toBe(0);
    await quiet(seen);
    await seen.close();
  });

  test("two people decide in the inbox, by keys, and see each other's decisions", async () => {
    const [ida, ann] = [await visit(browser, served, "ida"), await visit(browser, served, "ann")];
    const rows = (seen: Visit) => seen.page.locator(".inbox-table tbody tr");
    for (const seen of [ida, ann]) await expect.poll(() => rows(seen).count()).toBe(3);
    // Hostile texts are texts.
    expect(await rows(ida).allInnerTexts().then((all) => all.join("\n"))).toContain(HOSTILE[0]);
    await ann.page.keyboard.press("?");
    await ann.page.getByText("next, previous").waitFor();
    await ann.page.keyboard.press("Escape");
    await ann.page.keyboard.press("j");
    await ann.page.keyboard.press("a");
    await expect.poll(() => rows(ann).first().innerText()).toMatch(/ann$/);
    // The other one sees it without asking.
    await expect.poll(() => rows(ida).first().innerText(), { timeout: 15_000 }).toMatch(/ann$/);

    // Both decide about the same: the later one is told who was first, and sees what is.
    await rows(ida).nth(1).getByRole("checkbox").check();
    await rows(ida).nth(2).getByRole("checkbox").check();
    const late = ida.page.route("**/api/v1/inbox?*", (route) => route.abort());
    await late;
    await ann.page.keyboard.press("j");
    await ann.page.keyboard.press("e");
    await expect.poll(() => rows(ann).count()).toBe(2);
    await ida.page.getByLabel("Disposition").selectOption("benign-positive");
    await ida.page.getByLabel("Note").fill("a drill <b>of ours</b>");
    await ida.page.unroute("**/api/v1/inbox?*");
    await ida.page.getByRole("button", { name: "Apply" }).click();
    await ida.page.getByRole("alert").filter({ hasText: "ann changed this meanwhile" }).waitFor();
    await expect.poll(() => rows(ida).count()).toBe(2);
    // Undone by who decided.
    await ann.page.keyboard.press("u");
    await expect.poll(() => rows(ann).count()).toBe(3);
    await expect.poll(() => rows(ida).count(), { timeout: 15_000 }).toBe(3);

    // Several at once, with the history beside the list.
    await ida.page.getByLabel("Select all that are shown").check();
    await ida.page.getByLabel("Disposition").selectOption("benign-positive");
    await ida.page.getByLabel("Status").selectOption("closed");
    await ida.page.getByLabel("Note").fill("a drill <b>of ours</b>");
    await ida.page.getByRole("button", { name: "Apply" }).click();
    await ida.page.getByText("0 things of 3").waitFor();
    await ida.page.getByRole("button", { name: /^Closed/ }).click();
    await expect.poll(() => rows(ida).count()).toBe(3);
    await rows(ida).first().getByRole("button").click();
    // What is open is what a decision is about.
    expect(await ida.page.getByRole("button", { name: "Apply" }).isDisabled()).toBe(true);
    expect(await ida.page.getByLabel("Status").inputValue()).toBe("closed");
    await expect.poll(() => ida.page.locator(".history").innerText()).toContain("a drill <b>of ours</b>");
    expect(await ida.page.locator(".history li").count()).toBeGreaterThanOrEqual(2);
    for (const seen of [ida, ann]) {
      seen.errors.splice(0, seen.errors.length, ...seen.errors.filter((one) => !one.includes("ERR_FAILED")));
      await quiet(seen);
      await seen.close();
    }
  });

  test("viewers look, and are offered nothing that they may not do", async () => {
    const seen = await visit(browser, served, "vic");
    const { page } = seen;
    await page.getByRole("heading", { name: "Inbox" }).waitFor();
    expect(await page.getByRole("checkbox").count()).toBe(0);
    expect(await page.getByRole("form", { name: "Decide" }).count()).toBe(0);
    await go(page, search("index=*"));
    await page.getByText("searching needs the role analyst").waitFor();
    expect(await page.getByRole("link", { name: "Audit" }).count()).toBe(0);
    await quiet(seen);
    await seen.close();
  });

  test("a detection is run, switched off and scheduled", async () => {
    const seen = await visit(browser, served, "ida");
    const { page } = seen;
    await go(page, "#/content");
    await page.getByRole("table", { name: "Detections" }).getByText("Service Installed").click();
    const panel = page.getByRole("complementary", { name: "Detection" });
    await panel.getByRole("button", { name: "Run now" }).click();
    await panel.getByText(/It ran: 0 new findings/).waitFor();
    await panel.getByLabel("Cron expression").fill("every day");
    await panel.getByRole("button", { name: "Run on this schedule" }).click();
    await panel.getByRole("alert").waitFor();
    await panel.getByLabel("Cron expression").fill("*/15 * * * *");
    await panel.getByRole("button", { name: "Run on this schedule" }).click();
    await panel.getByText("The schedule is changed.").waitFor();
    await panel.getByRole("button", { name: "As the content says" }).click();
    await panel.getByRole("button", { name: "On", exact: true }).click();
    await panel.getByText("It is off.").waitFor();
    expect(await panel.getByRole("button", { name: "Run now" }).isDisabled()).toBe(true);
    await panel.getByRole("button", { name: "Off", exact: true }).click();
    await panel.getByText("It is on.").waitFor();
    await quiet(seen);
    await seen.close();
  });

  test("accounts and tokens are made and removed, sessions end, and the audit log has it", async () => {
    const seen = await visit(browser, served, "ida");
    const { page } = seen;
    await go(page, "#/people");
    const account = page.getByRole("form", { name: "New account" });
    await account.getByLabel("Name", { exact: true }).fill("bob");
    await account.getByLabel(/Password/).fill("a long enough password");
    await account.getByRole("button", { name: "Create account" }).click();
    await page.getByText("bob can log in now.").waitFor();
    const bob = await visit(browser, served, "bob");
    await page.getByLabel("Role of bob").selectOption("viewer");
    await page.getByText("bob is viewer now.").waitFor();
    await page.getByLabel("Role of ida").selectOption("viewer");
    await page.getByRole("alert").filter({ hasText: "only administrator" }).waitFor();
    await page.getByRole("button", { name: "Remove bob" }).click();
    await page.getByRole("button", { name: "Remove bob" }).click();
    await page.getByText("bob is removed").waitFor();
    // Bob's page notices at once.
    await bob.page.getByRole("button", { name: "Log in" }).waitFor();
    await bob.close();

    const token = page.getByRole("form", { name: "New token" });
    await token.getByLabel("Name", { exact: true }).fill("laptops");
    await token.getByRole("button", { name: "Make token" }).click();
    const secret = await page.locator(".note code").first().innerText();
    expect(secret).toMatch(/^[0-9a-f-]{36}$/);
    const accepted = async () => (await fetch(`${served.origin}/services/collector`, { method: "POST", headers: { authorization: `Splunk ${secret}` }, body: '{"event": "one"}' })).status;
    expect(await accepted()).toBe(200);
    await page.getByRole("button", { name: "Revoke laptops" }).click();
    await page.getByRole("button", { name: "Revoke laptops" }).click();
    await page.getByText("laptops is no longer accepted.").waitFor();
    await expect.poll(accepted).toBe(403);

    await go(page, "#/audit");
    const log = page.getByRole("table", { name: "Audit log" });
    await log.getByText("remove-token").waitFor();
    for (const act of ["add-user", "change-user", "remove-user", "add-token"]) expect(await log.innerText()).toContain(act);
    expect(await log.innerText()).not.toContain(secret);
    await quiet(seen);
    await seen.close();
  });

  test("assets are edited, imported, wrong at their place, and exported", async () => {
    const seen = await visit(browser, served, "ida");
    const { page } = seen;
    await go(page, "#/environment?part=assets");
    await page.getByText("No assets are known").waitFor();
    const cell = (name: string, row: number) => page.getByLabel(`${name}, row ${row}`, { exact: true });
    await page.getByRole("button", { name: "Add a row" }).click();
    // By keys: the new row has the focus.
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("nt_host, row 1");
    await page.keyboard.type("WS1");
    await cell("ip", 1).fill("10.0.0.300");
    await cell("category", 1).fill(HOSTILE[0] ?? "");
    await page.getByRole("button", { name: "Save 1 row" }).click();
    await page.getByRole("alert").filter({ hasText: "neither an address" }).waitFor();
    expect(await cell("ip", 1).getAttribute("aria-invalid")).toBe("true");
    expect(await page.locator(`[id="${await cell("ip", 1).getAttribute("aria-describedby")}"]`).innerText()).toContain("10.0.0.300");
    expect(await violations(page)).toEqual([]);
    await cell("ip", 1).fill("10.0.0.3");
    await page.getByRole("button", { name: "Save 1 row" }).click();
    await page.getByText("Saved. Detections and the next hunt use it.").waitFor();

    // Others see it, and who saw an older version loses nothing.
    const viewer = await visit(browser, served, "vic");
    await go(viewer.page, "#/environment?part=assets");
    await viewer.page.getByRole("region", { name: "Assets" }).getByText("10.0.0.3").waitFor();
    expect(await viewer.page.getByRole("region", { name: "Assets" }).getByRole("textbox").count()).toBe(0);
    await quiet(viewer);
    await viewer.close();
    await api(served.origin, "PUT", "environment/assets", { columns: ["nt_host", "owner"], rows: [["WS1", "ann"], ["WS2", ""]] });
    await cell("owner", 1).fill("eve");
    await page.getByRole("button", { name: "Save 1 row" }).click();
    await page.getByRole("alert").filter({ hasText: "ida has changed it meanwhile" }).waitFor();
    expect(await cell("owner", 1).inputValue()).toBe("eve");
    await page.getByRole("button", { name: "Discard changes" }).click();
    await expect.poll(() => cell("owner", 1).inputValue()).toBe("ann");

    // A file is looked at before it is kept.
    const rows = Array.from({ length: 300 }, (_, at) => `SRV${at},10.1.${at >> 8}.${at & 255}`);
    await page.getByLabel("A CSV file of assets").setInputFiles({ name: "cmdb.csv", mimeType: "text/csv", buffer: Buffer.from(`nt_host,ip\n${rows.join("\n")}\nlast,nowhere\n`) });
    await page.getByText("301 rows read from cmdb.csv").waitFor();
    await page.getByText("200 of 301 rows").waitFor();
    // The wrong one comes first.
    expect(await page.locator(".sheet tbody tr").first().locator("input").first().inputValue()).toBe("last");
    await cell("ip", 301).fill("10.9.9.9");
    await page.getByLabel("Text in assets").fill("srv29");
    await expect.poll(() => page.locator(".sheet tbody tr").count()).toBe(11);
    await cell("ip", 30).focus();
    await page.keyboard.press("ArrowDown");
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("ip, row 291");
    await page.getByRole("button", { name: "Save 301 rows" }).click();
    await page.getByText("Saved. Detections and the next hunt use it.").waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Export as CSV" }).click()]);
    expect(download.suggestedFilename()).toBe("assets.csv");
    await quiet(seen);
    await seen.close();
  });

  test("an exception is made from a finding, hides it, is changed and removed", async () => {
    const seen = await visit(browser, served, "ann");
    const { page } = seen;
    const item = (await api<{ items: { id: string; kind: string }[] }>(served.origin, "GET", "inbox")).items.find((one) => one.kind === "finding");
    await go(page, `#/inbox?status=&id=${item?.id ?? ""}`);
    await page.getByRole("link", { name: "An exception for it" }).click();
    const form = page.getByRole("form", { name: "New exception" });
    expect(await form.getByLabel(/^Detection/).inputValue()).toBe("service-installed");
    expect(await form.getByLabel(/^Only where/).inputValue()).toMatch(/^host=srv\d$/);
    await form.getByLabel(/^Until/).fill("2001-01-01");
    await form.getByLabel(/^Why/).fill(HOSTILE[0] ?? "");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "this time is over" }).waitFor();
    expect(await form.getByLabel(/^Until/).getAttribute("aria-invalid")).toBe("true");
    expect(await violations(page)).toEqual([]);
    const next = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10);
    await form.getByLabel(/^Until/).fill(next);
    await form.getByRole("button", { name: "Make exception" }).click();
    await page.getByText("The exception is made.").waitFor();
    const row = page.getByRole("region", { name: "Exceptions" }).locator("tbody tr");
    expect(await row.innerText()).toContain(HOSTILE[0]);
    expect(await row.innerText()).toMatch(/ann\s/);
    // The next hunt hides it, and counts it.
    const hidden = async () => (await api<{ exceptions: { hidden: number | null }[] }>(served.origin, "GET", "exceptions")).exceptions[0]?.hidden;
    await expect.poll(hidden, { timeout: 20_000 }).toBe(1);
    await page.getByRole("button", { name: /^Change the exception/ }).click();
    await page.getByRole("form", { name: "Change the exception" }).getByLabel(/^Why/).fill("we deploy it");
    await page.getByRole("button", { name: "Change exception" }).click();
    await page.getByText("The exception is changed.").waitFor();
    await expect.poll(() => row.innerText()).toContain("we deploy it");
    await page.getByRole("button", { name: /^Remove the exception/ }).click();
    await page.getByRole("button", { name: /^Remove the exception/ }).click();
    await page.getByText("There are no exceptions.").waitFor();
    await quiet(seen);
    await seen.close();
  });

  test("outputs of alerts are tested, and say what went wrong", async () => {
    const seen = await visit(browser, served, "ida");
    const { page } = seen;
    await go(page, "#/data");
    await page.getByRole("button", { name: "Send a test to every output" }).click();
    const outcome = page.getByRole("list", { name: "Outcome of the test" });
    await outcome.waitFor();
    expect(await outcome.innerText()).toMatch(/file alerts\.jsonl: accepted\n+webhook 127\.0\.0\.1: .*refused/);
    await quiet(seen);
    await seen.close();
  });

  test("data says who sends and how old it is", async () => {
    const seen = await visit(browser, served, "vic");
    await go(seen.page, "#/data");
    const senders = seen.page.getByRole("region", { name: "Senders" });
    await senders.getByText(/hec:default@127\.0\.0\.1/).waitFor();
    expect(await seen.page.getByRole("table", { name: "Logs" }).innerText()).toMatch(/ws1\s+Security\s+40/);
    await quiet(seen);
    await seen.close();
  });

  for (const [name, options] of [
    ["light", {}],
    ["dark", { dark: true }],
    ["a phone", { width: 390, height: 844 }],
    ["a phone in the dark", { width: 390, height: 844, dark: true }],
  ] as const) {
    test(`no page has a serious flaw or is wider than the screen (${name})`, async () => {
      const seen = await visit(browser, served, "ida", options);
      const { page } = seen;
      const item = (await api<{ items: { id: string }[] }>(served.origin, "GET", "inbox")).items[0]?.id ?? "";
      for (const [place, what] of [
        ["#/inbox?status=", ".inbox-table tbody tr"],
        [`#/inbox?status=&id=${item}`, ".drawer .facts"],
        [search(""), ".beginnings"],
        [search("EventCode=4624"), ".histogram"],
        [search("EventCode=4624 | stats count by host"), ".grid-table"],
        [`${search("EventCode=4624 | timechart count by host")}&view=chart`, ".chart"],
        [search("EventCode=4624 | nosuch x"), ".problems"],
        ["#/content?id=service-installed", ".drawer .facts"],
        ["#/environment?part=assets", ".sheet"],
        ["#/environment?part=identities", ".sheet"],
        ["#/environment?part=exceptions", ".exception"],
        ["#/data", ".figures"],
        ["#/people", ".grid-table"],
        ["#/audit", "[data-row]"],
        ["#/overview", "h1"],
      ] as const) {
        await go(page, place);
        await page.locator(what).first().waitFor({ state: "attached" });
        await page.waitForTimeout(150);
        expect(await violations(page), place).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), place).toBeLessThanOrEqual(0);
      }
      await go(page, search(""));
      await page.getByRole("button", { name: /Range of time/ }).click();
      await page.getByRole("dialog").waitFor();
      expect(await violations(page), "range of time").toEqual([]);
      await quiet(seen);
      await seen.close();
    });
  }
});
