import { useEffect, useState } from "preact/hooks";

/** Views of a case. */
export const CASE_VIEWS = ["overview", "findings", "attack", "hosts", "accounts", "coverage", "silenced"] as const;
/** Pages that only a server has. */
export const PAGES = ["inbox", "search", "content", "environment", "data", "people", "audit"] as const;
export type CaseView = (typeof CASE_VIEWS)[number];
export type ServerPage = (typeof PAGES)[number];
export type View = CaseView | ServerPage;
const VIEWS: readonly View[] = [...CASE_VIEWS, ...PAGES];

/** The reader's location. It is in the URL after `#`, so that the browser's back button works and a place can be bookmarked. */
export interface Route {
  view: View;
  params: Record<string, string>;
}

/** Parameters of the panel beside a view, which stay when the view changes. */
const DRAWER = ["hop", "finding", "event", "account-of"] as const;

export function parseRoute(hash: string): Route {
  const [name, query] = hash.replace(/^#\/?/, "").split("?");
  const view = VIEWS.find((one) => one === name) ?? "overview";
  return { view, params: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

export function formatRoute(route: Route): string {
  const query = new URLSearchParams(route.params).toString();
  return `#/${route.view}${query ? `?${query}` : ""}`;
}

export const current = (): Route => parseRoute(window.location.hash);

/** A link to a place: parameters not given stay unchanged, and null removes one. */
export function to(view: View | null, params: Record<string, string | null> = {}): string {
  const now = current();
  const kept = view === null || view === now.view ? now.params : {};
  const next: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...kept, ...params })) if (value !== null) next[name] = value;
  return formatRoute({ view: view ?? now.view, params: next });
}

export function go(view: View | null, params: Record<string, string | null> = {}): void {
  window.location.hash = to(view, params);
}

/** Replaces the place without a history entry, for instance while a filter is being typed. */
export function replace(view: View | null, params: Record<string, string | null> = {}): void {
  window.history.replaceState(null, "", to(view, params));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export const closeDrawer = (): void => go(null, Object.fromEntries(DRAWER.map((name) => [name, null])));

export function useRoute(): Route {
  const [route, set] = useState(current);
  useEffect(() => {
    const changed = () => {
      const now = current();
      set((before) => (formatRoute(before) === formatRoute(now) ? before : now));
    };
    window.addEventListener("hashchange", changed);
    // The place may have changed since it was first read.
    changed();
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** The result of a promise, or its error. */
export type Loaded<T> = { value: T } | { error: string } | null;

export function useLoaded<T>(load: () => Promise<T>, keys: readonly unknown[]): Loaded<T> {
  const [state, set] = useState<Loaded<T>>(null);
  useEffect(() => {
    let live = true;
    set(null);
    load().then(
      (value) => live && set({ value }),
      (error: unknown) => live && set({ error: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      live = false;
    };
  }, keys);
  return state;
}
