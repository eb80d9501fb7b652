"""EVTX files as two readers see them: Crabwalk and the Python package `evtx`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import evtx

EVENT = "{http://schemas.microsoft.com/win/2004/08/events/event}"
# XML 1.0 has no way to write these; the package writes them all the same.
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# Windows writes braces and, by its version, small or capital letters; the package leaves out the braces of some.
GUID = re.compile("[{]?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}[}]?")
# The header's fields that both readers give, as Crabwalk calls them.
HEADER = {
    "Provider": ("Provider", "Name"),
    "EventCode": ("EventID", None),
    "Version": ("Version", None),
    "Level": ("Level", None),
    "Task": ("Task", None),
    "Opcode": ("Opcode", None),
    "Keywords": ("Keywords", None),
    "Channel": ("Channel", None),
    "host": ("Computer", None),
    "UserID": ("Security", "UserID"),
    "ExecutionProcessID": ("Execution", "ProcessID"),
    "ExecutionThreadID": ("Execution", "ThreadID"),
    "ActivityID": ("Correlation", "ActivityID"),
    "RelatedActivityID": ("Correlation", "RelatedActivityID"),
    "ProviderGuid": ("Provider", "Guid"),
    "EventSourceName": ("Provider", "EventSourceName"),
    "Qualifiers": ("EventID", "Qualifiers"),
}


@dataclass
class Record:
    """One record, as one of the readers gives it."""

    number: int
    """EventRecordID of the event itself."""
    micros: int
    """TimeCreated, microseconds since 1970-01-01 UTC."""
    header: dict[str, str]
    payload: dict[str, list[str]] = field(default_factory=dict)
    """Fields of EventData or UserData, with their values in the order of the record; none is empty."""
    row: set[str] = field(default_factory=set)
    """All values, whatever they are called."""


def local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def micros(text: str) -> int:
    text = text.removesuffix("Z").removesuffix("+00:00").strip()
    whole, _, fraction = text.partition(".")
    at = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return int(at.timestamp()) * 1_000_000 + int((fraction + "000000")[:6])


def is_value(text: str | None) -> bool:
    """Whether an element holds a value: the package indents, and line ends and blanks alone are its own."""
    return bool(text) and (bool(text.strip()) or "\n" not in text)


def leaves(element: ElementTree.Element, payload: dict[str, list[str]]) -> None:
    """The innermost elements of UserData, by their own names, and attributes behind the names of their elements."""
    for child in element:
        for name, value in child.attrib.items():
            if is_value(value):
                payload[f"{local(child.tag)}.{local(name)}"].append(value)
        if len(child):
            leaves(child, payload)
        elif is_value(child.text):
            payload[local(child.tag)].append(child.text)


def of_xml(text: str) -> Record:
    root = ElementTree.fromstring(NOT_XML.sub("\ufffd", text))
    system = root.find(f"{EVENT}System")
    header = {}
    for name, (tag, attribute) in HEADER.items():
        element = system.find(EVENT + tag)
        if element is None:
            continue
        value = element.text if attribute is None else element.get(attribute)
        if value and value.strip():
            header[name] = value
    payload: dict[str, list[str]] = defaultdict(list)
    for section in root:
        name = local(section.tag)
        if name == "EventData":
            for child in section:
                own = child.get("Name") or local(child.tag)
                if is_value(child.text):
                    payload[own].append(child.text)
        elif name in ("UserData", "ProcessingErrorData", "DebugData"):
            leaves(section, payload)
    return Record(
        number=int(system.findtext(f"{EVENT}EventRecordID")),
        micros=micros(system.find(f"{EVENT}TimeCreated").get("SystemTime")),
        header=header,
        payload=dict(payload),
    )


def by_package(path: Path) -> tuple[list[Record], list[str]]:
    """The records of a file, and what the package could not read."""
    records, errors = [], []
    parser = evtx.PyEvtxParser(str(path))
    iterator = parser.records()
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001 - the package has no common error type
            errors.append(str(error))
            if len(errors) > 10_000:
                break
            continue
        try:
            records.append(of_xml(item["data"]))
        except (ElementTree.ParseError, AttributeError, TypeError, ValueError) as error:
            errors.append(f"record {item['event_record_id']}: {error}")
    return records, errors


def rows(crabwalk: str, search: str, path: Path) -> list[dict]:
    """The rows of a search over one file."""
    done = subprocess.run(
        [crabwalk, "search", search, str(path), "--format", "jsonl", "--quiet", "--no-builtin"],
        capture_output=True,
        text=True,
        check=False,
    )
    # 3: a part of the input could not be read. What could be is there.
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{path}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines() if line]


SEARCH = '* | eval record=EventRecordID, at=strftime(_time, "%Y-%m-%dT%H:%M:%S.%6N")'
# What a search gives beside the fields of the record.
OURS = {"_time", "record", "at", "EventRecordID", "RecordNumber", "source", "sourcetype", "EventData.Name", *HEADER}


def by_crabwalk(crabwalk: str, path: Path) -> list[Record]:
    """The records of a file."""
    records = []
    for row in rows(crabwalk, SEARCH, path):
        values = {name: value if isinstance(value, list) else [value] for name, value in row.items()}
        records.append(
            Record(
                number=int(row.get("record", -1)),
                micros=micros(row["at"]),
                header={name: values[name][0] for name in HEADER if name in values},
                # A field of the payload that is called like one of the header has a prefix.
                payload={name.removeprefix("EventData."): all for name, all in values.items() if name not in OURS},
                row={value for all in values.values() for value in all},
            )
        )
    return records


def keyed(records: list[Record]) -> dict[tuple, Record]:
    """Records by what tells them apart in a file besides their numbers, which are compared. Of copies one is kept, as
    readers of logs do."""
    found: dict[tuple, Record] = {}
    for _, record in sorted({(one.number, one.micros): one for one in records}.items()):
        own = (record.micros, record.header.get("EventCode", ""), record.header.get("ExecutionThreadID", ""))
        at = sum(1 for key in found if key[:3] == own) if (*own, 0) in found else 0
        found[(*own, at)] = record
    return found


def alike(ours: str, theirs: str) -> bool:
    """Whether two texts are the same, but for how XML writes line ends and what it cannot hold."""
    def plain(text: str) -> str:
        if GUID.fullmatch(text):
            return text.strip("{}").lower()
        return NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    return plain(ours) == plain(theirs)


def differences(ours: Record, theirs: Record) -> list[tuple[str, str, str]]:
    """Where two readings of a record differ: the name, our value, theirs."""
    found = []
    if ours.number != theirs.number:
        found.append(("EventRecordID", str(ours.number), str(theirs.number)))
    if ours.micros != theirs.micros:
        found.append(("TimeCreated", str(ours.micros), str(theirs.micros)))
    for name in HEADER:
        mine, other = ours.header.get(name, ""), theirs.header.get(name, "")
        if not alike(mine, other) and not (name in theirs.payload and other in ours.row):
            found.append((name, mine, other))
    for name in sorted({*ours.payload, *theirs.payload}):
        mine = [value for value in ours.payload.get(name, []) if value.strip("\r\n")]
        other = [value for value in theirs.payload.get(name, []) if value.strip("\r\n")]
        if len(mine) != len(other) or not all(map(alike, mine, other)):
            found.append((name, "|".join(mine), "|".join(other)))
    return found


def compare(crabwalk: str, paths: list[Path]) -> tuple[Counter, list[str]]:
    """Compares the readings of files. What was counted, and a line for each difference."""
    totals: Counter = Counter()
    lines: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        readings = pool.map(lambda path: by_crabwalk(crabwalk, path), paths)
    for path, ours in zip(paths, readings):
        try:
            theirs, errors = by_package(path)
        except Exception as error:  # noqa: BLE001
            totals["files that the package cannot open"] += 1
            lines.append(f"{path.name}: the package cannot open it: {error}")
            continue
        totals["files"] += 1
        totals["records that the package cannot read"] += len(errors)
        mine, other = keyed(ours), keyed(theirs)
        totals["records of Crabwalk"] += len(mine)
        totals["records of the package"] += len(other)
        for key in sorted(other.keys() - mine.keys()):
            totals["records only of the package"] += 1
            lines.append(f"{path.name}: record {other[key].number} at {key[0]}: only the package has it")
        for key in sorted(mine.keys() - other.keys()):
            if errors:
                totals["records only of Crabwalk, in files that the package reads in part"] += 1
            else:
                totals["records only of Crabwalk"] += 1
                lines.append(f"{path.name}: record {mine[key].number} at {key[0]}: only Crabwalk has it")
        for key in sorted(mine.keys() & other.keys()):
            totals["records compared"] += 1
            totals["values compared"] += 2 + len(other[key].header) + sum(map(len, other[key].payload.values()))
            for name, own, their in differences(mine[key], other[key]):
                totals["values that differ"] += 1
                lines.append(f"{path.name}: record {other[key].number}: {name}: `{own}`, the package has `{their}`")
    return totals, lines
