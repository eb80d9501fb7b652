import { useEffect, useState } from "preact/hooks";

export const VIEWS = ["overview", "findings", "attack", "hosts", "accounts", "coverage", "silenced"] as const;
export type View = (typeof VIEWS)[number];

/** Where the reader is. It stands in the address behind `#`, so that the browser's back works and a place can be noted down. */
export interface Route {
  view: View;
  params: Record<string, string>;
}

/** Parameters that belong to what is opened beside a view, and stay when the view changes. */
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

/** A link to a place: what is not named stays as it is, and null takes a parameter away. */
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

/** Replaces the place without a step for the browser's back, such as while a filter is typed. */
export function replace(view: View | null, params: Record<string, string | null> = {}): void {
  window.history.replaceState(null, "", to(view, params));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

export const closeDrawer = (): void => go(null, Object.fromEntries(DRAWER.map((name) => [name, null])));

export function useRoute(): Route {
  const [route, set] = useState(current);
  useEffect(() => {
    const changed = () => set(current());
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** What a promise gives, or why it failed. */
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
