import { render, type ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Me } from "./data/api";
import { EmbeddedSource, ServedSource, status, type Status } from "./data/source";
import { FindingIndex, Model } from "./data/model";
import { number, when } from "./data/format";
import { isAdmin, server } from "./data/server";
import { CASE_VIEWS, PAGES, to, useRoute, type CaseView, type Route, type ServerPage } from "./state";
import { ModelContext } from "./widgets/basics";
import { AuditLog } from "./pages/auditlog";
import { ContentPage } from "./pages/content";
import { DataPage } from "./pages/datahealth";
import { EnvironmentPage } from "./pages/environment";
import { InboxPage } from "./pages/inbox";
import { People } from "./pages/people";
import { Searching } from "./pages/searching";
import { Accounts, Hosts } from "./views/dossiers";
import { Attack } from "./views/attack";
import { Coverage } from "./views/coverage";
import { Drawer } from "./views/drawer";
import { Findings } from "./views/findings";
import { Overview } from "./views/overview";
import { Hatch } from "./views/pathmap";
import { PrintView } from "./views/print";
import { SearchBox } from "./views/search";
import { SilencedView } from "./views/silenced";
import { Waiting } from "./views/waiting";
import "./styles.css";

const TITLES: Record<CaseView | ServerPage, string> = {
  overview: "Overview",
  findings: "Findings",
  attack: "ATT&CK",
  hosts: "Hosts",
  accounts: "Accounts",
  coverage: "Coverage",
  silenced: "Silenced",
  inbox: "Inbox",
  search: "Search",
  content: "Detections",
  environment: "Environment",
  data: "Data",
  people: "Users",
  audit: "Audit",
};

type Theme = "auto" | "light" | "dark";

function ThemeButton() {
  const [theme, setTheme] = useState<Theme>("auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  const next: Record<Theme, Theme> = { auto: "dark", dark: "light", light: "auto" };
  const signs: Record<Theme, string> = { auto: "◐", dark: "●", light: "○" };
  return (
    <button type="button" class="icon" title={`Colours: ${theme}`} aria-label={`Colours: ${theme}; change to ${next[theme]}`} onClick={() => setTheme(next[theme])}>
      <span aria-hidden="true">{signs[theme]}</span>
    </button>
  );
}

function SkipLink() {
  return (
    <a
      class="skip"
      href="#main"
      onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>("main")?.focus();
      }}
    >
      Skip to the content
    </a>
  );
}

function Brand({ href, title }: { href: string; title: string }) {
  return (
    <a class="brand" href={href} title={title}>
      <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
        <path d="M3 6h9v10h7M3 6a0 0 0 0 0 0 0M16 13l3 3-3 3" />
        <circle cx="3.5" cy="6" r="2.5" />
        <circle cx="12" cy="11" r="2.5" />
      </svg>
      Crabwalk
    </a>
  );
}

function CaseNav({ model, route }: { model: Model; route: Route }) {
  const { core } = model;
  const counts: Partial<Record<CaseView, number>> = {
    findings: core.stats.findings,
    hosts: core.hosts.length,
    accounts: core.accounts.length,
    silenced: core.stats.suppressed,
  };
  return (
    <nav aria-label="Views">
      {CASE_VIEWS.map((view) => (
        <a key={view} href={to(view, { event: null, finding: null, hop: null })} aria-current={route.view === view ? "page" : undefined}>
          {TITLES[view]}
          {counts[view] !== undefined && <span class="count">{number(counts[view])}</span>}
        </a>
      ))}
    </nav>
  );
}

function PrintButton({ model }: { model: Model }) {
  return (
    <button type="button" class="icon" title="Print" aria-label="Print the report" onClick={() => void printReport(model)}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <path d="M4 6V1.5h8V6M4 12H1.5V6h13v6H12M4 9.5h8v5H4z" />
      </svg>
    </button>
  );
}

function CaseBody({ route }: { route: Route }) {
  const open = Boolean(route.params["hop"] || route.params["finding"] || route.params["event"]);
  return (
    <div class={open ? "body with-drawer" : "body"}>
      <main id="main" tabIndex={-1}>
        {route.view === "overview" && <Overview route={route} />}
        {route.view === "findings" && <Findings route={route} />}
        {route.view === "attack" && <Attack />}
        {route.view === "hosts" && <Hosts route={route} />}
        {route.view === "accounts" && <Accounts route={route} />}
        {route.view === "coverage" && <Coverage />}
        {route.view === "silenced" && <SilencedView />}
      </main>
      <Drawer route={route} />
    </div>
  );
}

/** A report. */
function App({ model }: { model: Model }) {
  const { core } = model;
  // A report has no pages of a server.
  const asked = useRoute();
  const route: Route = isCaseView(asked.view) ? asked : { view: "overview", params: {} };
  useEffect(() => {
    document.title = `${TITLES[route.view]} – Crabwalk case`;
  }, [route.view]);
  return (
    <ModelContext.Provider value={model}>
      <SkipLink />
      <header class="top">
        <Brand href={to("overview")} title={`${core.tool.name} ${core.tool.version}, ${when(core.created)} UTC`} />
        <CaseNav model={model} route={route} />
        <SearchBox />
        <PrintButton model={model} />
        <ThemeButton />
      </header>
      <CaseBody route={route} />
    </ModelContext.Provider>
  );
}

