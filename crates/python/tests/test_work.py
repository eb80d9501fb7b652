"""Progress, Ctrl-C, and other threads meanwhile."""

import io
import os
import signal
import sys
import threading
import time
import types

import pytest

import crabwalk
from crabwalk import _progress


def working():
    """The threads of this process that hunt."""
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as file:
                names.append(file.read().strip())
        # It ended before it was opened, or before it was read.
        except (FileNotFoundError, ProcessLookupError):
            pass
    return [name for name in names if name == "crabwalk"]


def wait_until_idle(seconds):
    end = time.monotonic() + seconds
    while working() and time.monotonic() < end:
        time.sleep(0.02)
    return not working()


@pytest.fixture(scope="module")
def many(program, tmp_path_factory):
    """Logs that take some seconds."""
    folder = tmp_path_factory.mktemp("many") / "logs"
    program("lab", "build", folder, "--logons", "150K", "--hosts", "40")
    return folder


def test_progress_is_reported(many):
    seen = []
    crabwalk.search("EventCode=4624 | stats count by user", many, progress=seen.append)
    assert seen and all(isinstance(one, crabwalk.Progress) for one in seen)
    reading = [one for one in seen if one.step == "reading" and one.total]
    assert reading and all(0 <= one.done <= one.total for one in reading)
    assert [one.done for one in reading] == sorted(one.done for one in reading)
    assert [one.seconds for one in seen] == sorted(one.seconds for one in seen)


@pytest.mark.parametrize("step", ["loading content", "reading", "running detections"])
def test_ctrl_c_ends_a_hunt_at_once(many, step):
    end(lambda progress: crabwalk.hunt(many, progress=progress), step)


@pytest.mark.parametrize("step", ["reading", "searching"])
def test_ctrl_c_ends_a_search_at_once(many, step):
    # Replacing text by text takes long, for each logon anew.
    text = "EventCode=4624 " + "| eval x=replace(_raw, \"(a|b)+c?\", \"d\") " * 20 + "| stats count by x"
    end(lambda progress: crabwalk.search(text, many, progress=progress), step)


def end(work, step):
    """Presses Ctrl-C in this step, and sees that the work does not go on."""
    pressed = []

    def press(now):
        if not pressed and now.step == step:
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work(press)
    assert time.monotonic() - pressed[0] < 0.5
    assert wait_until_idle(4), "it goes on in the background"


def test_an_error_of_the_callback_stops_it(many):
    def fail(_):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        crabwalk.search("EventCode=4624", many, progress=fail)
    assert wait_until_idle(2)


def test_other_threads_run_meanwhile(many):
    ticks = []
    over = threading.Event()

    def tick():
        while not over.wait(0.01):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        began = time.monotonic()
        crabwalk.search("EventCode=4624 | stats count by user", many)
        lasted = time.monotonic() - began
    finally:
        over.set()
        thread.join()
    gaps = [after - before for before, after in zip(ticks, ticks[1:])]
    assert len(ticks) > 10 and max(gaps) < max(0.5, lasted / 2)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_one_line_and_is_left_clean(demo, monkeypatch):
    for wanted, out, shown in (
        (None, Terminal(), True),
        (None, io.StringIO(), False),
        (True, io.StringIO(), True),
        (False, Terminal(), False),
    ):
        monkeypatch.setattr(sys, "stderr", out)
        crabwalk.search("EventCode=4624 | stats count by user", demo.logs, progress=wanted)
        text = out.getvalue()
        assert ("\r" in text) == shown
        assert "\n" not in text
        assert not shown or text.endswith("\r\x1b[K")


def test_a_line_of_progress():
    line = _progress.line(_progress.Progress("reading", 25_000_000, 100_000_000, "a/b\\x\x1b[2J.evtx", 10))
    assert line == "reading [#####               ]  25% of 100 MB, 30 s left  x\ufffd[2J.evtx"
    assert _progress.line(_progress.Progress("following movements", 0, 0, "", 3.4)) == "following movements 3 s"


def test_a_notebook_shows_it_likewise(demo, monkeypatch):
    shown = []
    handle = types.SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))
    display = types.ModuleType("IPython.display")
    display.display = lambda data, raw, display_id: handle
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=True)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    crabwalk.search("EventCode=4624 | stats count by user", demo.logs)
    assert any(" s" in line for line in shown) and shown[-1] == ""
