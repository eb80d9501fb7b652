"""Hunts, cases and their tables."""

import json
import shutil
import warnings
from datetime import datetime, timedelta, timezone

import pytest

import crabwalk


def without_clock(case):
    """A case without what differs from run to run."""
    case["created"] = case["stats"]["seconds"] = None
    return case


def test_a_case_is_that_of_the_program(demo, case, program):
    hunt = program(
        "hunt", *demo.logs, "--assets", demo.assets, "--identities", demo.identities, "--format", "json", "--quiet"
    )
    assert without_clock(json.loads(case.to_json())) == without_clock(json.loads(hunt))


def test_the_planted_path_is_told(demo, case):
    truth = json.loads(demo.truth.read_text())
    planted = {(hop["src"], hop["dst"]) for one in truth["intrusions"] for hop in one["hops"]}
    told = {(hop["src_id"], hop["dst_id"]) for hop in case.hops.to_pylist() if hop["told"]}
    assert planted
    assert told == {(src.lower().split(".")[0], dst.lower().split(".")[0]) for src, dst in planted}
    assert case.summary[0] in str(case)
    assert case.verdict["paths"] == ["path-1"]
    isolate = {host["id"] for host in case.hosts.to_pylist() if host["isolate"]}
    assert isolate == set(case.verdict["isolate"]) == {host for hop in told for host in hop}
    reset = {account["id"] for account in case.accounts.to_pylist() if account["reset"]}
    assert reset == {account["account"] for account in case.verdict["accounts"]}


def test_tables_say_what_the_document_says(case):
    document = json.loads(case.to_json())
    for name in ("hops", "paths", "findings", "hosts", "accounts", "sources", "gaps", "coverage"):
        table = getattr(case, name)
        assert len(table) == table.num_rows == len(document[name]) > 0, name
        if "id" in table.columns:
            assert [row["id"] for row in table.to_pylist()] == [row["id"] for row in document[name]], name
    names = {host["id"]: host["name"] for host in document["hosts"]}
    accounts = {account["id"]: account["name"] for account in document["accounts"]}
    paths = {hop: path for path in reversed(document["paths"]) for hop in path["hops"]}
    for row, hop in zip(case.hops.to_pylist(), document["hops"]):
        assert row["src"] == names.get(hop["src"]) and row["dst"] == names[hop["dst"]]
        assert row["account"] == accounts.get(hop["account"])
        assert row["first"] == datetime.fromisoformat(hop["first"].replace("Z", "+00:00"))
        assert row["techniques"] == hop["techniques"]
        assert set(row["witnesses"]) == {witness["kind"] for witness in hop["witnesses"]}
        path = paths.get(hop["id"])
        assert (row["path"], row["told"]) == ((path["id"], path["told"]) if path else (None, False))
    for row, finding in zip(case.findings.to_pylist(), document["findings"]):
        assert json.loads(row["fields"]) == finding["fields"]
        assert (row["notable"], row["events"]) == (finding["notable"], finding["event_count"])
    timeline = [row["time"] for row in case.timeline.to_pylist()]
    assert timeline == sorted(timeline) and len(timeline) > 100


def test_what_is_written_is_what_the_program_writes(demo, case, program, tmp_path):
    written = case.write(tmp_path / "own")
    program("hunt", *demo.logs, "--quiet", "--out", tmp_path / "program")
    names = sorted(path.name for path in (tmp_path / "program").iterdir())
    assert sorted(path.name for path in written) == names
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == names
    assert (tmp_path / "own" / "case.json").read_text() == case.to_json()
    assert "report.html" in names


def test_a_case_is_read_back(case, tmp_path):
    file = tmp_path / "case.json"
    file.write_text(case.to_json())
    back = crabwalk.read_case(file)
    assert without_clock(json.loads(back.to_json())) == without_clock(json.loads(case.to_json()))
    assert back.hops.to_pylist() == case.hops.to_pylist()
    assert back.verdict == case.verdict
    assert "report.html" in {path.name for path in back.write(tmp_path / "again")}
    for text, why in (("{}", "case file"), (case.to_json().replace("crabwalk.case/1", "crabwalk.case/9"), "schema")):
        file.write_text(text)
        with pytest.raises(crabwalk.ReadError, match=why):
            crabwalk.read_case(file)
    with pytest.raises(crabwalk.ReadError, match="nowhere"):
        crabwalk.read_case(tmp_path / "nowhere.json")


def test_times_can_be_text_or_datetimes(demo):
    day = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)
    zone = timezone(timedelta(hours=5))
    cases = [
        crabwalk.hunt(demo.logs, since=since, until=until)
        for since, until in (
            ("2026-03-04T12:00:00Z", "2026-03-04T13:20:00Z"),
            (day, day + timedelta(minutes=80)),
            (day.replace(tzinfo=None), (day + timedelta(minutes=80)).astimezone(zone)),
        )
    ]
    hops = [one.hops.to_pylist() for one in cases]
    assert hops[0] and hops[0] == hops[1] == hops[2]
    assert all(day <= row["time"] <= day + timedelta(minutes=80) for row in cases[0].timeline.to_pylist())


def test_only_chosen_detections_run(demo, case):
    one = crabwalk.hunt(demo.logs, detections="Windows RDP Connection Successful")
    assert {row["detection"] for row in one.findings.to_pylist()} == {"Windows RDP Connection Successful"}
    story = crabwalk.hunt(demo.logs, stories=["lateral movement"])
    assert 0 < len(story.findings) < len(case.findings)


