import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { EmbeddedSource, ServedSource, status, type Status } from "./data/source";
import { FindingIndex, Model } from "./data/model";
import { number, when } from "./data/format";
import { to, useRoute, type View } from "./state";
import { ModelContext } from "./widgets/basics";
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

const TITLES: Record<View, string> = {
  overview: "Overview",
  findings: "Findings",
  attack: "ATT&CK",
  hosts: "Hosts",
  accounts: "Accounts",
  coverage: "Coverage",
  silenced: "Silenced",
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

function App({ model }: { model: Model }) {
  const route = useRoute();
  const { core } = model;
  const counts: Partial<Record<View, number>> = {
    findings: core.stats.findings,
    hosts: core.hosts.length,
    accounts: core.accounts.length,
    silenced: core.stats.suppressed,
  };
  useEffect(() => {
    document.title = `${TITLES[route.view]} – Crabwalk case`;
  }, [route.view]);
  const open = Boolean(route.params["hop"] || route.params["finding"] || route.params["event"]);
  return (
    <ModelContext.Provider value={model}>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>("main")?.focus();
      }}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={to("overview")} title={`${core.tool.name} ${core.tool.version}, ${when(core.created)} UTC`}>
          <svg width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
            <path d="M3 6h9v10h7M3 6a0 0 0 0 0 0 0M16 13l3 3-3 3" />
            <circle cx="3.5" cy="6" r="2.5" />
            <circle cx="12" cy="11" r="2.5" />
          </svg>
          Crabwalk
        </a>
        <nav aria-label="Views">
          {(Object.keys(TITLES) as View[]).map((view) => (
            <a key={view} href={to(view, { event: null, finding: null, hop: null })} aria-current={route.view === view ? "page" : undefined}>
              {TITLES[view]}
              {counts[view] !== undefined && <span class="count">{number(counts[view])}</span>}
            </a>
          ))}
        </nav>
        <SearchBox />
        <button type="button" class="icon" title="Print" aria-label="Print the report" onClick={() => void printReport(model)}>
          <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 6V1.5h8V6M4 12H1.5V6h13v6H12M4 9.5h8v5H4z" />
          </svg>
        </button>
        <ThemeButton />
      </header>
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
    </ModelContext.Provider>
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

/** Shows a server's case, and updates it as new ones arrive. */
async function watch(root: HTMLElement, paper: HTMLElement): Promise<void> {
  let shown = 0;
  let current: Model | null = null;
  for (;;) {
    try {
      const now: Status = await status();
      if (!now.case || now.stored.events === 0) {
        render(<Waiting status={now} />, root);
      } else if (now.case.number !== shown) {
        const model = await Model.load(new ServedSource(now.case.number, now.case.parts));
        if (!current) prepare(() => current ?? model, paper);
        current = model;
        printed = await model.findings();
        shown = now.case.number;
        render(<App key={shown} model={model} />, root);
      }
    } catch (error) {
      // The server may be restarting; keep showing the last case.
      if (shown === 0) root.textContent = `The server cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
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
