"""Sigma rules as two engines run them: Crabwalk, and pySigma's SQLite backend in SQLite."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections import Counter, defaultdict
from datetime import datetime, timezone
from pathlib import Path

import yaml
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.conditions import ConditionFieldEqualsValueExpression
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.types import SigmaCompareExpression

from records import Record, by_package

TEXT = "__text"
KEY = "__key"
# Names under which rules mean the time of the event.
TIMES = {"_time", "@timestamp", "timestamp", "TimeCreated", "TimeGenerated", "SystemTime", "EventTime"}


class Sources:
    """What log sources mean: Crabwalk's `content/sigma/logsources.yml`, so that only the matching is compared."""

    def __init__(self, path: Path):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.entries = [(key(entry["logsource"]), entry["events"]) for entry in document["sigma_logsources"]]
        self.fields = document["fields"]

    def views(self, source: dict) -> list[dict]:
        """The event types of a rule's log source, each with the names of its fields."""
        fitting = [(fits(own, source), events) for own, events in self.entries]
        fitting = [(parts, events) for parts, events in fitting if parts]
        best = max((parts for parts, _ in fitting), default=0)
        return [view for parts, events in fitting if parts == best for view in events]


def key(source) -> dict:
    """The three parts of a log source, in lower case."""
    get = source.get if isinstance(source, dict) else lambda name: getattr(source, name)
    return {name: (get(name) or "").strip().lower() or None for name in ("product", "category", "service")}


def fits(own: dict, rule: dict) -> int:
    """How many parts an entry has in common with the log source of a rule; 0 where it is for others."""
    parts = 0
    for name in own:
        if own[name] and rule[name]:
            if own[name] != rule[name]:
                return 0
            parts += 1
    if rule["category"] and own["category"]:
        agreed = True
    elif rule["service"]:
        agreed = own["service"] is not None
    else:
        agreed = not rule["category"] and not own["category"] and not own["service"]
    more = (own["service"] and not rule["service"]) or (own["category"] and not rule["category"])
    return parts if agreed and not more else 0


def belongs(record: Record, view: dict) -> bool:
    """Whether a record is of one of a view's event types, and passes its filter."""
    channel, event_id = record.header.get("Channel", ""), record.header.get("EventCode", "")
    for pattern in view["types"]:
        own, _, number = pattern.rpartition("/")
        if number not in ("*", event_id):
            continue
        if own == "*" and event_id != "0" or own.lower() == channel.lower():
            break
    else:
        return False
    return all(
        any((column(record, name) or "").lower() == str(value).lower() for value in values)
        for name, values in view.get("where", {}).items()
    )


def column(record: Record, name: str) -> str | None:
    """The first value of a column, as Crabwalk calls columns."""
    values = record.payload.get(name)
    return values[0] if values else record.header.get(name)


def value(record: Record, name: str, view: dict, sources: Sources) -> str | None:
    """What a rule sees under a name."""
    rule = view.get("fields", {}).get(name)
    if rule is not None:
        return made(record, rule)
    if name in ("EventID", "EventCode"):
        return record.header.get("EventCode")
    if name == "Channel":
        return record.header.get("Channel")
    if name in record.payload:
        return "\n".join(record.payload[name])
    if name in record.header:
        return record.header[name]
    if name in sources.fields:
        return made(record, sources.fields[name])
    plain = alike(name)
    for own in sorted({**record.payload, **record.header}):
        if alike(own) == plain:
            return "\n".join(record.payload.get(own, [])) or record.header.get(own)
    return iso(record.micros) if name in TIMES else None


def alike(name: str) -> str:
    return name.replace(" ", "").replace("_", "").lower()


def made(record: Record, rule) -> str | None:
    """A value that is made of columns."""
    if isinstance(rule, str):
        if "{" not in rule:
            return column(record, rule)
        names = re.findall(r"\{([^}]*)\}", rule)
        values = [column(record, name) for name in names]
        if None in values:
            return None
        parts = iter(values)
        return re.sub(r"\{[^}]*\}", lambda _: next(parts), rule)
    text = column(record, rule["field"])
    if text is None:
        return None
    if "values" in rule:
        return rule["values"].get(text, text)
    for part in text.split(","):
        if part.strip().startswith(rule["after"]):
            return part.strip()[len(rule["after"]):]
    return None


