import {
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
} from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { number } from "../data/format";

export interface Column<Row> {
  id: string;
  title: string;
  /** A track of a CSS grid, such as `8rem` or `minmax(10rem, 2fr)`. */
  width: string;
  cell: (row: Row) => ComponentChildren;
  /** The sort key of the column; without one it is not sortable. */
  key?: (row: Row) => string | number;
  numeric?: boolean;
}

interface Props<Row> {
  /** Names the table for screen readers. */
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  id: (row: Row) => string;
  open?: (row: Row) => void;
  selected?: string | null;
  sort?: { id: string; down: boolean };
  rowHeight?: number;
  /** Height of the table, a CSS length. */
  height?: string;
  empty?: string;
}

/** A table of any length: only the visible rows are in the page. Keys: arrows, Page Up and Down, Home, End; Enter opens. */
export function VirtualTable<Row>(props: Props<Row>) {
  const { rows, columns, label, open, rowHeight = 34 } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const [sort, setSort] = useState(props.sort ?? null);
  const [active, setActive] = useState(0);

  const sorted = useMemo(() => {
    const key = columns.find((column) => column.id === sort?.id)?.key;
    if (!sort || !key) return rows;
    const keyed = rows.map((row, at) => ({ row, at, key: key(row) }));
    const order = (a: string | number, b: string | number) =>
      typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
    keyed.sort((a, b) => (sort.down ? order(b.key, a.key) : order(a.key, b.key)) || a.at - b.at);
    return keyed.map((one) => one.row);
  }, [rows, columns, sort]);

  const virtual = useMemo(
    () =>
      new Virtualizer<HTMLDivElement, HTMLDivElement>({
        count: 0,
        getScrollElement: () => scroller.current,
        estimateSize: () => rowHeight,
        overscan: 8,
        observeElementRect,
        observeElementOffset,
        scrollToFn: elementScroll,
        onChange: () => redraw(undefined),
      }),
    [],
  );
  virtual.setOptions({ ...virtual.options, count: sorted.length });
  useEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  useEffect(() => {
    setActive(0);
    if (scroller.current) scroller.current.scrollTop = 0;
  }, [rows]);

  const focusRow = (to: number) => {
    const at = Math.max(0, Math.min(sorted.length - 1, to));
    setActive(at);
    virtual.scrollToIndex(at, { align: "auto" });
    // The row comes into the page with the next frame.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-row="${at}"]`)?.focus({ preventScroll: true })),
    );
  };
  const page = () => Math.max(1, Math.floor((scroller.current?.clientHeight ?? 340) / rowHeight) - 1);
  const keys = (event: KeyboardEvent) => {
    if (!(event.target as HTMLElement).hasAttribute("data-row")) return;
    const moves: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page(),
      PageUp: active - page(),
      Home: 0,
      End: sorted.length - 1,
    };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      focusRow(move);
    } else if (event.key === "Enter" || event.key === " ") {
      const row = sorted[active];
      if (row !== undefined && open) {
        event.preventDefault();
        open(row);
      }
    }
  };

  // If there is less space than the columns need, the table scrolls sideways.
  const least = `${columns.reduce((sum, column) => sum + Number(/([\d.]+)rem/.exec(column.width)?.[1] ?? 6) + 0.75, 1.6)}rem`;
  const template = { gridTemplateColumns: columns.map((column) => column.width).join(" ") };
  return (
    <div class="table" role="table" aria-label={label} aria-rowcount={sorted.length + 1} aria-colcount={columns.length}>
      <div role="rowgroup" class="table-head" style={{ minWidth: least }}>
        <div role="row" class="table-row" style={template} aria-rowindex={1}>
          {columns.map((column) => (
            <div
              key={column.id}
              role="columnheader"
              class={column.numeric ? "cell numeric" : "cell"}
              aria-sort={sort?.id === column.id ? (sort.down ? "descending" : "ascending") : column.key ? "none" : undefined}
            >
              {column.key ? (
                <button
                  type="button"
                  class="sort"
                  onClick={() => setSort({ id: column.id, down: sort?.id === column.id ? !sort.down : column.numeric === true })}
                >
                  {column.title}
                  <span aria-hidden="true">{sort?.id === column.id ? (sort.down ? " ▼" : " ▲") : ""}</span>
                </button>
              ) : (
                column.title
              )}
            </div>
          ))}
        </div>
      </div>
      <div
        ref={scroller}
        role="rowgroup"
        class="table-body"
        style={{ maxHeight: props.height ?? "60vh", minWidth: least }}
        onKeyDown={keys}
      >
        {sorted.length === 0 && (
          <div role="row" class="table-empty">
            <div role="cell">{props.empty ?? "Nothing matches."}</div>
          </div>
        )}
        <div role="presentation" style={{ height: `${virtual.getTotalSize()}px`, position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const row = sorted[item.index];
            if (row === undefined) return null;
            const id = props.id(row);
            return (
              <div
                key={id}
                role="row"
                data-row={item.index}
                aria-rowindex={item.index + 2}
                aria-current={props.selected === id ? "true" : undefined}
                tabIndex={item.index === Math.min(active, sorted.length - 1) ? 0 : -1}
                class={`table-row${open ? " clickable" : ""}${props.selected === id ? " selected" : ""}`}
                style={{ ...template, height: `${rowHeight}px`, transform: `translateY(${item.start}px)` }}
                onFocus={() => setActive(item.index)}
                onClick={(event) => {
                  if (open && !(event.target as HTMLElement).closest("a,button")) open(row);
                }}
              >
                {columns.map((column) => (
                  <div key={column.id} role="cell" class={column.numeric ? "cell numeric" : "cell"}>
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      <p class="table-count">{number(sorted.length)} {sorted.length === 1 ? "row" : "rows"}</p>
    </div>
  );
}

const collator = new Intl.Collator("en", { numeric: true });
