"""Searches, and tables in data frames."""

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import crabwalk

LOGONS = "EventCode=4624 | stats count min(_time) as first values(LogonType) as types by host | sort - count host"


@pytest.fixture(scope="module")
def logons(demo):
    return crabwalk.search(LOGONS, demo.logs)


def test_frames_agree(logons):
    rows = logons.to_pylist()
    assert len(rows) == len(logons) == 9
    assert list(rows[0]) == logons.columns == ["host", "count", "first", "types"]
    assert isinstance(rows[0]["count"], int) and isinstance(rows[0]["first"], float)
    assert isinstance(rows[0]["types"], list)
    assert pa.table(logons).to_pylist() == rows
    assert logons.to_arrow().to_pylist() == rows
    assert pl.DataFrame(logons).to_dicts() == logons.to_polars().to_dicts() == rows
    frame = logons.to_pandas()
    assert list(frame["count"]) == [row["count"] for row in rows]
    assert frame.equals(pd.DataFrame.from_arrow(logons))
    counted = duckdb.sql("select host, count from logons order by count desc, host").fetchall()
    assert counted == [(row["host"], row["count"]) for row in rows]


def test_nothing_is_copied(logons):
    def places():
        chunk = pa.table(logons).column("host").chunk(0)
        return [buffer.address for buffer in chunk.buffers() if buffer is not None]

    assert places() == places()


def test_a_table_outlives_what_made_it(demo):
    frame = pa.table(crabwalk.search("EventCode=4624 | head 3 | table host", demo.logs))
    assert all(host.endswith(".harbor.example") for host in frame.column("host").to_pylist())
    capsule = crabwalk.search("EventCode=4624 | head 3", demo.logs).__arrow_c_stream__()
    assert "arrow_array_stream" in repr(capsule)
    del capsule


def test_times_are_timestamps_in_utc(demo):
    table = crabwalk.search("EventCode=4624 | sort 5 _time | table _time EventCode", demo.logs)
    schema = pa.schema(table)
    assert schema.field("_time").type == pa.timestamp("us", "UTC")
    assert schema.field("EventCode").type in (pa.string(), pa.string_view())
    times = [row["_time"] for row in table.to_pylist()]
    assert times == sorted(times) and times[0].year == 2026 and times[0].utcoffset().total_seconds() == 0
    assert str(table.to_pandas().dtypes["_time"]) == "datetime64[us, UTC]"
    seconds = crabwalk.search("EventCode=4624 | stats min(_time) as first", demo.logs).to_pylist()[0]["first"]
    assert times[0].timestamp() == pytest.approx(seconds, abs=1e-6)


def test_charts_have_numbers(demo):
    chart = crabwalk.search("EventCode=4624 | timechart span=1d count by LogonType", demo.logs).to_pandas()
    assert len(chart) == 3 and str(chart.dtypes["_time"]).startswith("datetime64")
    assert {str(kind) for kind in chart.drop(columns="_time").dtypes} == {"int64"}
    means = crabwalk.search("EventCode=4624 | chart avg(LogonType) over host by LogonType", demo.logs).to_pandas()
    assert {str(kind) for kind in means.drop(columns="host").dtypes} == {"float64"}


def test_no_rows_are_a_table_too(demo):
    empty = crabwalk.search("EventCode=4624 host=nosuch | stats count by host, user", demo.logs)
    assert len(empty) == 0 and empty.columns == ["host", "user", "count"]
    for frame in (empty.to_pandas(), empty.to_polars(), empty.to_arrow(), empty.to_pylist()):
        assert len(frame) == 0
    assert duckdb.sql("from empty").fetchall() == []
    assert "0 rows" in repr(empty)


def test_the_place_of_an_error(demo):
    text = "EventCode=4624\n| eval é=1 | stats cout by host"
    with pytest.raises(crabwalk.SearchError) as caught:
        crabwalk.search(text, demo.logs)
    error = caught.value
    assert isinstance(error, crabwalk.Error)
    assert text[error.offset : error.end] == "cout"
    assert (error.line, error.column) == (2, 20)
    assert error.message == "there is no aggregation `cout`" and "count" in error.help
    assert "^^^^" in str(error) and error.text == text


def test_an_error_while_it_runs_has_the_search(demo):
    with pytest.raises(crabwalk.SearchError) as caught:
        crabwalk.search("EventCode=4624 | lookup nosuch host", demo.logs)
    assert "nosuch" in caught.value.message


def test_likely_mistakes_are_warnings_where_the_search_is(demo):
    with pytest.warns(crabwalk.SearchWarning, match="nosuchfield") as seen:
        crabwalk.search("EventCode=4624 | stats count by nosuchfield", demo.logs)
    assert seen[0].filename == __file__


def test_findings_are_searched_in_a_case(demo, case):
    risk = crabwalk.search("index=risk | stats sum(risk_score) as risk by risk_object | sort - risk", case)
    risk = {row["risk_object"]: row["risk"] for row in risk.to_pylist()}
    assert risk["PIER-WS02.harbor.example"] > 100
    with pytest.raises(crabwalk.ReadError, match="search the logs"):
        crabwalk.search("EventCode=4624", case)
    with pytest.raises(crabwalk.ReadError, match="hunt"):
        crabwalk.search("index=risk | stats count", demo.logs)


def test_lookups_are_kept_where_one_says(demo, tmp_path):
    text = "EventCode=4624 | stats count by host | outputlookup seen.csv"
    with pytest.warns(crabwalk.SearchWarning, match="seen"):
        crabwalk.search(text, demo.logs)
    crabwalk.search(text, demo.logs, lookups=tmp_path)
    assert (tmp_path / "seen.csv").is_file()
    back = crabwalk.search("| inputlookup seen.csv | stats count", demo.logs, lookups=tmp_path)
    assert back.to_pylist() == [{"count": 9}]


def test_a_range_of_time(demo):
    def count(**range):
        rows = crabwalk.search("EventCode=4624 | stats count", demo.logs, **range)
        return rows.to_pylist()[0]["count"]

    assert count() == count(until="2026-03-04") + count(since="2026-03-04")
    assert 0 < count(since="2026-03-05") < count()


def test_less_memory_or_threads_change_nothing(demo, logons, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for less in (dict(threads=1, search_memory=64), dict(memory=8_000_000)):
        assert crabwalk.search(LOGONS, demo.logs, **less).to_pylist() == logons.to_pylist()
    assert not list(tmp_path.iterdir()), "the temporary store is left"
