import dagre from "@dagrejs/dagre";
import { select } from "d3-selection";
import { curveBasis, line } from "d3-shape";
import { zoom, zoomIdentity, type ZoomBehavior, type ZoomTransform } from "d3-zoom";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, cut } from "../data/format";
import { UNKNOWN } from "../data/map";
import type { Model } from "../data/model";
import type { Hop } from "../data/types";
import { go, to } from "../state";
import { useModel } from "../widgets/basics";
import { useWidth } from "../widgets/size";

/** Maximum hosts in a graph: more would be unreadable. */
const MOST_HOSTS = 150;
const NODE = { width: 118, height: 40 };

interface Point {
  x: number;
  y: number;
}

interface Drawn {
  nodes: { id: string; x: number; y: number }[];
  edges: { from: string; to: string; hops: Hop[]; points: Point[] }[];
  width: number;
  height: number;
  left: number;
}

function layoutGraph(hops: readonly Hop[]): Drawn {
  const weight = new Map<string, number>();
  for (const hop of hops) {
    for (const id of [hop.src ?? UNKNOWN, hop.dst]) weight.set(id, (weight.get(id) ?? 0) + 1);
  }
  const kept = new Set([...weight].sort((a, b) => b[1] - a[1]).slice(0, MOST_HOSTS).map(([id]) => id));
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 46, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  const byPair = new Map<string, { from: string; to: string; hops: Hop[] }>();
  for (const hop of hops) {
    const [from, end] = [hop.src ?? UNKNOWN, hop.dst];
    if (!kept.has(from) || !kept.has(end)) continue;
    for (const id of [from, end]) graph.setNode(id, { ...NODE });
    const key = JSON.stringify([from, end]);
    const known = byPair.get(key);
    if (known) known.hops.push(hop);
    else byPair.set(key, { from, to: end, hops: [hop] });
  }
  for (const { from, to: end } of byPair.values()) if (from !== end) graph.setEdge(from, end, { width: 26, height: 16, labelpos: "c" });
  dagre.layout(graph);
  const size = graph.graph();
  return {
    nodes: graph.nodes().map((id) => ({ id, x: graph.node(id).x ?? 0, y: graph.node(id).y ?? 0 })),
    edges: [...byPair.values()].map((pair) => ({
      ...pair,
      points: pair.from === pair.to ? [] : ((graph.edge(pair.from, pair.to) as { points?: Point[] } | undefined)?.points ?? []),
    })),
    width: Math.max(NODE.width + 20, size.width ?? 0),
    height: Math.max(NODE.height + 20, size.height ?? 0),
    left: weight.size - kept.size,
  };
}

const smooth = line<Point>()
  .x((point) => point.x)
  .y((point) => point.y)
  .curve(curveBasis);

const spoken = (model: Model, from: string, end: string, hops: Hop[]) =>
  `${count(hops.length, "hop")} from ${model.hostName(from === UNKNOWN ? null : from)} to ${model.hostName(end)}: ${[...new Set(hops.flatMap((hop) => hop.techniques.slice(0, 1)))].join(", ")}`;

/** Text below this scale is unreadable; above the other it is too large. */
const LEAST_SCALE = 0.6;
const MOST_SCALE = 1.1;
const MOST_HEIGHT = 640;

