import { useEffect, useRef, useState } from "preact/hooks";
import { PRESETS, localOf, rangeName, secondsOf } from "../data/time";

interface Props {
  earliest: string;
  latest: string;
  choose: (earliest: string, latest: string) => void;
}

/** A range of time: one that is chosen often, two times in UTC, or time modifiers. */
export function TimePicker({ earliest, latest, choose }: Props) {
  const [open, setOpen] = useState(false);
  const [from, setFrom] = useState(earliest);
  const [to, setTo] = useState(latest);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    setFrom(earliest);
    setTo(latest);
  }, [earliest, latest, open]);
  useEffect(() => {
    if (!open) return;
    const outside = (event: MouseEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    window.addEventListener("mousedown", outside);
    return () => window.removeEventListener("mousedown", outside);
  }, [open]);
  const take = (one: string, other: string) => {
    setOpen(false);
    button.current?.focus();
    choose(one, other);
  };
  return (
    <div
      class="timepicker"
      ref={root}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open) {
          event.stopPropagation();
          setOpen(false);
          button.current?.focus();
        }
      }}
    >
      <button ref={button} type="button" aria-expanded={open} aria-haspopup="dialog" onClick={() => setOpen(!open)}>
        <span class="visually-hidden">Range of time: </span>
        {rangeName(earliest, latest)} <span aria-hidden="true">▾</span>
      </button>
      {open && (
        <div class="popover" role="dialog" aria-label="Range of time">
          <ul class="plain presets">
            {PRESETS.map((one) => (
              <li key={one.name}>
                <button type="button" aria-pressed={one.earliest === earliest && one.latest === latest} onClick={() => take(one.earliest, one.latest)}>
                  {one.name}
                </button>
              </li>
            ))}
          </ul>
          <form
            class="times"
            onSubmit={(event) => {
              event.preventDefault();
              take(from.trim(), to.trim());
            }}
          >
            <h3>From and to (UTC)</h3>
            <label>
              From
              <input type="datetime-local" step="1" value={localOf(from)} onInput={(event) => setFrom(secondsOf(event.currentTarget.value))} />
            </label>
            <label>
              To
              <input type="datetime-local" step="1" value={localOf(to)} onInput={(event) => setTo(secondsOf(event.currentTarget.value))} />
            </label>
            <h3>Or as time modifiers</h3>
            <label>
              Earliest
              <input type="text" value={from} placeholder="-24h@h" onInput={(event) => setFrom(event.currentTarget.value)} />
            </label>
            <label>
              Latest
              <input type="text" value={to} placeholder="now" onInput={(event) => setTo(event.currentTarget.value)} />
            </label>
            <button type="submit">Apply</button>
          </form>
        </div>
      )}
    </div>
  );
}
