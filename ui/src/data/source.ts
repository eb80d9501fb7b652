import type { Figures } from "./api";
import type { Core, Dossiers, EventColumns, Fields, Finding, RecordChunk } from "./types";

/** Where a case comes from: the parts of a report, or a server. */
export interface CaseSource {
  core(): Promise<Core>;
  events(): Promise<EventColumns>;
  findings(): Promise<Finding[]>;
  /** Columns of the findings' rows, in the order of the findings. */
  fields(): Promise<Fields[]>;
  dossiers(): Promise<Dossiers>;
  /** Numbers of the parts with raw records. */
  recordChunks(): number[];
  records(chunk: number): Promise<RecordChunk>;
  /** Licences of the front end's components. */
  licences(): Promise<string>;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Inflates gzip. */
export async function inflate(base64: string): Promise<string> {
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** A case in parts, each loaded on first use. */
abstract class Parts implements CaseSource {
  readonly #loaded = new Map<string, Promise<unknown>>();

  protected abstract load(name: string): Promise<unknown>;
  protected abstract names(): string[];

  #part<T>(name: string, keep = true): Promise<T> {
    const known = this.#loaded.get(name);
    if (known) return known as Promise<T>;
    const loading = this.load(name);
    if (keep) {
      this.#loaded.set(name, loading);
      // A failed load may work the next time.
      loading.catch(() => this.#loaded.delete(name));
    }
    return loading as Promise<T>;
  }

  core = () => this.#part<Core>("core");
  events = () => this.#part<EventColumns>("events");
  findings = () => this.#part<Finding[]>("findings");
  fields = () => this.#part<Fields[]>("fields");
  dossiers = () => this.#part<Dossiers>("dossiers");
  licences = () => this.#part<string>("licences");
  // Raw records may be large, and are needed one at a time: the browser may forget them.
  records = (chunk: number) => this.#part<RecordChunk>(`records-${chunk}`, false);

  recordChunks(): number[] {
    return this.names()
      .filter((name) => name.startsWith("records-"))
      .map((name) => Number(name.slice("records-".length)))
      .filter(Number.isInteger);
  }
}

/** The parts that a report carries in `<script type="application/octet-stream" data-part="…">`: base64 of gzip of JSON. */
export class EmbeddedSource extends Parts {
  readonly #document: Document;

  constructor(document: Document) {
    super();
    this.#document = document;
  }

  protected async load(name: string): Promise<unknown> {
    const element = this.#document.querySelector(`script[data-part="${name}"]`);
    if (!element) throw new Error(`the report has no part '${name}': the file is incomplete`);
    try {
      return JSON.parse(await inflate((element.textContent ?? "").trim()));
    } catch (error) {
      throw new Error(`the part '${name}' of the report cannot be read: ${String(error)}`);
    }
  }

  protected names(): string[] {
    return [...this.#document.querySelectorAll<HTMLElement>("script[data-part]")].map(
      (element) => element.dataset["part"] ?? "",
    );
  }
}

/** A server's status, and that of its last hunt. */
export type Status = Figures;

async function fetched<T>(path: string): Promise<T> {
  const response = await fetch(path, { headers: { accept: "application/json" }, credentials: "same-origin" });
  if (response.status === 401) {
    location.assign("/login");
    throw new Error("the session has ended");
  }
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return (await response.json()) as T;
}

export const status = (): Promise<Status> => fetched<Status>("/api/v1/status");

/** The case of a server's hunt with this number. */
export class ServedSource extends Parts {
  readonly #number: number;
  readonly #parts: string[];

  constructor(number: number, parts: string[]) {
    super();
    this.#number = number;
    this.#parts = parts;
  }

  protected load(name: string): Promise<unknown> {
    return fetched(`/api/v1/case/${name}?number=${this.#number}`);
  }

  protected names(): string[] {
    return this.#parts;
  }
}
