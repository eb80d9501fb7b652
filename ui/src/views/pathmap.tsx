import { select } from "d3-selection";
import { zoom, zoomIdentity, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { clock, count, cut, day, duration, linkName, when, witnessName } from "../data/format";
import { UNKNOWN, layoutMap, type MapHop, type Spacing } from "../data/map";
import type { Model } from "../data/model";
import { WITNESS_KINDS, type Hop, type Kind, type Link } from "../data/types";
import { go, to } from "../state";
import { useModel } from "../widgets/basics";
import { useWidth } from "../widgets/size";

const GUTTER = 150;
const AXIS = 40;
const BAND = 6;

const LETTERS: Record<Kind, string> = {
  source: "S",
  "destination-logon": "L",
  "destination-execution": "X",
  "domain-controller": "D",
  network: "N",
};

/** The hop in words, for screen readers and tooltips. */
export function spokenHop(model: Model, hop: Hop): string {
  const seen = WITNESS_KINDS.filter((kind) => hop.witnesses.some((one) => one.kind === kind)).length;
  const technique = hop.techniques[0];
  return [
    `${when(hop.first)} ${model.hostName(hop.src)} to ${model.hostName(hop.dst)}`,
    hop.attempted ? "tried and refused" : "",
    hop.usual ? "daily work of its account" : "",
    technique ? `${technique} ${model.technique(technique)}`.trim() : "no technique known",
    `account ${model.accountName(hop.account)}`,
    ...hop.switches.map((one) => `credential switch from ${model.accountName(one.from)} to ${model.accountName(one.to)}`),
    `${seen} of ${WITNESS_KINDS.length} witnesses`,
    `confidence ${hop.confidence.toFixed(2)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

const clip = (text: string, width: number, letter = 6.3) => cut(text, Math.max(4, Math.floor(width / letter)));

/** Five cells: which kinds of witnesses saw a hop; the others are hatched. */
export function WitnessCells({ hop, x, y }: { hop: Hop; x: number; y: number }) {
  return (
    <g class="cells">
      {WITNESS_KINDS.map((kind, at) => {
        const seen = hop.witnesses.some((one) => one.kind === kind);
        const why = hop.missing.find((one) => one.kind === kind)?.why;
        return (
          <g key={kind} transform={`translate(${x + at * 14},${y})`} class={seen ? "cell-seen" : "cell-missing"}>
            <title>{`${witnessName[kind]}: ${seen ? "seen" : `not seen${why ? `, ${why}` : ""}`}`}</title>
            <rect width="12" height="12" rx="2" fill={seen ? undefined : "url(#hatch)"} />
            {seen && (
              <text x="6" y="9.5" text-anchor="middle">
                {LETTERS[kind]}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

export function Hatch() {
  return (
    <defs>
      <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="5" height="5" class="hatch-ground" />
        <line x1="0" y1="0" x2="0" y2="5" class="hatch-line" />
      </pattern>
    </defs>
  );
}

function Key({ x, y, title }: { x: number; y: number; title: string }) {
  return (
    <g transform={`translate(${x},${y})`} class="key" aria-hidden="true">
      <title>{title}</title>
      <circle r="9" />
      <path d="M-4.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0M.5 0H5.5M3.6 0v2.4M5.5 0v2" />
    </g>
  );
}

interface Props {
  hops: Hop[];
  links: Link[];
  selected: string | null;
  /** A map on paper: with this width, without controls. */
  printWidth?: number;
  legend?: boolean;
}

export function PathMap({ hops, links, selected, printWidth, legend = true }: Props) {
  const model = useModel();
  const box = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
  const area = useId();
  /** How far a map with many lanes is scrolled: its axis stays visible. */
  const [scrolled, setScrolled] = useState(0);
  const measured = useWidth(box, 860);
  const width = printWidth ?? measured;
  const room = width - GUTTER;
  const paper = printWidth !== undefined;
  const [spacing, setSpacing] = useState<Spacing>("steps");
  const [transform, setTransform] = useState<ZoomTransform>(zoomIdentity);
  const behaviour = useRef<ZoomBehavior<SVGSVGElement, unknown> | null>(null);
  const layout = useMemo(() => layoutMap(hops, links, spacing, room), [hops, links, spacing, room]);
  const selectedAt = layout.hops.findIndex((one) => one.hop.id === selected);
  const [active, setActive] = useState(0);

  const laneHeight = layout.lanes.length > 8 ? 56 : 66;
  const height = AXIS + layout.lanes.length * laneHeight + 6;
  const y = (lane: number) => AXIS + laneHeight * lane + laneHeight / 2 - 8;
  const x = (value: number) => transform.applyX(value);
  const step = layout.step * transform.k;

  useEffect(() => {
    const node = svg.current;
    if (!node || printWidth !== undefined) return;
    const least = Math.min(1, room / layout.width);
    behaviour.current = zoom<SVGSVGElement, unknown>()
      .scaleExtent([least, 400])
      .extent([
        [0, 0],
        [room, height],
      ])
      .translateExtent([
        [0, 0],
        [Math.max(layout.width, room), height],
      ])
      // The wheel alone scrolls the page.
      .filter((event: MouseEvent) => (event.type === "wheel" ? event.ctrlKey || event.metaKey : !event.button && event.type !== "dblclick"))
      .on("zoom", (event: { transform: ZoomTransform }) => setTransform(event.transform));
    select(node).call(behaviour.current).call(behaviour.current.transform, zoomIdentity);
    return () => {
      select(node).on(".zoom", null);
    };
  }, [layout, room, height]);

  const zoomBy = (factor: number) => {
    if (svg.current && behaviour.current) select(svg.current).call(behaviour.current.scaleBy, factor);
  };
  const panBy = (pixels: number) => {
    if (svg.current && behaviour.current) select(svg.current).call(behaviour.current.translateBy, pixels / transform.k, 0);
  };
  const fit = (all: boolean) => {
    if (!svg.current || !behaviour.current) return;
    const k = all ? Math.min(1, room / layout.width) : 1;
    select(svg.current).call(behaviour.current.transform, zoomIdentity.scale(k));
  };

  // Keep the opened hop visible, wherever it was opened.
  useEffect(() => {
    const one = layout.hops[selectedAt];
    if (!one || paper) return;
    setActive(selectedAt);
    const now = x(one.x);
    if (now < 10 || now > room - 100) panBy(room / 3 - now);
  }, [selected, layout]);

  const focusHop = (next: number) => {
    const at = Math.max(0, Math.min(layout.hops.length - 1, next));
    const one = layout.hops[at];
    if (!one) return;
    setActive(at);
    const now = x(one.x);
    if (now < 20 || now > room - 90) panBy(room / 3 - now);
    requestAnimationFrame(() => svg.current?.querySelector<SVGElement>(`[data-hop="${at}"]`)?.focus());
  };
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      ArrowRight: () => (event.shiftKey ? panBy(-80) : focusHop(active + 1)),
      ArrowLeft: () => (event.shiftKey ? panBy(80) : focusHop(active - 1)),
      Home: () => focusHop(0),
      End: () => focusHop(layout.hops.length - 1),
      "+": () => zoomBy(1.4),
      "=": () => zoomBy(1.4),
      "-": () => zoomBy(1 / 1.4),
      "0": () => fit(true),
    };
    const act = acts[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  };

  const entryHost = model.entryHost();
  const startHost = hops[0]?.src ?? null;
  return (
    <div class="pathmap" ref={box}>
      {!paper && (
        <div class="toolbar" role="toolbar" aria-label="Path map">
          <div class="segmented" role="group" aria-label="Spacing of the map">
            <button type="button" aria-pressed={spacing === "steps"} onClick={() => setSpacing("steps")}>
              Even steps
            </button>
            <button type="button" aria-pressed={spacing === "time"} onClick={() => setSpacing("time")}>
              To scale
            </button>
          </div>
          <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoomBy(1.4)}>
            +
          </button>
          <button type="button" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoomBy(1 / 1.4)}>
            −
          </button>
          <button type="button" aria-label="Fit all hops" title="Show all (0)" onClick={() => fit(true)}>
            Fit
          </button>
        </div>
      )}
      <div class={paper ? undefined : "map-lanes"} onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}>
      <svg
        ref={svg}
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="group"
        aria-label={`Path map: ${count(hops.length, "hop")} between ${count(layout.lanes.length, "host")}, in chronological order. Left and right go from hop to hop, Enter opens one, plus and minus zoom.`}
        onKeyDown={keys}
      >
        <defs>
          <clipPath id={area}>
            <rect x={GUTTER} y={0} width={Math.max(0, room)} height={height} />
          </clipPath>
        </defs>
        {layout.lanes.map((id, lane) => (
          <g key={id}>
            {lane % 2 === 0 && <rect class="lane-ground" x={0} y={AXIS + lane * laneHeight} width={width} height={laneHeight} />}
            <line class="lane" x1={GUTTER} x2={width} y1={y(lane)} y2={y(lane)} />
          </g>
        ))}
        <g clip-path={`url(#${area})`}>
          <g transform={`translate(${GUTTER},0)`}>
            <Axis part="lines" hops={layout.hops} x={x} step={step} height={height} scale={layout.scale ? transform.rescaleX(layout.scale) : null} />
            {[...layout.reached].map(([lane, from]) => (
              <line key={lane} class="reached" x1={x(from)} x2={Math.max(x(from), room)} y1={y(lane)} y2={y(lane)}>
                <title>{`${model.hostName(layout.lanes[lane] ?? null)}: reached`}</title>
              </line>
            ))}
            {layout.links.map(({ link, lane, from, to: end }) => (
              <line key={`${link.from} ${link.to}`} class={`link ${link.kind}`} x1={x(from)} x2={x(end)} y1={y(lane)} y2={y(lane)}>
                <title>{`the next hop follows: ${linkName[link.kind]} (certainty ${link.certainty.toFixed(2)})`}</title>
              </line>
            ))}
            {layout.hops.map((one) => (
              <Arrow
                key={one.hop.id}
                one={one}
                x={x(one.x)}
                y={y}
                step={spacing === "steps" ? step : gap(layout.hops, one.at, x)}
                laneHeight={laneHeight}
                selected={one.hop.id === selected}
                focusable={!paper && one.at === Math.min(active, layout.hops.length - 1)}
                onFocus={() => setActive(one.at)}
                paper={paper}
              />
            ))}
          </g>
        </g>
        {layout.lanes.map((id, lane) => {
          const host = model.hosts.get(id);
          const name = id === UNKNOWN ? "unknown source" : model.hostName(id);
          const under = id === UNKNOWN ? "no log names it" : (host?.role?.replaceAll("-", " ") ?? host?.ips[0] ?? "");
          const mark = id === UNKNOWN ? "" : id === entryHost ? "ENTRY" : id === startHost ? "START" : "";
          const label = (
            <>
              <rect class={id === UNKNOWN ? "lane-label is-unknown" : "lane-label"} x={4} y={y(lane) - 18} width={GUTTER - 12} height={36} rx={5} />
              <text class="lane-name" x={12} y={y(lane) - 2}>
                {clip(name, GUTTER - 28, 8.4)}
              </text>
              <text class="lane-under" x={12} y={y(lane) + 12}>
                {clip(under, GUTTER - (mark ? 66 : 28))}
              </text>
              {mark && (
                <g class={mark === "ENTRY" ? "entry" : "entry is-start"} transform={`translate(${GUTTER - 50},${y(lane) + 2})`}>
                  <rect width="38" height="13" rx="3" />
                  <text x="19" y="10" text-anchor="middle">
                    {mark}
                  </text>
                </g>
              )}
            </>
          );
          return id === UNKNOWN || paper ? (
            <g key={id}>{label}</g>
          ) : (
            <a key={id} href={to("hosts", { id })}>
              <title>{`Host ${[name, ...(host?.ips ?? []), under].filter(Boolean).join(", ")}${mark === "ENTRY" ? ", the entry" : mark ? ", where the path begins" : ""}: dossier`}</title>
              <g aria-hidden="true">{label}</g>
            </a>
          );
        })}
        <g clip-path={`url(#${area})`}>
          {scrolled > 0 && <rect class="axis-ground" x={GUTTER - 8} y={scrolled} width={width} height={AXIS - 6} />}
          <g transform={`translate(${GUTTER},${scrolled})`}>
            <Axis part="times" hops={layout.hops} x={x} step={step} height={height} scale={layout.scale ? transform.rescaleX(layout.scale) : null} />
          </g>
        </g>
      </svg>
      </div>
      {legend && <Legend />}
    </div>
  );
}

const gap = (hops: MapHop[], at: number, x: (value: number) => number): number => {
  const [here, next] = [hops[at], hops[at + 1]];
  return here && next ? x(next.x) - x(here.x) : 200;
};

function Axis(props: { part: "lines" | "times"; hops: MapHop[]; x: (value: number) => number; step: number; height: number; scale: ReturnType<typeof layoutMap>["scale"] }) {
  const { hops, x, step, height, scale } = props;
  const lines = props.part === "lines";
  if (scale) {
    const format = scale.tickFormat();
    return (
      <g class="axis">
        {scale.ticks(8).map((tick) => (
          <g key={tick.getTime()} transform={`translate(${scale(tick)},0)`}>
            {lines ? (
              <line y1={AXIS - 8} y2={height} />
            ) : (
              <text x={3} y={AXIS - 12}>
                {format(tick)}
              </text>
            )}
          </g>
        ))}
      </g>
    );
  }
  // Even steps: the time of each hop with enough space, and the time since the previous one.
  const every = Math.max(1, Math.ceil(62 / step));
  let lastDay = "";
  return (
    <g class="axis">
      {hops.map((one) => {
        if (one.at % every !== 0) return null;
        const today = day(one.hop.first);
        const newDay = today !== lastDay;
        lastDay = today;
        const passed = one.since !== null && one.since >= 60 && step > 100 ? `+${duration(one.since)}` : "";
        if (lines) return <line key={one.hop.id} x1={x(one.x)} x2={x(one.x)} y1={AXIS - 8} y2={height} />;
        return (
          <g key={one.hop.id} transform={`translate(${x(one.x)},0)`}>
            {newDay && (
              <text class="axis-day" x={-4} y={12}>
                {today}
              </text>
            )}
            <text x={-4} y={AXIS - 13} class="axis-time">
              {clock(one.hop.first)}
            </text>
            {passed && (
              <text x={54} y={AXIS - 13} class="axis-since">
                {passed}
              </text>
            )}
          </g>
        );
      })}
    </g>
  );
}

interface ArrowProps {
  one: MapHop;
  x: number;
  y: (lane: number) => number;
  step: number;
  laneHeight: number;
  selected: boolean;
  focusable: boolean;
  onFocus: () => void;
  paper: boolean;
}

function Arrow({ one, x, y, step, laneHeight, selected, focusable, onFocus, paper }: ArrowProps) {
  const model = useModel();
  const { hop } = one;
  const [start, end] = [y(one.from), y(one.to)];
  const self = start === end;
  const down = end >= start;
  const direction = down ? 1 : -1;
  const tip = end - direction * 4;
  const base = start + direction * 5;
  const neck = tip - direction * 10;
  const middle = (base + neck) / 2;
  const seen = (kind: Kind) => hop.witnesses.some((witness) => witness.kind === kind);
  const sourceSeen = seen("source");
  const destinationSeen = seen("destination-logon") || seen("destination-execution");
  const atStart = hop.switches.find((one) => one.where !== "destination");
  const atEnd = hop.switches.find((one) => one.where === "destination");
  const technique = hop.techniques[0];
  // Tall lanes have space for the technique's name below its id.
  const named = laneHeight >= 64 && technique !== undefined;
  const used = model.accountShort(hop.account);
  const account =
    step > 150 && hop.actor !== null && hop.used !== null && hop.actor !== hop.used
      ? `${model.accountShort(hop.actor)} ⇒ ${used}`
      : `${atStart ? "⇒ " : ""}${used}`;
  // Beside the arrow, in the gap before the lane that it reaches.
  const top = down ? end - laneHeight + 13 : end + 15;
  const room = Math.max(30, step - 18);
  const band = (from: number, to: number, ok: boolean) => (
    <rect
      class={ok ? "band" : "band missing"}
      x={-BAND / 2}
      width={BAND}
      y={Math.min(from, to)}
      height={Math.abs(to - from)}
    />
  );
  const classes = ["hop", hop.standing, selected ? "selected" : ""];
  const show = step > 26;
  const description = spokenHop(model, hop);
  return (
    <g
      class={classes.filter(Boolean).join(" ")}
      transform={`translate(${x},0)`}
      {...(paper
        ? {}
        : {
            role: "button",
            tabIndex: focusable ? 0 : -1,
            "data-hop": one.at,
            "aria-pressed": selected,
            onFocus,
            onClick: () => go(null, { hop: hop.id, finding: null, event: null }),
            onKeyDown: (event: KeyboardEvent) => {
              if (event.key === "Enter" || event.key === " ") {
                event.preventDefault();
                go(null, { hop: hop.id, finding: null, event: null });
              }
            },
          })}
    >
      {/* The title is also the button's name. */}
      <title>{`Hop ${one.at + 1}: ${description}`}</title>
      <rect
        class="hop-target"
        x={-10}
        y={Math.min(start, end, top - 12) - 6}
        width={show ? Math.min(step, room + 24) : Math.max(12, Math.min(step, 20))}
        height={Math.max(start, end, top + (named ? 43 : 30)) - Math.min(start, end, top - 12) + 12}
        rx={6}
      />
      {self ? (
        <path class="self" d={`M0 ${start - 6}c18 -22 18 34 0 12`} />
      ) : (
        <>
          {band(base, middle, sourceSeen)}
          {band(middle, neck, destinationSeen)}
          <path class="tip" d={`M-8 ${neck}L8 ${neck}L0 ${tip}Z`} />
        </>
      )}
      <circle class="origin" r={4.5} cy={start} />
      {hop.attempted && <path class="refused" d={`M-6 ${end - 6}l12 12m0 -12l-12 12`} />}
      {atStart && (
        <Key
          x={0}
          y={base + direction * 9}
          title={`credential switch: ${model.accountName(atStart.from)} ⇒ ${model.accountName(atStart.to)}`}
        />
      )}
      {atEnd && (
        <Key
          x={0}
          y={neck - direction * 10}
          title={`credential switch on the destination: ${model.accountName(atEnd.from)} ⇒ ${model.accountName(atEnd.to)}`}
        />
      )}
      {show && (
        // The button's name has the complete text.
        <g aria-hidden="true">
          <text class="hop-technique" x={12} y={top}>
            {technique ?? "unknown"}
          </text>
          {named && (
            <text class="hop-name" x={12} y={top + 13}>
              {clip(model.technique(technique), room, 6.9)}
            </text>
          )}
          <text class="hop-account" x={12} y={top + (named ? 26 : 13)}>
            {clip(account, room, 6.9)}
          </text>
          <WitnessCells hop={hop} x={12} y={top + (named ? 31 : 18)} />
        </g>
      )}
    </g>
  );
}

function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li>
        <svg width="76" height="14" aria-hidden="true">
          {WITNESS_KINDS.map((kind, at) => (
            <g key={kind} transform={`translate(${at * 14},1)`} class="cells cell-seen">
              <rect width="12" height="12" rx="2" />
              <text x="6" y="9.5" text-anchor="middle">
                {LETTERS[kind]}
              </text>
            </g>
          ))}
        </svg>
        witnesses: source, logon on the destination, execution (X) there, domain controller, network
      </li>
      <li>
        <svg width="16" height="14" aria-hidden="true">
          <rect x="1" y="1" width="12" height="12" rx="2" class="cell-missing" fill="url(#hatch)" />
        </svg>
        no evidence
      </li>
      <li>
        <svg width="22" height="20" aria-hidden="true">
          <g transform="translate(10,10)" class="key">
            <circle r="9" />
            <path d="M-4.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0M.5 0H5.5M3.6 0v2.4M5.5 0v2" />
          </g>
        </svg>
        credential switch
      </li>
      <li>
        <svg width="26" height="10" aria-hidden="true">
          <line class="reached" x1="0" x2="26" y1="5" y2="5" />
        </svg>
        host reached
      </li>
      <li>
        <svg width="26" height="10" aria-hidden="true">
          <line class="link session-causal" x1="0" x2="26" y1="5" y2="5" />
        </svg>
        the next hop follows from it (dashed: a session, dotted: possible by time)
      </li>
    </ul>
  );
}
