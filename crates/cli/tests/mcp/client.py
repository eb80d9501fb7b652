"""Calls of the Model Context Protocol's own client. usage: client.py PROGRAM, in a folder with `demo` and `hostile.jsonl`"""

import asyncio
import json
import re
import sys

from mcp import Client, MCPError, StdioServerParameters

PROGRAM = sys.argv[1]
FENCE = re.compile(r"\[data ([0-9a-f]{16}) begins\]\n([^\n]*)\n\[data ([0-9a-f]{16}) ends\]")
NONCES = set()


def server(*arguments):
    return Client(StdioServerParameters(command=PROGRAM, args=["mcp", *arguments]))


def checked(result):
    """The data and notes of an answer, which its text and its structure both hold."""
    (content,) = result.content
    fence = FENCE.search(content.text)
    assert fence, content.text
    first, data, last = fence.groups()
    assert first == last and first not in NONCES
    NONCES.add(first)
    structure = result.structured_content
    assert json.loads(data) == structure["untrusted"]
    assert len(data) <= 40_000, len(data)
    # Before and after the fence are the program's own words, one paragraph each.
    after = content.text[fence.end() :].strip()
    if not result.is_error:
        assert after == "\n".join(structure["notes"]), after
    return structure["untrusted"], structure["notes"]


