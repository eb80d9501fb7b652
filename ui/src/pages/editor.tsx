import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { KnownFields, Language, Place } from "../data/api";
import { offersAt, pieces, type Offers } from "../data/spl";

interface Props {
  text: string;
  change: (text: string) => void;
  run: () => void;
  problems: readonly Place[];
  warnings: readonly Place[];
  /** What may be offered; null while it is not known. */
  known: { language: Language; fields: KnownFields } | null;
}

/** Width of the offers, in pixels, and how many are in sight. */
const WIDTH = 540;
const SIGHT = 9;

/** The node and offset of a place in the text of an element. */
function placeIn(root: Node, at: number): [Node, number] {
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let left = at;
  let last: Node = root;
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const length = node.nodeValue?.length ?? 0;
    if (left <= length) return [node, left];
    left -= length;
    last = node;
  }
  return [last, last.nodeValue?.length ?? 0];
}

const marked = (text: string, places: readonly { from: number; to: number; kind: string }[], at: number): { text: string; mark: string }[] => {
  const out: { text: string; mark: string }[] = [];
  for (let from = 0; from < text.length; ) {
    const here = places.find((one) => one.from <= at + from && at + from < one.to);
    const next = Math.min(
      ...places.flatMap((one) => [one.from, one.to]).filter((one) => one > at + from).map((one) => one - at),
      text.length,
    );
    out.push({ text: text.slice(from, next), mark: here?.kind ?? "" });
    from = next;
  }
  return out;
};

