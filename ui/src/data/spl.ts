import type { KnownFields, Language } from "./api";

/** A piece of a search's text, for colours. */
export interface Piece {
  kind: "text" | "string" | "command" | "function" | "keyword" | "number" | "macro" | "pipe" | "comment";
  text: string;
}

const PIECES = /(```[\s\S]*?(?:```|$))|("(?:\\.|[^"\\])*"?)|(`[^`]*`?)|([|[\]])|([A-Za-z_][\w.]*)|(\d+(?:\.\d+)?)|([\s\S])/g;
const KEYWORDS = new Set(["by", "as", "and", "or", "not", "in", "over", "output", "outputnew", "where", "like", "xor", "true", "false"]);

/** The text in pieces; joined they are the text. */
export function pieces(text: string): Piece[] {
  const all: Piece[] = [];
  let starts = false;
  const add = (kind: Piece["kind"], part: string) => {
    const last = all.at(-1);
    if (last && last.kind === kind) last.text += part;
    else all.push({ kind, text: part });
  };
  for (const match of text.matchAll(PIECES)) {
    const [part, comment, string, call, pipe, word, digits] = match;
    if (comment !== undefined) add("comment", part);
    else if (string !== undefined) add("string", part);
    else if (call !== undefined) add("macro", part);
    else if (pipe !== undefined) {
      add("pipe", part);
      starts = part !== "]";
      continue;
    } else if (word !== undefined) {
      if (starts) add("command", part);
      else if (text[(match.index ?? 0) + part.length] === "(") add("function", part);
      else if (KEYWORDS.has(part.toLowerCase())) add("keyword", part);
      else add("text", part);
    } else if (digits !== undefined) add("number", part);
    else {
      add("text", part);
      if (/\s/.test(part)) continue;
    }
    starts = false;
  }
  return all;
}

/** Something that may come next. */
export interface Offer {
  kind: "command" | "function" | "field" | "option" | "keyword" | "macro" | "lookup" | "model";
  /** What is inserted. */
  text: string;
  /** What it is, in a few words. */
  about: string;
}

export interface Offers {
  /** Where the word begins that is replaced. */
  from: number;
  offers: Offer[];
}

const AGGREGATE = new Set(["stats", "eventstats", "streamstats", "chart", "timechart", "tstats", "mstats", "sistats", "top", "rare"]);
const EVALUATE = new Set(["eval", "where", "fieldformat", "stats", "eventstats", "streamstats", "chart", "timechart"]);
const MOST = 50;

/** Where the command at the end of a text begins, outside of quotes. */
function segment(text: string): { start: number; quoted: boolean; inMacro: boolean } {
  let start = 0;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] ?? "";
    if (quote) {
      if (sign === "\\") at++;
      else if (sign === quote) quote = "";
    } else if (sign === '"' || sign === "`") quote = sign;
    else if (sign === "|" || sign === "[") start = at + 1;
  }
  return { start, quoted: quote === '"', inMacro: quote === "`" };
}

/** What may come at a place in a search. */
export function offersAt(text: string, caret: number, language: Language, fields: KnownFields): Offers {
  const before = text.slice(0, caret);
  const { start, quoted, inMacro } = segment(before);
  const word = /[A-Za-z_][\w.:-]*$/.exec(before)?.[0] ?? "";
  const from = caret - word.length;
  if (quoted) return { from, offers: [] };
  const all: Offer[] = [];
  const own = before.slice(start, from);
  const command = /^\s*([A-Za-z]\w*)/.exec(before.slice(start))?.[1]?.toLowerCase() ?? "";
  const usage = language.commands.find((one) => one.name === command || one.also.includes(command));
  if (inMacro) {
    for (const one of language.macros) all.push({ kind: "macro", text: one.name, about: one.arguments.length ? `(${one.arguments.join(", ")})` : "macro" });
  } else if (own.trim() === "" && start > 0) {
    for (const one of language.commands) all.push({ kind: "command", text: one.name, about: one.meaning });
  } else {
    const known = usage !== undefined && own.trim() !== "" ? usage : null;
    if (known && ["lookup", "inputlookup", "outputlookup"].includes(known.name)) for (const name of language.lookups) all.push({ kind: "lookup", text: name, about: "lookup" });
    if (known && ["datamodel", "from", "tstats"].includes(known.name)) for (const name of language.models) all.push({ kind: "model", text: name, about: "data model" });
    for (const one of known?.options ?? []) all.push({ kind: "option", text: `${one.name}=`, about: one.meaning });
    if (known && AGGREGATE.has(known.name)) for (const one of language.aggregations) all.push({ kind: "function", text: one.name, about: one.meaning });
    if (known && EVALUATE.has(known.name)) for (const one of language.functions) all.push({ kind: "function", text: one.name, about: one.meaning });
    if (known && /\b(?:by|as)\b/.test(known.syntax)) for (const one of ["by", "as"]) all.push({ kind: "keyword", text: one, about: "keyword" });
    if (!known) {
      for (const one of ["index=", "earliest=", "latest="]) all.push({ kind: "option", text: one, about: one === "index=" ? "where events are" : "limit of time, such as -24h@h" });
      if (start === 0 && own.trim() === "") for (const one of language.commands.filter((one) => one.name === "search")) all.push({ kind: "command", text: one.name, about: one.meaning });
    }
    for (const one of [...fields.fields].sort((a, b) => b.events - a.events)) all.push({ kind: "field", text: one.name, about: `field of ${one.events} events` });
  }
  const wanted = word.toLowerCase();
  const fits = (one: Offer) => one.text.toLowerCase().includes(wanted);
  const rank = (one: Offer) => (one.text.toLowerCase().startsWith(wanted) ? 0 : 1);
  const seen = new Set<string>();
  const offers = all.filter((one) => fits(one) && !seen.has(one.text) && seen.add(one.text)).sort((a, b) => rank(a) - rank(b));
  // What is whole already needs no help.
  return { from, offers: offers.length === 1 && offers[0]?.text === word ? [] : offers.slice(0, MOST) };
}

/** A text as a string of an expression. */
export const quotedText = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** A search over the same events whose field has this value, or has not. */
export function narrowed(events: string, field: string, value: string, only: boolean): string {
  const name = `'${field.replaceAll("'", "")}'`;
  const same = `${name}=${quotedText(value)}`;
  return `${events.trimEnd()} | where ${only ? same : `NOT ${same}`}`;
}