def iso(micros: int) -> str:
    return datetime.fromtimestamp(micros // 1_000_000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def identity(record: Record) -> str:
    """What a record is found again by. Its number is no part of it: the comparison of records looks at that."""
    header = record.header
    return json.dumps([header.get("host", "").lower(), header.get("Channel", "").lower(), header.get("EventCode"), record.micros])


def conditions(parsed):
    """All comparisons of a condition."""
    if isinstance(parsed, ConditionFieldEqualsValueExpression):
        yield parsed
    for argument in getattr(parsed, "args", []):
        yield from conditions(argument)


class Tables:
    """SQLite tables, one for each log source, with a column for each field that its rules name."""

    def __init__(self, records: list[Record], sources: Sources):
        self.records, self.sources = records, sources
        self.database = sqlite3.connect(":memory:")
        self.database.create_function("REGEXP", 2, regexp, deterministic=True)
        self.names: dict[str, str] = {}

    def table(self, source: dict, fields: set[str], numbers: set[str]) -> str:
        """The table of a log source."""
        own = json.dumps(source)
        if own in self.names:
            return self.names[own]
        name = f"source{len(self.names)}"
        self.names[own] = name
        # Names of columns do not differ by case alone in SQLite.
        columns = {}
        for one in sorted(fields):
            columns.setdefault(one.lower(), one)
        named = list(columns.values())
        typed = [f"{quoted(one)} {'NUMERIC' if one in numbers else 'TEXT'} COLLATE NOCASE" for one in named]
        self.database.execute(f"CREATE TABLE {name} ({', '.join([KEY, TEXT, *typed])})")
        places = ", ".join("?" * (len(named) + 2))
        views = self.sources.views(source)
        for record in self.records:
            view = next((view for view in views if belongs(record, view)), None)
            if view is None:
                continue
            everything = [*record.header.values(), *(text for all in record.payload.values() for text in all)]
            row = [value(record, one, view, self.sources) or None for one in named]
            self.database.execute(f"INSERT INTO {name} VALUES ({places})", [identity(record), "\n".join(everything), *row])
        return name


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def regexp(pattern: str, text) -> bool:
    return text is not None and re.search(pattern, str(text)) is not None


def load(directory: Path) -> tuple[list[tuple[Path, SigmaRule]], Counter]:
    """The rules below a directory, and how many files pySigma does not take."""
    rules, skipped = [], Counter()
    for path in sorted([*directory.rglob("*.yml"), *directory.rglob("*.yaml")]) if directory.is_dir() else [directory]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not re.search(r"^detection:", text, re.MULTILINE):
            continue
        try:
            collection = SigmaCollection.from_yaml(text)
            rules.extend((path, rule) for rule in collection.rules if isinstance(rule, SigmaRule))
        except (SigmaError, yaml.YAMLError, ValueError, TypeError):
            skipped["files that pySigma does not read"] += 1
    return rules, skipped


def by_pysigma(rules, records: list[Record], sources: Sources) -> tuple[dict[str, Counter], Counter]:
    """Which records each rule finds, by the id or title of the rule."""
    backend = sqliteBackend(collate_nocase=True, table="TABLE_OF_THE_RULE", fulltext_field=TEXT)
    totals: Counter = Counter()
    queries: list[tuple[str, dict, str]] = []
    fields, numbers = defaultdict(set), defaultdict(set)
    for _, rule in rules:
        source = key(rule.logsource)
        if not sources.views(source):
            totals["rules for other logs"] += 1
            continue
        try:
            converted = backend.convert_rule(rule)
            needed = backend.required_fields(rule)
            compared = {
                one.field
                for condition in rule.detection.parsed_condition
                for one in conditions(condition.parsed)
                if isinstance(one.value, SigmaCompareExpression)
            }
        except (SigmaError, NotImplementedError) as error:
            totals[f"rules that pySigma does not convert ({type(error).__name__})"] += 1
            continue
        own = json.dumps(source)
        fields[own] |= set(needed) - {TEXT}
        numbers[own] |= compared
        queries.extend((str(rule.id or rule.title), source, query) for query in converted)
    tables = Tables(records, sources)
    found: dict[str, Counter] = defaultdict(Counter)
    for name, source, query in queries:
        own = json.dumps(source)
        table = tables.table(source, fields[own], numbers[own])
        # An empty text is no value in logs, which leave it out or write it as they like. SQLite tells NULL from it.
        query = re.sub(r"(\S+)=''(?= COLLATE NOCASE)", r"COALESCE(\1, '')=''", query)
        query = query.replace("SELECT * FROM TABLE_OF_THE_RULE", f"SELECT {KEY} FROM {table}")
        try:
            found[name] |= Counter(row[0] for row in tables.database.execute(query))
            totals["rules compared"] += 1
        except sqlite3.Error as error:
            found.pop(name, None)
            totals[f"rules that SQLite does not run ({error})"] += 1
    return dict(found), totals


def by_crabwalk(crabwalk: str, rules: Path, paths: list[Path]) -> tuple[dict[str, Counter], Counter]:
    """Which records each rule finds, and how many; findings list only the first and last of very many."""
    found: dict[str, Counter] = defaultdict(Counter)
    counts: Counter = Counter()
    done = subprocess.run(
        [crabwalk, "hunt", "--no-builtin", "--sigma", str(rules), "--format", "jsonl", "--quiet", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 3):
        raise RuntimeError(done.stderr.strip())
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        counts[finding["detection_id"]] += finding["event_count"]
        for event in finding["events"]:
            found[finding["detection_id"]][event_identity(event)] += 1
    return dict(found), counts


def event_identity(event: dict) -> str:
    whole, _, fraction = event["time"].removesuffix("Z").partition(".")
    at = int(datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp())
    micros = at * 1_000_000 + int((fraction + "000000")[:6])
    return json.dumps([event["host"].lower(), event["channel"].lower(), str(event["event_id"]), micros])


def compare(crabwalk: str, directory: Path, logsources: Path, paths: list[Path]) -> tuple[Counter, list[str]]:
    """Compares what rules find in EVTX files. What was counted, and a line for each rule that differs."""
    sources = Sources(logsources)
    seen: dict[tuple[str, int], Record] = {}
    totals: Counter = Counter()
    readable = []
    for path in paths:
        try:
            records, errors = by_package(path)
        except Exception:  # noqa: BLE001 - the package has no common error type
            records, errors = [], ["cannot be opened"]
        # What only one of the readers can read is no matter of rules.
        if errors:
            totals["files left out, which the package reads in part"] += 1
            continue
        readable.append(path)
        for record in records:
            seen.setdefault((identity(record), record.number), record)
    rules, skipped = load(directory)
    totals.update(skipped)
    theirs, counted = by_pysigma(rules, list(seen.values()), sources)
    totals.update(counted)
    totals["records"] = len(seen)
    ours, counts = by_crabwalk(crabwalk, directory, readable)
    lines = []
    titles = {str(rule.id or rule.title): (rule.title, path) for path, rule in rules}
    for name in sorted(theirs.keys()):
        mine, other = ours.get(name, Counter()), theirs[name]
        totals["matches of pySigma"] += other.total()
        totals["matches of Crabwalk"] += counts[name]
        whole = counts[name] == mine.total()
        only_mine, only_theirs = mine - other, other - mine if whole else Counter()
        if only_mine or only_theirs or counts[name] != other.total():
            totals["rules that differ"] += 1
            title, path = titles[name]
            lines.append(
                f"{title} ({path.name}): Crabwalk finds {counts[name]} records, pySigma {other.total()}; "
                f"only Crabwalk {sorted(only_mine)[:3]}, only pySigma {sorted(only_theirs)[:3]}"
            )
    return totals, lines
