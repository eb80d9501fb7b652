"""Calls of Splunk's own client library. usage: splunk_sdk.py PORT NAME PASSWORD"""

import sys
import time

import splunklib.client as client
import splunklib.results as results
from splunklib.binding import AuthenticationError, HTTPError

port, name, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def connect(**more):
    return client.connect(host="127.0.0.1", port=port, scheme="http", **more)


def rows(stream):
    return [row for row in results.JSONResultsReader(stream) if isinstance(row, dict)]


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


for more in ({"basic": True}, {"app": "search", "owner": "nobody"}, {}):
    service = connect(username=name, password=password, **more)
    assert service.splunk_version >= (9, 0, 2), service.splunk_version

SEARCH = "search message=hello* | sort message | table _time message"

found = rows(service.jobs.oneshot(SEARCH, output_mode="json"))
assert [row["message"] for row in found] == ["hello a", "hello b & <c>"], found
assert found[0]["_time"] == "2026-09-21T14:13:20.250+00:00", found[0]
found = list(results.ResultsReader(service.jobs.oneshot(SEARCH)))
assert [row["message"] for row in found] == ["hello a", "hello b & <c>"], found
# The range of time, and the number of rows.
assert rows(service.jobs.oneshot(SEARCH, output_mode="json", earliest_time="-1h", latest_time="now")) == []
assert len(rows(service.jobs.oneshot(SEARCH, output_mode="json", count=1, offset=1))) == 1

job = service.jobs.create(SEARCH, exec_mode="normal")
for _ in range(200):
    if job.is_done():
        break
    time.sleep(0.05)
assert job["dispatchState"] == "DONE" and job["resultCount"] == "2", job.content
reader = results.JSONResultsReader(job.results(output_mode="json", count=0))
assert [row["message"] for row in reader] == ["hello a", "hello b & <c>"]
assert not reader.is_preview
assert len(rows(job.preview(output_mode="json"))) == 2
assert job.sid in [one.sid for one in service.jobs]
job.cancel()
job.cancel()
assert job.sid not in [one.sid for one in service.jobs]

assert service.jobs.create(SEARCH, exec_mode="blocking").is_done()
assert service.jobs.create(SEARCH, output_mode="json").sid
service.jobs.create(SEARCH).finalize()
assert len(rows(service.jobs.export(SEARCH, output_mode="json"))) == 2
assert len(list(results.ResultsReader(service.jobs.export(SEARCH)))) == 2
assert rows(service.jobs.export("search message=none", output_mode="json")) == []
assert b'"message"' in service.jobs.oneshot(SEARCH, output_mode="csv").read()

error = raises(HTTPError, lambda: service.jobs.create("search | boguscmd"))
assert error.status == 400 and b"boguscmd" in error.body, error
error = raises(HTTPError, lambda: service.jobs.create(SEARCH, earliest_time="yesterday"))
assert error.status == 400, error

names = {one.name: one for one in service.saved_searches.list()}
rule = names["Rule one"]
assert rule.content["cron_schedule"] == "0 * * * *" and rule.content["disabled"] == "0", rule.content
assert rule.content["dispatch.earliest_time"] == "-70m@m", rule.content
assert service.saved_searches["Rule one"]["search"].startswith("EventCode=4625")
assert service.saved_searches["Rule one"].dispatch().sid
rule.update(disabled=1).refresh()
assert rule["disabled"] == "1"
rule.update(disabled=0)

saved = service.saved_searches.create("my own", SEARCH, cron_schedule="5 * * * *", is_scheduled=1)
assert saved.name == "my own", saved
error = raises(HTTPError, lambda: service.saved_searches.create("my own", SEARCH))
assert error.status == 409, error
error = raises(HTTPError, lambda: saved.update(alert_type="always"))
assert error.status == 400 and b"alert_type" in error.body, error
assert saved.update(description="x").refresh()["description"] == "x"
job = saved.dispatch()
while not job.is_done():
    time.sleep(0.05)
assert len(rows(job.results(output_mode="json"))) == 2
assert len(saved.history()) == 1, saved.history()
service.saved_searches.delete("my own")
raises(KeyError, lambda: service.saved_searches["my own"])

assert [one.name for one in service.indexes] == ["main"]
assert [one.name for one in service.apps] == ["search"]
assert b"search" in service.parse("search x | stats count", output_mode="json").body.read()

raises(AuthenticationError, lambda: connect(username=name, password="something else"))
raises(AuthenticationError, lambda: connect(token="bad").splunk_version)
assert connect(token=service.token).splunk_version
print("all is well")
