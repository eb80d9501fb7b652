"""Exports as other tools' own code reads them. usage: exports.py CASE OCSF OPENGRAPH IRIS-TIMELINE"""

import csv
import json
import re
import sys

from bhopengraph.OpenGraph import OpenGraph
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema


def text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


case, ocsf, opengraph, timeline = map(text, sys.argv[1:])
case = json.loads(case)
told = [path for path in case["paths"] if path["told"]]
moved = case["hops"]

# OCSF: every document fits the class's schema, also those of later versions.
documents = [json.loads(line) for line in ocsf.splitlines()]
shown = [finding for finding in case["findings"] if not finding["suppressed"]]
assert len(documents) == len(told) + len(shown), (len(documents), len(told), len(shown))
assert {document["metadata"]["version"] for document in documents} == {"1.5.0"}
for version in ("1.5.0", "1.6.0", "1.7.0", "1.8.0"):
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version)).get_class_schema("detection_finding")
    validator = Draft202012Validator(schema)
    for document in documents:
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
        assert not errors, (version, errors[:5], document["finding_info"]["title"])
# The check can fail.
broken = dict(documents[0], severity_id="high")
assert not validator.is_valid(broken) and not validator.is_valid(dict(documents[0], nonsense=1))
uids = [document["finding_info"]["uid"] for document in documents]
assert len(set(uids)) == len(uids)
path = documents[0]
assert path["message"] == told[0]["way"] and path["is_alert"], path
assert len(path["evidences"]) == len(told[0]["hops"])
techniques = {attack.get("sub_technique", attack["technique"])["uid"] for attack in path["finding_info"]["attacks"]}
assert techniques == {one for hop in moved if hop["id"] in told[0]["hops"] for one in hop["techniques"]}
by_id = {finding["id"]: finding for finding in shown}
for document in documents[len(told) :]:
    finding = by_id[document["finding_info"]["uid"]]
    assert document["severity"].lower() == finding["severity"]
    assert document["is_alert"] == finding["notable"]
    assert document["evidences"][0]["data"]["record"] == finding["events"][0]["record"]

# BloodHound's OpenGraph.
graph = OpenGraph()
data = json.loads(opengraph)
assert graph.import_from_dict(data)
valid, errors = graph.validate_graph()
assert valid, errors
nodes, edges = data["graph"]["nodes"], data["graph"]["edges"]
assert graph.get_node_count() == len(nodes) and graph.get_edge_count() == len(edges), "something stands twice"
for kind in {edge["kind"] for edge in edges} | {kind for node in nodes for kind in node["kinds"]}:
    assert re.fullmatch(r"[A-Za-z0-9_]+", kind), kind
movements = [edge for edge in edges if "Move" in edge["kind"]]
assert sum(edge["properties"]["count"] for edge in movements) == len(moved)
names = {node["properties"]["displayname"] for node in nodes}
assert {"PIER-WS01", "PIER-WS02", "HARBOR\\adm.reiter"} <= names, names
assert graph.find_paths("CRABWALK-HOST-PIER-WS01", "CRABWALK-HOST-TIDE-SQL01"), "no way"

# DFIR-IRIS splits the file into lines, as Python does, and then into columns.
rows = list(csv.DictReader(timeline.splitlines()))
fields = "event_date event_tz event_title event_category event_content event_raw event_source event_assets event_iocs event_tags"
assert list(rows[0]) == fields.split(), list(rows[0])
notable = [finding for finding in shown if finding["notable"]]
cleared = sum(len(covered["cleared"]) for covered in case["coverage"])
assert len(rows) == sum(hop["standing"] != "routine" for hop in moved) + len(notable) + cleared, len(rows)
for row in rows:
    assert None not in row and None not in row.values(), row
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", row["event_date"]), row
    assert row["event_tz"] == "+00:00" and row["event_title"] and row["event_category"]
assert [row["event_date"] for row in rows] == sorted(row["event_date"] for row in rows)
print("all is well")
