import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { HOSTILE, folder, program } from "./worlds";

const PASSWORD = "a long enough password";
const DETECTION = `name: Service Installed
id: service-installed
type: TTP
search: EventCode=4697 | table _time dest user service
rba:
  message: $service$ was installed on $dest$
  risk_objects: [{field: dest, type: system, score: 50}]
`;

/** A server that runs, with an administrator (ida), an analyst (ann) and a viewer (vic). */
export interface Served {
  origin: string;
  send: (events: readonly object[]) => Promise<void>;
  stop: () => void;
}

const basic = `Basic ${Buffer.from(`ida:${PASSWORD}`).toString("base64")}`;

async function told(child: ChildProcess): Promise<{ origin: string; key: string; token: string }> {
  return new Promise((resolve, reject) => {
    let text = "";
    const late = setTimeout(() => reject(new Error(`the server does not start: ${text}`)), 60_000);
    child.stdout?.on("data", (part: Buffer) => {
      text += part.toString();
      const origin = /listening on (http:\/\/\S+)/.exec(text)?.[1];
      const key = /setup\?key=(\S+)/.exec(text)?.[1];
      const token = /^\s+([0-9a-f-]{36})$/m.exec(text)?.[1];
      if (origin && key && token) {
        clearTimeout(late);
        resolve({ origin, key, token });
      }
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

/** Asks as the administrator. */
export async function api<T>(origin: string, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${origin}/api/v1/${path}`, { method, headers: { authorization: basic }, ...(body ? { body: JSON.stringify(body) } : {}) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** A Windows event as agents send it. */
export const event = (second: number, host: string, id: number, record: number, data: Record<string, string>): object => ({
  event: { EventTime: new Date(Date.now() - 1000 * second).toISOString().slice(0, 19).replace("T", " "), Hostname: host, Channel: "Security", EventID: id, RecordNumber: record, ...data },
  time: Math.floor(Date.now() / 1000) - second,
});

export async function serve(): Promise<Served> {
  const directory = folder();
  mkdirSync(join(directory, "rules"));
  writeFileSync(join(directory, "rules", "service.yml"), DETECTION);
  const child = spawn(program, ["serve", "--data", "data", "--listen", "127.0.0.1:0", "--no-builtin", "--content", "rules", "--every", "1s", "--alert-file", "alerts.jsonl", "--alert-webhook", "http://127.0.0.1:1/"], { cwd: directory, stdio: ["ignore", "pipe", "ignore"] });
  const { origin, key, token } = await told(child);
  const form = new URLSearchParams({ key, name: "ida", password: PASSWORD });
  await fetch(`${origin}/setup`, { method: "POST", body: form, redirect: "manual" });
  for (const [name, role] of [["ann", "analyst"], ["vic", "viewer"]]) await api(origin, "POST", "users", { name, password: PASSWORD, role });
  const send = async (events: readonly object[]) => {
    const response = await fetch(`${origin}/services/collector`, { method: "POST", headers: { authorization: `Splunk ${token}` }, body: events.map((one) => JSON.stringify(one)).join("") });
    if (!response.ok) throw new Error(await response.text());
  };
  return { origin, send, stop: () => child.kill() };
}

/** Three services, logons over an hour, and texts that somebody would plant. */
export async function fill(served: Served): Promise<void> {
  const loaded = async () => (await api<{ detections: object[] }>(served.origin, "GET", "content")).detections.length > 0;
  while (!(await loaded())) await new Promise((resolve) => setTimeout(resolve, 100));
  const services = ["alpha", "bravo", HOSTILE.join(" ")];
  await served.send([
    ...services.map((name, at) => event(600 + at, `srv${at}`, 4697, at + 1, { ServiceName: name, SubjectUserName: "eve", ServiceFileName: HOSTILE[0] ?? "" })),
    ...Array.from({ length: 120 }, (_, at) => event(at * 30, `ws${at % 3}`, 4624, at + 100, { TargetUserName: `user${at % 7}`, LogonType: "3" })),
  ]);
  const found = async () => (await api<{ items: object[] }>(served.origin, "GET", "inbox")).items.length;
  while ((await found()) < 3) await new Promise((resolve) => setTimeout(resolve, 200));
}

export interface Visit {
  page: Page;
  errors: string[];
  /** What was asked of others than the server. */
  elsewhere: string[];
  close: () => Promise<void>;
}

/** Somebody who has logged in, in a browser profile of their own. */
export async function visit(browser: Browser, served: Served, name: string, options: { width?: number; height?: number; dark?: boolean } = {}): Promise<Visit> {
  const context: BrowserContext = await browser.newContext({ viewport: { width: options.width ?? 1280, height: options.height ?? 800 }, colorScheme: options.dark ? "dark" : "light" });
  const page = await context.newPage();
  const seen: Visit = { page, errors: [], elsewhere: [], close: () => context.close() };
  page.on("console", (message) => {
    // A refusal that the page shows is no error of the page.
    if (["error", "warning"].includes(message.type()) && !message.text().includes("status of 4")) seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(served.origin) && request.url() !== "data:,") seen.elsewhere.push(request.url());
  });
  await page.goto(`${served.origin}/login`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  return seen;
}

export async function go(page: Page, place: string): Promise<void> {
  await page.evaluate((to) => {
    window.location.hash = to;
  }, place);
}
