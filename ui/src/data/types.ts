// The shape of a report's data: `case.json` (schema crabwalk.case/1), in which every event reference is replaced by the
// number of the event in one table, and which is cut into parts that are inflated when they are needed. What the case
// itself holds is declared in Rust; `case.ts` is written from there.

import type { Case, FindingInfo, Reference as EventIndex } from "./case";

export { WITNESS_KINDS } from "./case";
export type {
  Account,
  AccountDossier,
  Authentication,
  Covered,
  Dossiers,
  GapInfo as Gap,
  HopInfo as Hop,
  Host,
  HostDossier,
  Kind,
  LinkInfo as Link,
  LinkKind,
  PathInfo as Path,
  Process,
  Rareness,
  RanInfo as Ran,
  Reference as EventIndex,
  RiskInfo as Risk,
  Scope,
  Silenced,
  Source,
  Standing,
  Stats,
  SwitchInfo as CredentialSwitch,
  WitnessInfo as Witness,
} from "./case";

/** RFC 3339 in UTC, or null if unknown. */
export type Time = string | null;

/** A finding without what all findings of its detection share, and without the columns of its row. */
export type Finding = Omit<FindingInfo, "fields" | keyof Detection>;

/** Columns of a finding's row. */
export type Fields = FindingInfo["fields"];

/** The common part of a detection's findings. */
export type Detection = Pick<FindingInfo, "description" | "known_false_positives" | "references">;

export interface Technique {
  name: string;
  tactics: string[];
}

/** The data for the first screen. */
export interface Core extends Omit<Case, "findings" | "dossiers"> {
  /** Techniques in the case, by id. */
  attack: Record<string, Technique>;
  /** By detection id. */
  detections: Record<string, Detection>;
  records: RecordsInfo;
}

/** Which raw records the report includes. */
export interface RecordsInfo {
  kept: number;
  left_out: number;
  /** Why some or all are missing; null if none are. */
  note: string | null;
}

/** The table of events, column by column. */
export interface EventColumns {
  strings: string[];
  source: number[];
  record: (number | string)[];
  /** Microseconds since 1970-01-01 UTC, or null. */
  time: (number | null)[];
  channel: number[];
  event_id: number[];
  host: number[];
  /** Number of the part with its raw record, or -1. */
  chunk: number[];
}

/** One event of the table. */
export interface EventRow {
  index: EventIndex;
  source: number;
  record: number | string;
  time: Time;
  channel: string;
  eventId: number;
  host: string;
}

/** All fields of a record, in its order. */
export interface RawRecord {
  fields: [string, string | string[]][];
  /** The event's XML as stored in the log; null if the log has no XML. */
  xml: string | null;
  /** Whether only the fields that the hunt read are available. */
  partial: boolean;
  /** Number of characters of its values that were left out. */
  cut: number;
}

export type RecordChunk = { event: EventIndex; fields: [string, string | string[]][]; xml?: string; partial?: boolean; cut?: number }[];
