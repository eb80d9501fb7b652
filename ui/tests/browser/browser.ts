import { readFileSync, mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";

export const executable = process.env["CRABWALK_CHROMIUM"] ?? "/usr/bin/chromium";

/** A browser of its own, with an empty profile and nothing that calls home. */
export function launch(options: { colorScheme?: "light" | "dark" } = {}): Promise<BrowserContext> {
  return chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "crabwalk-chromium-")), {
    executablePath: executable,
    headless: true,
    viewport: { width: 1280, height: 800 },
    colorScheme: options.colorScheme ?? "light",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page, and what it should never do: write errors, or ask anybody for anything. */
export interface Watched {
  page: Page;
  errors: string[];
  requests: string[];
}

export async function open(context: BrowserContext, report: string, place = "#/overview"): Promise<Watched> {
  const page = await context.newPage();
  const watched: Watched = { page, errors: [], requests: [] };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) watched.errors.push(message.text());
  });
  page.on("pageerror", (error) => watched.errors.push(error.message));
  page.on("request", (request) => {
    if (request.url() !== `file://${report}` && !request.url().startsWith(`file://${report}#`) && request.url() !== "data:,") {
      watched.requests.push(request.url());
    }
  });
  await page.goto(`file://${report}${place}`);
  await page.locator("h1").first().waitFor();
  return watched;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Violations of WCAG 2 A and AA that matter, as axe finds them. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    interface Result {
      violations: { id: string; impact: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
    }
    const { axe } = window as unknown as { axe: { run: (root: Document, options: unknown) => Promise<Result> } };
    const result = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] });
    return result.violations
      .filter((one) => ["serious", "critical"].includes(one.impact))
      .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 200)} (${node.failureSummary.replaceAll("\n", " ")})`).join(" | ")}`);
  });
}
