import type { CaseSource } from "./source";
import type {
  Account,
  AccountDossier,
  Core,
  Dossiers,
  EventColumns,
  EventIndex,
  EventRow,
  Fields,
  Finding,
  Hop,
  Host,
  HostDossier,
  Path,
  RawRecord,
  Time,
} from "./types";

export const isAddress = (text: string): boolean => /^[\d.]+$/.test(text) || text.includes(":");

const shortName = (name: string): string => (isAddress(name) ? name : (name.split(".")[0] ?? name));

/** A case with the indexes for the views. */
export class Model {
  readonly core: Core;
  readonly source: CaseSource;
  readonly hosts: Map<string, Host>;
  readonly accounts: Map<string, Account>;
  readonly hops: Map<string, Hop>;
  readonly sources: Map<number, string>;
  readonly hopsOfFinding = new Map<string, Hop[]>();
  readonly hopsOfHost = new Map<string, Hop[]>();
  readonly hopsOfAccount = new Map<string, Hop[]>();
  readonly pathOfHop = new Map<string, Path>();
  /** Ids and names of hosts and accounts, in lower case. */
  readonly #hostByName = new Map<string, string>();
  readonly #accountByName = new Map<string, string>();
  #findings: Promise<FindingIndex> | null = null;
  #dossiers: Promise<DossierIndex> | null = null;
  #records = new Map<number, Promise<Map<EventIndex, RawRecord>>>();
  #events: EventColumns | null = null;

