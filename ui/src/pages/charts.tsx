import { scaleLinear } from "d3-scale";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Answer } from "../data/api";
import { cut, number } from "../data/format";
import { ofSeconds } from "../data/time";
import { useWidth } from "../widgets/size";

/** The number of a value, or null. */
export function numeric(value: string | string[] | null | undefined): number | null {
  if (typeof value !== "string" || value.trim() === "") return null;
  const found = Number(value);
  return Number.isFinite(found) ? found : null;
}

interface Bar {
  /** Seconds since 1970. */
  start: number;
  count: number;
}

/** The bars of a `timechart count`. */
export function barsOf(answer: Answer): Bar[] {
  return answer.rows.flatMap((row) => {
    const start = numeric(row[0]);
    return start === null ? [] : [{ start, count: numeric(row[1]) ?? 0 }];
  });
}

const HEIGHT = 92;

/** Events over time. A range is chosen with the pointer, or with arrow keys, Shift and Enter. */
export function Histogram({ bars, choose }: { bars: readonly Bar[]; choose: (from: number, to: number) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 800);
  const [range, setRange] = useState<[number, number] | null>(null);
  const [drag, setDrag] = useState<number | null>(null);
  useEffect(() => setRange(null), [bars]);
  const first = bars[0];
  const last = bars.at(-1);
  if (!first || !last) return null;
  const step = bars.length > 1 ? (bars[1]?.start ?? first.start + 1) - first.start : 3600;
  const most = Math.max(1, ...bars.map((one) => one.count));
  const y = scaleLinear([0, most], [HEIGHT - 18, 4]);
  const each = width / bars.length;
  const at = (event: PointerEvent) => {
    const own = (event.currentTarget as Element).getBoundingClientRect();
    return Math.max(0, Math.min(bars.length - 1, Math.floor((event.clientX - own.left) / each)));
  };
  const [from, to] = range ? [Math.min(...range), Math.max(...range)] : [-1, -1];
  const zoom = (one: number, other: number) => {
    const start = bars[Math.min(one, other)];
    const end = bars[Math.max(one, other)];
    if (start && end) choose(start.start, end.start + step);
  };
  const keys = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -bars.length, End: bars.length };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      const [anchor, head] = range ?? [0, move < 0 ? 0 : -1];
      const next = Math.max(0, Math.min(bars.length - 1, head + move));
      setRange(event.shiftKey && range ? [anchor, next] : [next, next]);
    } else if (event.key === "Enter" && range) {
      event.preventDefault();
      zoom(...range);
    } else if (event.key === "Escape" && range) {
      event.stopPropagation();
      setRange(null);
    }
  };
  const inRange = bars.slice(from, to + 1).reduce((sum, one) => sum + one.count, 0);
  const words = range
    ? `${ofSeconds(bars[from]?.start ?? 0)} – ${ofSeconds((bars[to]?.start ?? 0) + step)}: ${number(inRange)} events. Enter narrows to it.`
    : `${number(bars.reduce((sum, one) => sum + one.count, 0))} events, ${number(bars.length)} bars. Drag, or use arrow keys with Shift, to narrow.`;
  return (
    <div class="histogram">
      <div
        ref={box}
        class="histogram-box"
        role="application"
        aria-roledescription="histogram"
        aria-label={`Events over time: ${words}`}
        tabIndex={0}
        onKeyDown={keys}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag(at(event));
          setRange([at(event), at(event)]);
        }}
        onPointerMove={(event) => drag !== null && setRange([drag, at(event)])}
        onPointerUp={(event) => {
          if (drag !== null && at(event) !== drag) zoom(drag, at(event));
          setDrag(null);
        }}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true">
          {range && <rect class="histogram-range" x={from * each} y={0} width={(to - from + 1) * each} height={HEIGHT - 18} />}
          {bars.map((one, place) => (
            <rect key={one.start} class="histogram-bar" x={place * each + 0.5} y={y(one.count)} width={Math.max(1, each - 1)} height={HEIGHT - 18 - y(one.count)}>
              <title>{`${ofSeconds(one.start)}: ${number(one.count)}`}</title>
            </rect>
          ))}
          <line class="histogram-axis" x1={0} x2={width} y1={HEIGHT - 18} y2={HEIGHT - 18} />
          <text class="histogram-time" x={0} y={HEIGHT - 4}>{ofSeconds(first.start)}</text>
          <text class="histogram-time" x={width} y={HEIGHT - 4} text-anchor="end">{ofSeconds(last.start + step)}</text>
        </svg>
      </div>
      <p class="quiet small-text" role="status">{words} UTC.</p>
    </div>
  );
}

const SERIES = 8;
const PLOT = 300;