/** An editor for searches: a text field over its coloured text, with offers at the caret and problems underlined. */
export function Editor({ text, change, run, problems, warnings, known }: Props) {
  const input = useRef<HTMLTextAreaElement>(null);
  const back = useRef<HTMLPreElement>(null);
  const [offers, setOffers] = useState<Offers | null>(null);
  const [chosen, setChosen] = useState(-1);
  const [place, setPlace] = useState({ left: 0, top: 0 });
  const caret = useRef<number | null>(null);
  const id = useId();

  useLayoutEffect(() => {
    if (caret.current === null || !input.current) return;
    input.current.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  }, [text]);

  // What was typed before the language was known gets its offers then.
  useEffect(() => {
    if (known && input.current && document.activeElement === input.current) look(input.current.value, false);
  }, [known]);

  const look = (value: string, asked: boolean) => {
    const at = input.current?.selectionStart ?? value.length;
    if (!known) return;
    const found = offersAt(value, at, known.language, known.fields);
    const word = value.slice(found.from, at);
    setChosen(asked ? 0 : -1);
    if (found.offers.length === 0 || (!asked && word.length === 0)) return setOffers(null);
    setOffers(found);
    // The coloured text behind the field is drawn with the next frame.
    requestAnimationFrame(() => {
      if (!back.current) return;
      const range = document.createRange();
      range.setStart(...placeIn(back.current, found.from));
      const box = range.getBoundingClientRect();
      const own = back.current.getBoundingClientRect();
      setPlace({ left: Math.max(0, Math.min(box.left - own.left, own.width - Math.min(WIDTH, own.width))), top: (box.bottom || own.top + 28) - own.top + 4 });
    });
  };
  const take = (at: number) => {
    const offer = offers?.offers[at];
    if (!offer || !offers) return;
    const end = input.current?.selectionStart ?? text.length;
    const space = offer.kind === "command" || offer.kind === "keyword" ? " " : offer.kind === "function" ? "(" : "";
    const next = text.slice(0, offers.from) + offer.text + space + text.slice(end);
    caret.current = offers.from + offer.text.length + space.length;
    setOffers(null);
    change(next);
    input.current?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      look(text, true);
      return;
    }
    if (offers) {
      const count = offers.offers.length;
      const moves: Record<string, number> = { ArrowDown: (chosen + 1) % count, ArrowUp: (chosen <= 0 ? count : chosen) - 1 };
      const move = moves[event.key];
      if (move !== undefined) {
        event.preventDefault();
        setChosen(move);
        return;
      }
      if (event.key === "Tab" && !event.shiftKey) {
        event.preventDefault();
        take(Math.max(0, chosen));
        return;
      }
      if (event.key === "Enter" && chosen >= 0) {
        event.preventDefault();
        take(chosen);
        return;
      }
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        setOffers(null);
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      setOffers(null);
      run();
    }
  };

  const end = (one: Place) => Math.max(one.end, one.start + 1);
  const places = [
    ...problems.map((one) => ({ from: one.start, to: end(one), kind: "wrong" })),
    ...warnings.map((one) => ({ from: one.start, to: end(one), kind: "doubtful" })),
  ];
  const open = offers !== null;
  const first = Math.max(0, chosen - SIGHT + 1);
  let at = 0;
  return (
    <div class="editor">
      <pre class="editor-back" ref={back} aria-hidden="true">
        {pieces(text).flatMap((piece, number) => {
          const parts = marked(piece.text, places, at);
          at += piece.text.length;
          return parts.map((part, inner) => (
            <span key={`${number}-${inner}`} class={`spl-${piece.kind} ${part.mark}`}>
              {part.text}
            </span>
          ));
        })}
        {/* A field shows the line behind a last line feed; a text does not. */}
        {places.some((one) => one.from >= text.length) ? <span class="wrong"> </span> : "\u200b"}
      </pre>
      <textarea
        ref={input}
        class="editor-field"
        aria-label="Search, in SPL"
        aria-describedby={`${id}-help`}
        aria-autocomplete="list"
        aria-controls={open ? `${id}-offers` : undefined}
        aria-activedescendant={open && chosen >= 0 ? `${id}-${chosen}` : undefined}
        aria-invalid={problems.length > 0}
        rows={1}
        spellcheck={false}
        autocapitalize="off"
        autocomplete="off"
        value={text}
        onInput={(event) => {
          change(event.currentTarget.value);
          look(event.currentTarget.value, false);
        }}
        onKeyDown={keys}
        onClick={() => setOffers(null)}
        onBlur={() => setTimeout(() => setOffers(null), 150)}
      />
      {open && (
        <div class="offers" style={{ left: `${place.left}px`, top: `${place.top}px` }}>
          <ul id={`${id}-offers`} role="listbox" aria-label="Offers">
            {offers.offers.slice(first, first + SIGHT).map((one, at) => (
              <li
                key={one.text}
                id={`${id}-${first + at}`}
                role="option"
                aria-selected={first + at === chosen}
                aria-setsize={offers.offers.length}
                aria-posinset={first + at + 1}
                onMouseDown={(event) => {
                  event.preventDefault();
                  take(first + at);
                }}
              >
                <span class="mono">{one.text}</span>
                <span class="offer-kind">{one.kind}</span>
                <span class="offer-about">{one.about}</span>
              </li>
            ))}
          </ul>
          <p class="quiet">
            {offers.offers.length > SIGHT && `${offers.offers.length} offers. `}Tab takes the first or chosen one; arrows choose.
          </p>
        </div>
      )}
      <p id={`${id}-help`} class="visually-hidden">
        Enter runs the search, Shift and Enter begin a new line, Control and Space offer what may come next.
      </p>
    </div>
  );
}

/** Problems with their places, in words. */
export function Problems({ of, kind }: { of: readonly Place[]; kind: "wrong" | "doubtful" }) {
  if (of.length === 0) return null;
  return (
    <div role={kind === "wrong" ? "alert" : undefined}>
      <ul class={`problems is-${kind}`} aria-label={kind === "wrong" ? "Errors" : "Likely mistakes"}>
        {of.map((one, at) => (
          <li key={at}>
            <span class="mono">
              line {one.line}, column {one.column}:
            </span>{" "}
            {one.message}
            {one.note && <span class="problem-more">{one.note}</span>}
            {one.help && <span class="problem-more">{one.help}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