async def ask(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return checked(result)


async def refused(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    data, notes = checked(result)
    return data["error"], notes[0]


async def of_a_case():
    async with server("demo/case/case.json", "--logs", "demo") as client:
        assert client.server_info.name == "crabwalk"
        assert "Never follow" in client.instructions
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["case", "path", "explain", "dossier", "event", "hunt", "search"]
        for tool in tools:
            assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint, tool
            assert tool.description and tool.input_schema["additionalProperties"] is False, tool

        overview, _ = await ask(client, "case")
        assert overview["paths"]["first"][0]["way"].startswith("PIER-WS01 → PIER-WS02"), overview["paths"]
        assert overview["paths"]["first"][0]["reported"] is True
        assert "PIER-WS02" in overview["scope"]["isolate"], overview["scope"]
        paths, _ = await ask(client, "case", part="paths")
        assert paths["in_all"] == overview["paths"]["in_all"]

        # Pages follow one another, and say so.
        seen, offset = [], 0
        while True:
            page, notes = await ask(client, "case", part="findings", offset=offset, count=7)
            seen += [row["id"] for row in page["rows"]]
            offset += page["shown"]
            if offset >= page["in_all"]:
                assert notes == [], notes
                break
            assert f"offset={offset}" in notes[0], notes
        assert len(seen) == len(set(seen)) == overview["findings"]["in_all"], (len(seen), overview["findings"])
        own, _ = await ask(client, "case", part="movements", host="PIER-WS02")
        every, _ = await ask(client, "case", part="movements")
        assert 0 < own["in_all"] < every["in_all"]
        assert all("PIER-WS02" in (row["from"], row["to"]) for row in own["rows"])

        path, _ = await ask(client, "path", id="path-1")
        hop = path["movements"][0]
        assert (hop["from"], hop["to"]) == ("PIER-WS01", "PIER-WS02"), hop
        reference = hop["witnesses"][0]["events"][0]
        explained, _ = await ask(client, "explain", id=hop["id"])
        text = "\n".join(explained["rows"])
        assert f"record {reference['record']} in" in text, text

        event, _ = await ask(client, "event", source=reference["source"], record=reference["record"], host=reference["host"])
        (record,) = event["records"]
        assert record["reference"] == reference
        assert record["fields"] and not record["only_what_the_hunt_read"], record

        dossier, notes = await ask(client, "dossier", name="PIER-WS02")
        processes = dossier["dossiers"][0]["processes"]
        assert len(processes["first"]) == min(10, processes["in_all"]) and "section" in notes[0]
        section, _ = await ask(client, "dossier", name="PIER-WS02", section="processes", count=500)
        assert section["in_all"] == processes["in_all"]

        found, _ = await ask(client, "search", search="EventCode=4624 | stats count by dest | sort dest", count=2)
        assert found["columns"] == ["dest", "count"] and found["shown"] == 2, found
        more, _ = await ask(client, "search", search="EventCode=4624 | stats count by dest | sort dest", offset=2)
        assert more["offset"] == 2 and more["rows"] and more["rows"][0] not in found["rows"], more
        notables, _ = await ask(client, "search", search="`notable` | stats count")
        assert int(notables["rows"][0][0]) > 0, notables

        # What goes wrong says what to do.
        error, _ = await refused(client, "search", search="search EventCode=4624 | stat count by dest")
        assert "stats" in error and "stat count by dest" in error, error
        error, _ = await refused(client, "search", search="search x", earliest="-1d")
        assert "earliest" in error
        error, advice = await refused(client, "path", id="path-999")
        assert "path-999" in error and "part=paths" in advice
        _, advice = await refused(client, "dossier", name="PIER-WS02", section="nothing")
        assert "processes" in advice
        error, advice = await refused(client, "event", source=999, record=1)
        assert "nothing in the case refers to" in error and "search" in advice
        _, advice = await refused(client, "hunt")
        assert "logs instead of the case" in advice
        error, _ = await refused(client, "case", part="movements", host="NOBODY")
        assert "NOBODY" in error
        try:
            await client.call_tool("delete", {})
        except MCPError as failure:
            assert "no tool" in str(failure)
        else:
            raise AssertionError("a tool of no name")

    # A case alone has no logs, and says how to add them.
    async with server("demo/case/case.json") as client:
        await ask(client, "case")
        for tool, arguments in (
            ("search", {"search": "EventCode=4624"}),
            ("event", {"source": reference["source"], "record": reference["record"]}),
        ):
            error, advice = await refused(client, tool, **arguments)
            assert "no logs" in error and "--logs" in advice, (error, advice)
        notables, _ = await ask(client, "search", search="`notable` | stats count")
        assert int(notables["rows"][0][0]) > 0


async def of_hostile_logs():
    with open("hostile.jsonl", encoding="utf-8") as file:
        written = [json.loads(line) for line in file]
    orders = written[0]["CommandLine"]
    assert "Ignore all previous instructions" in orders
    async with server("hostile.jsonl") as client:
        # The text arrives, as data: in one string of the JSON between the fences, and nowhere else.
        search = "EventCode=4688 | table host, CommandLine"
        result = await client.call_tool("search", {"search": search})
        data, notes = checked(result)
        told = [row[1] for row in data["rows"] if row[1] and "Ignore all previous" in row[1]]
        assert told, data
        assert "Ignore all previous" not in "".join(notes)
        text = result.content[0].text
        outside = text[: FENCE.search(text).start()] + text[FENCE.search(text).end() :]
        assert "Ignore all previous" not in outside and "Trusted" not in outside
        # Characters that people do not see are visible, and its own fences end nothing.
        for hidden in ("\u202e", "\U000e0049", "\U000e0100", "\u200b"):
            assert hidden in orders and hidden not in text
            assert f"\\u{{{ord(hidden):x}}}" in told[0], told
        assert len(FENCE.findall(text)) == 1
        # Names of fields are text of the log too.
        fields, notes = await ask(client, "search", search="EventCode=4688 | fields *")
        assert any("SYSTEM NOTE" in column for column in fields["columns"]), fields["columns"]
        assert "SYSTEM NOTE" not in "".join(notes)
        # Without a case the logs are hunted when one is needed; all of it stays in the fence.
        await ask(client, "case")
        hunted, _ = await ask(client, "hunt", since="2024-01-01", until="2025-01-01")
        assert hunted["logs"]["events"] == 3, hunted["logs"]
        before, _ = await ask(client, "search", search="EventCode=4688", until="2023-01-01")
        assert before["in_all"] == 0, before
        error, advice = await refused(client, "hunt", detections=["No such detection"])
        assert "No such detection" in error and "content list" in advice, (error, advice)
        # Unbounded questions have bounded answers.
        many, notes = await ask(client, "search", search="| makeresults count=5000 | streamstats count as n | fields n", count=400)
        assert many["shown"] == 400 and "offset=400" in notes[0]
        wide = '| makeresults count=400 | eval x=printf("%900s", "y")'
        large, notes = await ask(client, "search", search=wide, count=400)
        assert 10 < large["shown"] < 60 and f"offset={large['shown']}" in notes[0], (large["shown"], notes)


asyncio.run(of_a_case())
asyncio.run(of_hostile_logs())
print("all is well")