  constructor(core: Core, source: CaseSource) {
    this.core = core;
    this.source = source;
    this.hosts = new Map(core.hosts.map((host) => [host.id, host]));
    this.accounts = new Map(core.accounts.map((account) => [account.id, account]));
    this.hops = new Map(core.hops.map((hop) => [hop.id, hop]));
    this.sources = new Map(core.sources.map((source) => [source.id, source.path]));
    const add = <V>(map: Map<string, V[]>, key: string | null, value: V) => {
      if (key === null) return;
      const known = map.get(key);
      if (!known) map.set(key, [value]);
      else if (!known.includes(value)) known.push(value);
    };
    for (const hop of core.hops) {
      for (const finding of hop.findings) add(this.hopsOfFinding, finding, hop);
      add(this.hopsOfHost, hop.src, hop);
      add(this.hopsOfHost, hop.dst, hop);
      for (const account of [hop.actor, hop.used, hop.effective]) add(this.hopsOfAccount, account, hop);
    }
    for (const path of core.paths) for (const hop of path.hops) if (!this.pathOfHop.has(hop)) this.pathOfHop.set(hop, path);
    for (const host of core.hosts) {
      for (const name of [host.id, ...host.names, ...host.ips]) {
        for (const one of [name, shortName(name)]) {
          const key = one.toLowerCase();
          if (!this.#hostByName.has(key)) this.#hostByName.set(key, host.id);
        }
      }
    }
    for (const account of core.accounts) {
      for (const name of [account.id, ...account.names, ...(account.sid ? [account.sid] : [])]) {
        const key = name.toLowerCase();
        if (!this.#accountByName.has(key)) this.#accountByName.set(key, account.id);
      }
    }
  }

  /** Loads the data for the first screen. */
  static async load(source: CaseSource): Promise<Model> {
    const [core, events] = await Promise.all([source.core(), source.events()]);
    const model = new Model(core, source);
    model.#events = events;
    return model;
  }

  hostName(id: string | null): string {
    if (id === null) return "unknown source";
    return this.hosts.get(id)?.name ?? id;
  }

  accountName(id: string | null): string {
    if (id === null) return "unknown";
    return this.accounts.get(id)?.name ?? id;
  }

  /** The account without its domain, for narrow places. */
  accountShort(id: string | null): string {
    const name = this.accountName(id);
    return name.includes("\\") ? name.slice(name.indexOf("\\") + 1) : name;
  }

  /** The id of the host with this name, whichever of its names it is. */
  findHost(name: string): string | null {
    return this.#hostByName.get(name.toLowerCase()) ?? this.#hostByName.get(shortName(name).toLowerCase()) ?? null;
  }

  findAccount(name: string): string | null {
    return this.#accountByName.get(name.toLowerCase()) ?? null;
  }

  technique(id: string): string {
    return this.core.attack[id]?.name ?? "";
  }

  /** Where the intruder came in, if the verdict tells a path. */
  entryHost(): string | null {
    return this.core.scope.entry?.host ?? null;
  }

  /** The hops of a path by time. */
  hopsOf(path: Path | null): Hop[] {
    const hops = path ? path.hops.flatMap((id) => this.hops.get(id) ?? []) : this.core.hops;
    return [...hops].sort((a, b) => micros(a.first) - micros(b.first));
  }

  get eventCount(): number {
    return this.#events?.source.length ?? 0;
  }

  event(index: EventIndex): EventRow | null {
    const events = this.#events;
    const source = events?.source[index];
    if (!events || source === undefined) return null;
    const time = events.time[index] ?? null;
    return {
      index,
      source,
      record: events.record[index] ?? 0,
      time: time === null ? null : isoOf(time),
      channel: events.strings[events.channel[index] ?? -1] ?? "",
      eventId: events.event_id[index] ?? 0,
      host: events.strings[events.host[index] ?? -1] ?? "",
    };
  }

  findings(): Promise<FindingIndex> {
    this.#findings ??= this.source.findings().then((all) => new FindingIndex(all, this));
    return this.#findings;
  }

  dossiers(): Promise<DossierIndex> {
    this.#dossiers ??= this.source.dossiers().then((all) => new DossierIndex(all));
    return this.#dossiers;
  }

  chunkOf(index: EventIndex): number {
    return this.#events?.chunk[index] ?? -1;
  }

  /** All records of one part. */
  chunk(number: number): Promise<Map<EventIndex, RawRecord>> {
    const known = this.#records.get(number);
    if (known) return known;
    // Keep only a few parts: following the evidence of one hop needs one or two of them.
    if (this.#records.size >= 8) this.#records.clear();
    const loading = this.source
      .records(number)
      .then((all) => new Map(all.map((one) => [one.event, { fields: one.fields, xml: one.xml ?? null, partial: one.partial ?? false, cut: one.cut ?? 0 }])));
    this.#records.set(number, loading);
    return loading;
  }

  async record(index: EventIndex): Promise<RawRecord | null> {
    const chunk = this.chunkOf(index);
    return chunk < 0 ? null : ((await this.chunk(chunk)).get(index) ?? null);
  }
}

/** The findings, with indexes. */
export class FindingIndex {
  readonly all: Finding[];
  readonly byId: Map<string, Finding>;
  readonly place: Map<string, number>;
  readonly ofHost = new Map<string, Finding[]>();
  readonly ofAccount = new Map<string, Finding[]>();
  #model: Model;

  constructor(all: Finding[], model: Model) {
    this.all = all;
    this.#model = model;
    this.byId = new Map(all.map((finding) => [finding.id, finding]));
    this.place = new Map(all.map((finding, at) => [finding.id, at]));
    for (const finding of all) {
      for (const host of finding.hosts) push(this.ofHost, host, finding);
      const accounts = finding.risk_objects
        .filter((object) => object.type === "user")
        .flatMap((object) => model.findAccount(object.value) ?? []);
      for (const account of new Set(accounts)) push(this.ofAccount, account, finding);
    }
  }

  async fields(id: string): Promise<Fields> {
    return (await this.#model.source.fields())[this.place.get(id) ?? -1] ?? {};
  }
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}

export class DossierIndex {
  readonly hosts: Map<string, HostDossier>;
  readonly accounts: Map<string, AccountDossier>;

  constructor(all: Dossiers) {
    this.hosts = new Map(all.hosts.map((one) => [one.host, one]));
    this.accounts = new Map(all.accounts.map((one) => [one.account, one]));
  }
}

/** Microseconds since 1970-01-01 UTC; entries without a time come last. */
export function micros(time: Time | undefined): number {
  if (!time) return Number.MAX_SAFE_INTEGER;
  const millis = Date.parse(time);
  if (Number.isNaN(millis)) return Number.MAX_SAFE_INTEGER;
  const decimals = /\.(\d+)/.exec(time)?.[1] ?? "";
  return Math.floor(millis / 1000) * 1e6 + Number(decimals.padEnd(6, "0").slice(0, 6) || 0);
}

export function isoOf(micros: number): string {
  const seconds = Math.floor(micros / 1e6);
  const rest = micros - seconds * 1e6;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return "";
  const whole = date.toISOString().slice(0, 19);
  return rest === 0 ? `${whole}Z` : `${whole}.${String(rest).padStart(6, "0").replace(/0+$/, "")}Z`;
}
