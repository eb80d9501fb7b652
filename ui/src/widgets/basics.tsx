import type { ComponentChildren, JSX } from "preact";
import { createContext } from "preact";
import { useContext, useState } from "preact/hooks";
import { cut, when, whenExactly } from "../data/format";
import type { Model } from "../data/model";
import { messageOf } from "../data/server";
import type { Time } from "../data/types";
import { to, type Loaded } from "../state";

export const ModelContext = createContext<Model | null>(null);

export function useModel(): Model {
  const model = useContext(ModelContext);
  if (!model) throw new Error("no case is loaded");
  return model;
}

export function When({ time, exact = false }: { time: Time; exact?: boolean }) {
  if (!time) return <span class="quiet">no time</span>;
  return (
    <time dateTime={time} title={whenExactly(time)} class="mono">
      {exact ? whenExactly(time) : when(time)}
    </time>
  );
}

export const Severity = ({ name }: { name: string }) => <span class={`badge severity-${name}`}>{name}</span>;

export function HostLink({ id }: { id: string | null }) {
  const model = useModel();
  if (id === null) return <span class="quiet">unknown source</span>;
  if (!model.hosts.has(id)) return <span>{id}</span>;
  return <a href={to("hosts", { id })}>{model.hostName(id)}</a>;
}

/** A host by any name that an event uses. */
export function HostByName({ name }: { name: string }) {
  const id = useModel().findHost(name);
  return id === null ? <span>{name}</span> : <HostLink id={id} />;
}

export function AccountLink({ id, short = false }: { id: string | null; short?: boolean }) {
  const model = useModel();
  if (id === null) return <span class="quiet">unknown</span>;
  const name = short ? model.accountShort(id) : model.accountName(id);
  if (!model.accounts.has(id)) return <span>{name}</span>;
  return (
    <a href={to("accounts", { id })} title={model.accountName(id)}>
      {name}
    </a>
  );
}

export function TechniqueTag({ id }: { id: string }) {
  const name = useModel().technique(id);
  return (
    <a class="tag" href={to("findings", { technique: id })} title={`${id}${name ? ` ${name}` : ""}: its findings`}>
      {id}
      {name && <span class="tag-name"> {name}</span>}
    </a>
  );
}

export function Confidence({ value }: { value: number }) {
  const percent = Math.round(value * 100);
  return (
    <span class="confidence" title={`confidence ${value.toFixed(2)} of 1`}>
      <span class="confidence-bar" aria-hidden="true">
        <span style={{ width: `${percent}%` }} />
      </span>
      <span class="mono">{value.toFixed(2)}</span>
    </span>
  );
}

/** Shows loaded data, or why it could not be loaded. */
export function Await<T>({ of, children }: { of: Loaded<T>; children: (value: T) => ComponentChildren }): JSX.Element {
  if (of === null) return <p class="quiet" role="status">Loading…</p>;
  if ("error" in of) return <p class="error" role="alert">{of.error}</p>;
  return <>{children(of.value)}</>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function CopyButton({ text, what }: { text: string; what: string }) {
  const [done, set] = useState(false);
  return (
    <button
      type="button"
      class="small"
      aria-label={`Copy ${what}`}
      onClick={() => {
        void navigator.clipboard?.writeText(text).then(() => {
          set(true);
          setTimeout(() => set(false), 1500);
        });
      }}
    >
      {done ? "Copied" : "Copy"}
    </button>
  );
}

/** A list of facts; those without a value are left out. */
export function Facts({ of }: { of: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Possibly very long text: its beginning, and the rest on demand. */
export function LongText({ text, most = 600 }: { text: string; most?: number }) {
  const [all, set] = useState(false);
  if (text.length <= most) return <>{text}</>;
  return (
    <>
      {all ? text : cut(text, most)}{" "}
      <button type="button" class="small" onClick={() => set(!all)}>
        {all ? "show less" : `show all ${text.length} characters`}
      </button>
    </>
  );
}

/** What was done, or why not. */
export function useDone(): { done: string | null; error: string | null; attempt: (work: () => Promise<string>) => Promise<boolean> } {
  const [done, setDone] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const attempt = async (work: () => Promise<string>) => {
    setDone(null);
    setError(null);
    try {
      setDone(await work());
      return true;
    } catch (failed) {
      setError(messageOf(failed));
      return false;
    }
  };
  return { done, error, attempt };
}

export function Outcome({ done, error }: { done: string | null; error: string | null }) {
  return (
    <>
      <p role="status">{done}</p>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
    </>
  );
}

/** A button that asks once more before something is gone. */
export function Removal({ what, words, remove }: { what: string; words: string; remove: () => void }) {
  const [asked, setAsked] = useState(false);
  if (!asked) {
    return (
      <button type="button" class="small" aria-label={`${words} ${what}`} onClick={() => setAsked(true)}>
        {words}
      </button>
    );
  }
  return (
    <span class="acts">
      <button type="button" class="small danger" onClick={remove} ref={(node) => node?.focus()}>
        {words} {what}
      </button>
      <button type="button" class="small" onClick={() => setAsked(false)}>
        Keep
      </button>
    </span>
  );
}