const isCaseView = (view: Route["view"]): view is CaseView => CASE_VIEWS.some((one) => one === view);

/** A server's pages around its case. */
function ServerApp({ model, number: shown, now, me }: { model: Model | null; number: number; now: Status; me: Me }) {
  const asked = useRoute();
  const route: Route = location.hash.length > 2 ? asked : { view: "inbox", params: {} };
  const isCase = isCaseView(route.view);
  useEffect(() => {
    document.title = `${TITLES[route.view]} – Crabwalk`;
  }, [route.view]);
  const waits = (isCase && !model) || (route.view === "inbox" && now.stored.events === 0);
  const pages = PAGES.filter((page) => isAdmin(me) || !["people", "audit"].includes(page));
  const link = (view: CaseView | ServerPage, title: string, here: boolean): ComponentChildren => (
    <a key={view} href={`#/${view}`} aria-current={here ? "page" : undefined}>
      {title}
    </a>
  );
  return (
    <>
      <SkipLink />
      <header class="top">
        <Brand href="#/inbox" title={`Crabwalk at ${location.host}`} />
        <nav aria-label="Pages">
          {link("inbox", TITLES.inbox, route.view === "inbox")}
          {link("overview", "Case", isCase)}
          {pages.filter((page) => page !== "inbox").map((page) => link(page, TITLES[page], route.view === page))}
          {!isAdmin(me) && link("people", "Account", route.view === "people")}
        </nav>
        <span class="who" title={`Role: ${me.role}`}>
          {me.name} <span class="quiet">{me.role}</span>
        </span>
        <form method="post" action="/logout">
          <button type="submit">Log out</button>
        </form>
        <ThemeButton />
      </header>
      {waits ? (
        <Waiting status={now} />
      ) : isCase && model ? (
        <ModelContext.Provider key={shown} value={model}>
          <div class="top sub">
            <CaseNav model={model} route={route} />
            <SearchBox />
            <PrintButton model={model} />
          </div>
          <CaseBody route={route} />
        </ModelContext.Provider>
      ) : (
        <main id="main" tabIndex={-1}>
          {route.view === "inbox" && <InboxPage route={route} me={me} />}
          {route.view === "search" && <Searching route={route} me={me} />}
          {route.view === "content" && <ContentPage route={route} me={me} />}
          {route.view === "environment" && <EnvironmentPage route={route} me={me} />}
          {route.view === "data" && <DataPage me={me} />}
          {route.view === "people" && <People me={me} />}
          {route.view === "audit" && <AuditLog route={route} me={me} />}
        </main>
      )}
    </>
  );
}

let printed: FindingIndex | null = null;

async function printReport(model: Model): Promise<void> {
  printed = await model.findings();
  window.print();
}

/** What a report's page needs besides its views: the paper. */
function prepare(model: () => Model, paper: HTMLElement): void {
  const defs = document.createElement("div");
  document.body.append(defs);
  render(
    <svg class="defs" width="0" height="0" aria-hidden="true">
      <Hatch />
    </svg>,
    defs,
  );
  // The paper's findings are available when somebody prints without the button.
  void model().findings().then((all) => (printed = all));
  const show = (on: boolean) => render(on ? <PrintView model={model()} findings={printed} /> : null, paper);
  window.addEventListener("beforeprint", () => show(true));
  window.addEventListener("afterprint", () => show(false));
  const media = window.matchMedia("print");
  media.addEventListener("change", () => show(media.matches));
}

/** How often to poll a server, in milliseconds. */
const NEWS = 3000;

/** Shows a server's pages, and its case, which is another one when a hunt has ended. */
async function watch(root: HTMLElement, paper: HTMLElement): Promise<void> {
  let shown = 0;
  let current: Model | null = null;
  let me: Me | null = null;
  for (;;) {
    try {
      me ??= await server.me();
      const now: Status = await status();
      if (now.case && now.stored.events > 0 && now.case.number !== shown) {
        const model = await Model.load(new ServedSource(now.case.number, now.case.parts));
        if (!current) prepare(() => current ?? model, paper);
        current = model;
        printed = await model.findings();
        shown = now.case.number;
      }
      render(<ServerApp model={current} number={shown} now={now} me={me} />, root);
    } catch (error) {
      // The server may be restarting; keep showing the last case.
      if (!me || !root.firstElementChild) root.textContent = `The server cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
    }
    await new Promise((resolve) => setTimeout(resolve, NEWS));
  }
}

async function start(): Promise<void> {
  const root = document.getElementById("app");
  const paper = document.getElementById("paper");
  if (!root || !paper) return;
  if (document.documentElement.dataset["source"] === "server") return watch(root, paper);
  try {
    const model = await Model.load(new EmbeddedSource(document));
    render(<App model={model} />, root);
    prepare(() => model, paper);
  } catch (error) {
    root.textContent = `The report cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  }
}

void start();
