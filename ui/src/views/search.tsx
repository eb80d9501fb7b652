import { useEffect, useRef, useState } from "preact/hooks";
import { number } from "../data/format";
import { searchAll, type Hit, type SearchState } from "../data/search";
import { to } from "../state";
import { useModel } from "../widgets/basics";

/** A search box over everything: `/` focuses it, arrow keys go through the results. */
export function SearchBox() {
  const model = useModel();
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [state, setState] = useState<SearchState | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (text.trim().length < 2) {
      setState(null);
      return;
    }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      searchAll(model, text, setState, stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) setState({ hits: [], more: new Map([[String(error), 0]]), done: true, progress: 1 });
      });
    }, 150);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);

  useEffect(() => {
    const keys = (event: KeyboardEvent) => {
      const typing = (event.target as HTMLElement).closest("input,select,textarea");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        input.current?.focus();
      }
    };
    const outside = (event: MouseEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    window.addEventListener("keydown", keys);
    window.addEventListener("mousedown", outside);
    return () => {
      window.removeEventListener("keydown", keys);
      window.removeEventListener("mousedown", outside);
    };
  }, []);

  const move = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      setOpen(false);
      input.current?.focus();
      return;
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...(box.current?.querySelectorAll<HTMLElement>(".search-results a") ?? [])];
    const at = links.indexOf(document.activeElement as HTMLElement);
    const next = event.key === "ArrowDown" ? links[at + 1] : at <= 0 ? input.current : links[at - 1];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  };

  const groups = new Map<Hit["group"], Hit[]>();
  for (const hit of state?.hits ?? []) groups.set(hit.group, [...(groups.get(hit.group) ?? []), hit]);
  const shown = open && text.trim().length >= 2;
  return (
    <div class="search" role="search" ref={box} onKeyDown={move}>
      <input
        ref={input}
        type="search"
        placeholder="Search everything   /"
        aria-label="Search everything: hosts, accounts, hops, findings, dossiers, raw records"
        value={text}
        onFocus={() => setOpen(true)}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
        }}
      />
      {shown && (
        <div class="search-results">
          <p class="quiet" role="status">
            {state === null
              ? "Searching…"
              : state.done
                ? state.hits.length
                  ? `${number(state.hits.length + [...state.more.values()].reduce((sum, one) => sum + one, 0))} found`
                  : "Nothing found"
                : `Searching… ${Math.round(state.progress * 100)} %`}
          </p>
          {[...groups].map(([group, hits]) => (
            <section key={group}>
              <h2>
                {group}
                {state?.more.get(group) ? <span class="quiet"> and {number(state.more.get(group) ?? 0)} more</span> : ""}
              </h2>
              <ul>
                {hits.map((hit, at) => (
                  <li key={at}>
                    <a href={to(hit.view, hit.params)} onClick={() => setOpen(false)}>
                      <strong>{hit.title}</strong>
                      <span>{hit.detail}</span>
                    </a>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </div>
      )}
    </div>
  );
}
