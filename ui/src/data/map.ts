import { scaleLinear, scaleUtc, type ScaleLinear, type ScaleTime } from "d3-scale";
import { micros } from "./model";
import type { Hop, Link } from "./types";

/** Lane of unknown sources. */
export const UNKNOWN = "?";

export type Spacing = "steps" | "time";

export interface MapHop {
  hop: Hop;
  /** Index in chronological order, from 0. */
  at: number;
  from: number;
  to: number;
  x: number;
  /** Seconds since the previous hop. */
  since: number | null;
}

export interface MapLayout {
  /** Host ids, or [`UNKNOWN`]. */
  lanes: string[];
  hops: MapHop[];
  links: { link: Link; lane: number; from: number; to: number }[];
  /** When the intruder arrives on a lane. */
  reached: Map<number, number>;
  /** Space between hops with even steps, or the mean space. */
  step: number;
  width: number;
  scale: ScaleTime<number, number> | null;
}

const EDGE = 34;
const LEAST_STEP = 98;

/** Lays out hops, in chronological order, on lanes. Even steps keep every hop readable, however far apart they are in time. */
export function layoutMap(hops: readonly Hop[], links: readonly Link[], spacing: Spacing, room: number): MapLayout {
  const lanes: string[] = [];
  const lane = (id: string) => {
    const known = lanes.indexOf(id);
    return known >= 0 ? known : lanes.push(id) - 1;
  };
  const ends = hops.map((hop) => ({ from: lane(hop.src ?? UNKNOWN), to: lane(hop.dst) }));
  const times = hops.map((hop) => micros(hop.first));
  const dated = times.filter((time) => time < Number.MAX_SAFE_INTEGER);
  const usable = Math.max(room, 200);
  const step = Math.max(LEAST_STEP, Math.min(220, (usable - EDGE * 2) / Math.max(1, hops.length)));
  let scale: ScaleTime<number, number> | null = null;
  let place: (at: number) => number;
  let width: number;
  if (spacing === "time" && dated.length > 0) {
    const first = Math.min(...dated) / 1000;
    const last = Math.max(...dated) / 1000;
    const pad = Math.max(1000, (last - first) * 0.02);
    width = usable;
    scale = scaleUtc()
      .domain([first - pad, last + pad])
      .range([EDGE, width - EDGE]);
    const fixed = scale;
    place = (at) => (times[at] === Number.MAX_SAFE_INTEGER ? width - EDGE : fixed((times[at] ?? 0) / 1000));
  } else {
    const even: ScaleLinear<number, number> = scaleLinear()
      .domain([0, Math.max(1, hops.length)])
      .range([EDGE, EDGE + step * Math.max(1, hops.length)]);
    width = EDGE * 2 + step * hops.length;
    place = (at) => even(at);
  }
  const placed = hops.map((hop, at): MapHop => {
    const before = times[at - 1];
    const now = times[at] ?? 0;
    return {
      hop,
      at,
      from: ends[at]?.from ?? 0,
      to: ends[at]?.to ?? 0,
      x: place(at),
      since: before === undefined || now === Number.MAX_SAFE_INTEGER ? null : (now - before) / 1e6,
    };
  });
  const byId = new Map(placed.map((one) => [one.hop.id, one]));
  const reached = new Map<number, number>();
  for (const one of placed) if (!one.hop.attempted && !reached.has(one.to)) reached.set(one.to, one.x);
  return {
    lanes,
    hops: placed,
    links: links.flatMap((link) => {
      const [a, b] = [byId.get(link.from), byId.get(link.to)];
      return a && b ? [{ link, lane: a.to, from: a.x, to: b.x }] : [];
    }),
    reached,
    step,
    width,
    scale,
  };
}