/** What of an answer can be drawn: the first column against those with numbers. */
export function drawable(answer: Answer): { series: { name: string; column: number }[]; left: number; isTime: boolean } | null {
  if (answer.rows.length === 0 || answer.columns.length < 2) return null;
  const columns = answer.columns.map((name, column) => ({ name, column })).slice(1);
  const series = columns.filter(({ column }) => {
    const values = answer.rows.map((row) => row[column]).filter((value) => value !== null && value !== undefined);
    return values.length > 0 && values.every((value) => numeric(value) !== null);
  });
  if (series.length === 0) return null;
  return { series: series.slice(0, SERIES), left: Math.max(0, series.length - SERIES), isTime: answer.columns[0] === "_time" };
}

const label = (value: string | string[] | null | undefined): string => (Array.isArray(value) ? value.join(", ") : (value ?? "–"));

/** Lines over time, or bars of categories. */
export function Chart({ answer }: { answer: Answer }) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box, 800);
  const plan = drawable(answer);
  if (!plan) return <p class="empty">There are no numbers to draw.</p>;
  const { series, isTime } = plan;
  const rows = isTime ? answer.rows.filter((row) => numeric(row[0]) !== null) : answer.rows.slice(0, 40);
  const values = rows.flatMap((row) => series.map(({ column }) => numeric(row[column]) ?? 0));
  const y = scaleLinear([Math.min(0, ...values), Math.max(1, ...values)], [PLOT - 26, 8]).nice(4);
  const left = 56;
  const legend = (
    <ul class="legend">
      {series.map(({ name }, at) => (
        <li key={name}>
          <svg width="26" height="10" aria-hidden="true">
            {isTime ? <line class={`series series-${at}`} x1="0" x2="26" y1="5" y2="5" /> : <rect class={`series-bar series-${at}`} width="14" height="10" />}
          </svg>
          {cut(name, 60)}
        </li>
      ))}
      {plan.left > 0 && <li>and {number(plan.left)} more in the table</li>}
      {!isTime && answer.rows.length > rows.length && <li>the first {number(rows.length)} of {number(answer.rows.length)} rows</li>}
    </ul>
  );
  const axis = y.ticks(4).map((tick) => (
    <g key={tick}>
      <line class="grid" x1={left} x2={width} y1={y(tick)} y2={y(tick)} />
      <text x={left - 6} y={y(tick) + 4} text-anchor="end">{number(tick)}</text>
    </g>
  ));
  if (isTime) {
    const times = rows.map((row) => numeric(row[0]) ?? 0);
    const x = scaleLinear([times[0] ?? 0, times.at(-1) ?? 1], [left + 4, Math.max(left + 10, width - 8)]);
    return (
      <div class="chart" ref={box}>
        {legend}
        <svg width={width} height={PLOT} role="img" aria-label={`${series.map((one) => one.name).join(", ")} over time; the table has the numbers`}>
          {axis}
          {series.map(({ name, column }, at) => {
            const points = rows.flatMap((row, place) => {
              const value = numeric(row[column]);
              return value === null ? [] : [[x(times[place] ?? 0), y(value)] as const];
            });
            return (
              <g key={name}>
                <polyline class={`series series-${at}`} points={points.map((one) => one.map((part) => part.toFixed(1)).join(",")).join(" ")} />
                {points.length <= 60 && points.map(([cx, cy], place) => <circle key={place} class={`series-dot series-${at}`} cx={cx} cy={cy} r="2.5" />)}
              </g>
            );
          })}
          <text x={left} y={PLOT - 6}>{ofSeconds(times[0] ?? 0)}</text>
          <text x={width - 2} y={PLOT - 6} text-anchor="end">{ofSeconds(times.at(-1) ?? 0)}</text>
        </svg>
      </div>
    );
  }
  const each = (width - left) / Math.max(1, rows.length);
  const bar = Math.max(1, (each * 0.8) / series.length);
  return (
    <div class="chart" ref={box}>
      {legend}
      <svg width={width} height={PLOT} role="img" aria-label={`${series.map((one) => one.name).join(", ")} by ${answer.columns[0]}; the table has the numbers`}>
        {axis}
        {rows.map((row, place) => (
          <g key={place}>
            {series.map(({ name, column }, at) => {
              const value = numeric(row[column]) ?? 0;
              const top = Math.min(y(value), y(0));
              return (
                <rect key={name} class={`series-bar series-${at}`} x={left + place * each + each * 0.1 + at * bar} y={top} width={Math.max(1, bar - 1)} height={Math.abs(y(value) - y(0))}>
                  <title>{`${label(row[0])}, ${name}: ${value}`}</title>
                </rect>
              );
            })}
            {each > 26 && (
              <text x={left + (place + 0.5) * each} y={PLOT - 8} text-anchor="middle">
                {cut(label(row[0]), Math.max(2, Math.floor(each / 7.5)))}
              </text>
            )}
          </g>
        ))}
      </svg>
    </div>
  );
}
