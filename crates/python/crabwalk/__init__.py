"""Crabwalk finds, proves and explains lateral movement in Windows, Sysmon and Zeek logs.

>>> import crabwalk
>>> case = crabwalk.hunt("evidence/")
>>> print(case)
>>> case.hops.to_pandas()
>>> crabwalk.search("EventCode=4624 | stats count by host, user", "evidence/")
"""

from __future__ import annotations

import os
import pathlib
from datetime import datetime, timezone
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Union

from . import _native
from ._errors import (
    ContentError,
    ContentWarning,
    CrabwalkWarning,
    Error,
    ReadError,
    ReadWarning,
    SearchError,
    SearchWarning,
    WriteError,
)
from ._native import Case, Table, __version__
from ._progress import Progress, Wanted, reporting

__all__ = [
    "Case",
    "ContentError",
    "ContentWarning",
    "CrabwalkWarning",
    "Demo",
    "Error",
    "Progress",
    "ReadError",
    "ReadWarning",
    "SearchError",
    "SearchWarning",
    "Table",
    "WriteError",
    "__version__",
    "demo",
    "hunt",
    "read_case",
    "search",
]

Path = Union[str, "os.PathLike[str]"]
Paths = Union[Path, Iterable[Path]]
Names = Union[str, Iterable[str]]
Time = Union[str, datetime]


def hunt(
    paths: Paths,
    *,
    content: Optional[Paths] = None,
    sigma: Optional[Paths] = None,
    builtin: bool = True,
    detections: Optional[Names] = None,
    stories: Optional[Names] = None,
    exceptions: Optional[Paths] = None,
    assets: Optional[Paths] = None,
    identities: Optional[Paths] = None,
    lookups: Optional[Path] = None,
    geoip: Optional[Path] = None,
    hosts: Optional[Names] = None,
    accounts: Optional[Names] = None,
    since: Optional[Time] = None,
    until: Optional[Time] = None,
    budget: Optional[float] = None,
    threads: Optional[int] = None,
    memory: Optional[int] = None,
    search_memory: Optional[int] = None,
    progress: Wanted = None,
) -> Case:
    """Reads logs, runs the detections over them, and finds who moved where.

    paths
        Files, folders (with everything in them) and zip, tar.gz or gz archives; or one store that ``crabwalk ingest``
        made. Formats are recognised by content: EVTX, event XML, JSON, CSV, Zeek, syslog.
    content, sigma
        Directories or files of further detections, macros and lookups in ESCU's format, and of Sigma rules.
    builtin
        Whether to use the detections that Crabwalk brings.
    detections, stories
        Run only detections with these names or ids, or of these stories (any case, ``*`` for any text).
    exceptions
        YAML files that say which findings to hide, who decided it, why and until when.
    assets, identities
        CSV files of machines and accounts with Splunk ES headers.
    lookups
        Directory of the lookups that searches write; they are read from there and saved there.
    geoip
        MaxMind database for ``iplocation``.
    hosts, accounts
        Names or addresses whose dossiers the case has to contain, whether or not they are on a reported path.
    since, until
        Ignore events before and after: RFC 3339 or a date, in UTC if it names no zone; a time before now, such as
        ``"-7d"``; or a ``datetime``, in UTC if it has no zone.
    budget
        How many paths may be reported per day and thousand hosts, where the logs cover enough days to compare.
        Default 1.
    threads
        Threads that read and search; by default one per processor.
    memory
        Approximate bytes to use; by default a quarter of the machine's, at least 512 MB. Logs that need more go into a
        temporary store while they are read, in ``TMPDIR``.
    search_memory
        MiB for grouping, sorting and joining in searches, all together; the rest spills to disk. Default 512.
    progress
        True shows progress and False does not; by default it is shown on a terminal and in a notebook. A function is
        called with a :class:`Progress` about five times a second.

    Raises :class:`ReadError` if nothing could be read, and :class:`ContentError` if content or a name of it does not
    exist. What was unreadable in part is a :class:`ReadWarning`, and listed in :attr:`Case.sources`.
    """
    question = {
        "detections": _names(detections),
        "stories": _names(stories),
        "exceptions": _paths(exceptions),
        "hosts": _names(hosts),
        "accounts": _names(accounts),
        "budget": budget,
    }
    known = _known(builtin, content, sigma, assets, identities, lookups, geoip)
    logs = _logs(paths, since, until, threads, memory, search_memory)
    with reporting(progress) as report:
        return _native.hunt(logs, known, question, report)