export function HostGraph({ hops, selected }: { hops: Hop[]; selected: string | null }) {
  const model = useModel();
  const drawn = useMemo(() => layoutGraph(hops), [hops]);
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 254);
  const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, width / drawn.width));
  const height = Math.min(MOST_HEIGHT, drawn.height * scale + 4);
  const svg = useRef<SVGSVGElement>(null);
  const behaviour = useRef<ZoomBehavior<SVGSVGElement, unknown> | null>(null);
  const [transform, setTransform] = useState<ZoomTransform>(zoomIdentity);
  useEffect(() => {
    const node = svg.current;
    if (!node) return;
    behaviour.current = zoom<SVGSVGElement, unknown>()
      .scaleExtent([0.1, 8])
      .extent([
        [0, 0],
        [width, height],
      ])
      .filter((event: MouseEvent) => (event.type === "wheel" ? event.ctrlKey || event.metaKey : !event.button && event.type !== "dblclick"))
      .on("zoom", (event: { transform: ZoomTransform }) => setTransform(event.transform));
    select(node).call(behaviour.current);
    show(scale);
    return () => {
      select(node).on(".zoom", null);
    };
  }, [drawn, width, height]);
  /** Puts the graph at this scale, its top in the middle. */
  const show = (k: number) => {
    if (!svg.current || !behaviour.current) return;
    const left = Math.max(0, (width - drawn.width * k) / 2);
    select(svg.current).call(behaviour.current.transform, zoomIdentity.translate(left, 0).scale(k));
  };
  const by = (factor: number) => {
    if (svg.current && behaviour.current) select(svg.current).call(behaviour.current.scaleBy, factor);
  };
  const entry = model.entryHost();
  return (
    <div class="hostgraph" ref={box}>
        <div class="toolbar" role="toolbar" aria-label="Host graph">
          <button type="button" aria-label="Zoom into the graph" onClick={() => by(1.4)}>
            +
          </button>
          <button type="button" aria-label="Zoom out of the graph" onClick={() => by(1 / 1.4)}>
            −
          </button>
          <button
            type="button"
            aria-label="Fit the graph"
            onClick={() => show(Math.min(MOST_SCALE, width / drawn.width, height / drawn.height))}
          >
            Fit
          </button>
        </div>
      <svg
        ref={svg}
        width={width}
        height={height}
        role="group"
        aria-label={`Host graph: ${count(drawn.nodes.length, "host")}, ${count(drawn.edges.length, "connection")}`}
      >
        <defs>
          <marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
            <path d="M0 0L10 5L0 10z" class="edge-tip" />
          </marker>
        </defs>
        <g transform={transform.toString()}>
            {drawn.edges.map((edge) => {
              const middle = edge.points[Math.floor(edge.points.length / 2)];
              const chosen = edge.hops.some((hop) => hop.id === selected);
              const possible = !edge.hops.some((hop) => hop.happened);
              const first = edge.hops[0];
              if (edge.points.length === 0 || !middle || !first) return null;
              const text = spoken(model, edge.from, edge.to, edge.hops);
              const open = () => go(null, { hop: first.id, finding: null, event: null });
              return (
                <g
                  key={`${edge.from} ${edge.to}`}
                  class={`edge${chosen ? " selected" : ""}${possible ? " possible" : ""}`}
                  role="button"
                  tabIndex={0}
                  onClick={open}
                  onKeyDown={(event: KeyboardEvent) => {
                    if (event.key === "Enter" || event.key === " ") {
                      event.preventDefault();
                      open();
                    }
                  }}
                >
                  <title>{text}</title>
                  <path class="edge-target" d={smooth(edge.points) ?? ""} />
                  <path class="edge-line" d={smooth(edge.points) ?? ""} marker-end="url(#arrow)" />
                  <g aria-hidden="true" transform={`translate(${middle.x},${middle.y})`}>
                    <rect class="edge-label" x={-12} y={-9} width={24} height={18} rx={9} />
                    <text class="edge-count" text-anchor="middle" y={4}>
                      {edge.hops.length}
                    </text>
                  </g>
                </g>
              );
            })}
            {drawn.nodes.map((node) => {
              const host = model.hosts.get(node.id);
              const name = node.id === UNKNOWN ? "unknown" : model.hostName(node.id);
              const under = host?.role?.replaceAll("-", " ") ?? host?.ips[0] ?? "";
              const body = (
                <g
                  transform={`translate(${node.x - NODE.width / 2},${node.y - NODE.height / 2})`}
                  class={`node${node.id === entry ? " is-entry" : ""}${node.id === UNKNOWN ? " is-unknown" : ""}`}
                >
                  <rect {...NODE} rx={6} />
                  <text class="node-name" x={NODE.width / 2} y={17} text-anchor="middle">
                    {cut(name, 13)}
                  </text>
                  <text class="node-under" x={NODE.width / 2} y={31} text-anchor="middle">
                    {cut(node.id === entry ? "entry" : under, 18)}
                  </text>
                </g>
              );
              return node.id === UNKNOWN ? (
                <g key={node.id}>{body}</g>
              ) : (
                <a key={node.id} href={to("hosts", { id: node.id })}>
                  <title>{`Host ${[name, under, ...(host?.ips ?? [])].filter(Boolean).join(", ")}: dossier`}</title>
                  <g aria-hidden="true">{body}</g>
                </a>
              );
            })}
        </g>
      </svg>
      {drawn.left > 0 && <p class="quiet">{count(drawn.left, "more host")} with fewer hops; choose a path to see them.</p>}
    </div>
  );
}
