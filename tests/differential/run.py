"""Compares Crabwalk with other readers and engines: see README.md."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import yaml

import records
import rules

HERE = Path(__file__).resolve().parent


def known() -> list[dict]:
    """Differences whose cause is known: a pattern for their lines, and whose fault they are and why."""
    entries = yaml.safe_load((HERE / "known.yml").read_text(encoding="utf-8")) or []
    return [{**entry, "pattern": re.compile(entry["line"])} for entry in entries]


def tell(title: str, totals, lines: list[str], entries: list[dict]) -> int:
    """Prints what was compared and where it differs; how many differences nobody has explained."""
    print(f"\n{title}")
    for name, number in totals.items():
        print(f"  {number:>9,}  {name}")
    explained: dict[str, int] = {}
    open_lines = []
    for line in lines:
        entry = next((entry for entry in entries if entry["pattern"].search(line)), None)
        if entry is None:
            open_lines.append(line)
        else:
            explained[entry["why"]] = explained.get(entry["why"], 0) + 1
    for why, number in sorted(explained.items()):
        print(f"  {number:>9,}  known: {why}")
    for line in open_lines[:100]:
        print(f"  differs: {line}")
    if len(open_lines) > 100:
        print(f"  … and {len(open_lines) - 100:,} more")
    return len(open_lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crabwalk", required=True, help="the program")
    parser.add_argument("--rules", type=Path, required=True, help="folder with Sigma rules")
    parser.add_argument("--logs", type=Path, required=True, help="folder with EVTX files")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.logs.rglob("*") if path.suffix.lower() == ".evtx")
    if not paths:
        print(f"no EVTX file below {arguments.logs}", file=sys.stderr)
        return 1
    entries = known()
    logsources = HERE.parent.parent / "content" / "sigma" / "logsources.yml"
    totals, lines = records.compare(arguments.crabwalk, paths)
    left = tell("EVTX, compared with the package `evtx`", totals, lines, entries)
    totals, lines = rules.compare(arguments.crabwalk, arguments.rules, logsources, paths)
    left += tell("Sigma, compared with pySigma's SQLite backend", totals, lines, entries)
    print(f"\n{left} differences that nobody has explained" if left else "\nno difference that nobody has explained")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