def search(
    spl: str,
    data: Union[Paths, Case],
    *,
    content: Optional[Paths] = None,
    assets: Optional[Paths] = None,
    identities: Optional[Paths] = None,
    lookups: Optional[Path] = None,
    geoip: Optional[Path] = None,
    since: Optional[Time] = None,
    until: Optional[Time] = None,
    threads: Optional[int] = None,
    memory: Optional[int] = None,
    search_memory: Optional[int] = None,
    progress: Wanted = None,
) -> Table:
    """Runs one search, in SPL, and returns its rows.

    spl
        The search, such as ``EventCode=4624 | stats count by host, user``. Fields have Windows', the Windows add-on's
        and CIM names.
    data
        Logs or a store, as for :func:`hunt`; or a :class:`Case`, whose findings ``index=risk`` and ```notable```
        search.

    The other arguments are those of :func:`hunt`.

    In the table ``_time`` is a timestamp (microseconds, UTC), a number of SPL is a float or an integer, a field that
    may have several values is a list, and everything else is text. Other times, such as ``min(_time)``, are what they
    are in SPL: seconds since 1970-01-01 UTC.

    Raises :class:`SearchError` if the search is wrong, and :class:`ReadError` if nothing could be read. Likely mistakes,
    such as a field that no event has, are a :class:`SearchWarning`.
    """
    case = data if isinstance(data, Case) else None
    known = _known(True, content, None, assets, identities, lookups, geoip)
    logs = _logs([] if isinstance(data, Case) else data, since, until, threads, memory, search_memory)
    with reporting(progress) as report:
        return _native.search(spl, logs, case, known, report)


def read_case(path: Path) -> Case:
    """Reads a ``case.json`` that :meth:`Case.write`, :meth:`Case.to_json` or ``crabwalk hunt --out`` wrote.

    Raises :class:`ReadError` if it is none, or of another version's schema.
    """
    return _native.read_case(os.fspath(path))


def demo(directory: Path = "crabwalk-demo", *, seed: int = 1) -> Demo:
    """Writes the logs of a small made-up company with an intrusion, to try Crabwalk on: 30 MB of EVTX and Zeek.

    The directory is created if it is missing, and must be empty or of an earlier demo. The same seed gives the same logs.
    """
    folders = _native.demo(os.fspath(directory), seed)
    base = pathlib.Path(directory)
    return Demo(folders, base / "assets.csv", base / "identities.csv", base / "truth.json")


class Demo(NamedTuple):
    """The files of :func:`demo`."""

    logs: List[pathlib.Path]
    """Folders with logs: one for each host, and the network's."""
    assets: pathlib.Path
    """What is known about the machines."""
    identities: pathlib.Path
    """What is known about the accounts."""
    truth: pathlib.Path
    """What the intruder did, as JSON."""


def _logs(
    paths: Paths,
    since: Optional[Time],
    until: Optional[Time],
    threads: Optional[int],
    memory: Optional[int],
    search_memory: Optional[int],
) -> Dict[str, Any]:
    for name, number in (("threads", threads), ("memory", memory), ("search_memory", search_memory)):
        if number is not None and number < 1:
            raise ValueError(f"{name}: a number from 1 on")
    return {
        "paths": _paths(paths),
        "since": _time(since),
        "until": _time(until),
        "threads": threads,
        "memory": memory,
        "search_memory": search_memory,
    }


def _known(
    builtin: bool,
    content: Optional[Paths],
    sigma: Optional[Paths],
    assets: Optional[Paths],
    identities: Optional[Paths],
    lookups: Optional[Path],
    geoip: Optional[Path],
) -> Dict[str, Any]:
    return {
        "builtin": builtin,
        "content": _paths(content),
        "sigma": _paths(sigma),
        "assets": _paths(assets),
        "identities": _paths(identities),
        "lookups": None if lookups is None else os.fspath(lookups),
        "geoip": None if geoip is None else os.fspath(geoip),
    }


def _paths(paths: Optional[Paths]) -> List[str]:
    if paths is None:
        return []
    if isinstance(paths, (str, os.PathLike)):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]


def _names(names: Optional[Names]) -> List[str]:
    if names is None:
        return []
    return [names] if isinstance(names, str) else list(names)


def _time(time: Optional[Time]) -> Optional[str]:
    if isinstance(time, datetime):
        zoned = time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)
        return zoned.astimezone(timezone.utc).isoformat()
    return time