def test_own_content_sigma_and_exceptions(demo, tmp_path):
    (tmp_path / "sigma.yml").write_text(
        "title: Logons\nid: 7c1b7c8e-6b3a-4a0e-9b0a-0f2f7d7a1c11\nstatus: test\n"
        "logsource: {product: windows, service: security}\n"
        "detection: {selection: {EventID: 4624, LogonType: 10}, condition: selection}\nlevel: low\n"
    )
    (tmp_path / "exceptions.yml").write_text(
        "exceptions:\n  - {detection: Logons, fields: {host: ['*']}, reason: a test, by: Ann, until: 2999-01-01}\n"
    )
    sigma = dict(sigma=tmp_path / "sigma.yml", builtin=False)
    found = crabwalk.hunt(demo.logs, **sigma).findings.to_pylist()
    assert found and {row["detection"] for row in found} == {"Logons"}
    hidden = crabwalk.hunt(demo.logs, exceptions=[tmp_path / "exceptions.yml"], **sigma).findings.to_pylist()
    assert {row["suppressed"] for row in hidden} == {"a test"}


def test_dossiers_are_made_of_whom_one_asks_for(demo):
    asked = crabwalk.hunt(demo.logs, hosts="TIDE-FS01", accounts=["svc_backup"], detections="Windows RDP*")
    dossiers = json.loads(asked.to_json())["dossiers"]
    assert "tide-fs01" in {one["host"] for one in dossiers["hosts"]}
    assert any("svc_backup" in one["account"] for one in dossiers["accounts"])


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        (dict(detections="Windows RDP Conection Successful"), crabwalk.ContentError, "did you mean"),
        (dict(stories="nosuch"), crabwalk.ContentError, "story"),
        (dict(content="/nowhere/content"), crabwalk.ContentError, "content: /nowhere/content"),
        (dict(assets="/nowhere/assets.csv"), crabwalk.ContentError, "assets: /nowhere/assets.csv"),
        (dict(exceptions="/nowhere/e.yml"), crabwalk.ContentError, "exceptions: /nowhere/e.yml"),
        (dict(since="yesterday"), ValueError, "since: `yesterday` is not a time"),
        (dict(threads=0), ValueError, "threads"),
        (dict(budget=-1), ValueError, "budget"),
    ],
)
def test_wrong_arguments_are_named(demo, arguments, error, text):
    with pytest.raises(error, match=text):
        crabwalk.hunt(demo.logs, **arguments)


def test_logs_that_cannot_be_read_are_named(demo, tmp_path):
    with pytest.raises(crabwalk.ReadError, match="nowhere"):
        crabwalk.hunt(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(crabwalk.ReadError, match="contains no files"):
        crabwalk.hunt(tmp_path / "empty")
    whole = next(path for path in demo.logs if path.name == "PIER-WS01") / "Security.evtx"
    cut = tmp_path / "cut.evtx"
    cut.write_bytes(whole.read_bytes()[:-100_000])
    with pytest.warns(crabwalk.ReadWarning, match="cut.evtx") as seen:
        case = crabwalk.hunt([cut, whole.with_name("System.evtx")])
    assert len(seen) == 1 and seen[0].filename == __file__
    assert {row["path"].endswith("cut.evtx"): row["lossy"] for row in case.sources.to_pylist()} == {
        True: True,
        False: False,
    }


def test_content_that_is_wrong_is_a_warning(demo, tmp_path):
    (tmp_path / "broken.yml").write_text("name: [")
    with pytest.warns(crabwalk.ContentWarning, match="broken.yml"):
        crabwalk.hunt(demo.logs[:1], content=tmp_path)


def test_a_store_gives_the_same_case(demo, case, program, tmp_path):
    program("ingest", *demo.logs, "--store", tmp_path / "store")
    stored = crabwalk.hunt(tmp_path / "store", assets=demo.assets, identities=demo.identities)
    assert stored.hops.to_pylist() == case.hops.to_pylist()
    rows = crabwalk.search("EventCode=4624 | stats count by host", tmp_path / "store")
    assert rows.to_pylist() == crabwalk.search("EventCode=4624 | stats count by host", demo.logs).to_pylist()
    with pytest.raises(crabwalk.ReadError, match="cannot be combined"):
        crabwalk.hunt([tmp_path / "store", *demo.logs])
    shutil.rmtree(tmp_path / "store")


def test_hostile_names_do_no_harm_in_a_notebook(demo, tmp_path):
    row = {
        "EventID": 4624,
        "Channel": "Security",
        "Computer": "<img src=x onerror=alert(1)>",
        "EventTime": "2026-03-04 12:00:00",
        "TargetUserName": "$\\href{x}$\u202e\x1b[31m<b>",
        "LogonType": "10",
    }
    (tmp_path / "log.json").write_text(json.dumps(row) + "\n")
    table = crabwalk.search("EventCode=4624 | table host TargetUserName", tmp_path / "log.json")
    assert table.to_pylist() == [{"host": row["Computer"], "TargetUserName": row["TargetUserName"]}]
    shown = table._repr_html_()
    assert "&lt;img" in shown
    for bad in ("<img", "<b>", "$", "\u202e", "\x1b"):
        assert bad not in shown, bad
