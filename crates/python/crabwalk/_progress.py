"""Progress: on a terminal one line that changes, in a notebook likewise."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Any, Callable, Iterator, NamedTuple, Optional, Union


class Progress(NamedTuple):
    """What is being done."""

    step: str
    """``loading content``, ``reading``, ``searching``, ``running detections``, ``following movements`` or
    ``writing the case``."""
    done: int
    """Bytes on disk that were read so far, while it reads; otherwise 0."""
    total: int
    """Bytes on disk to read in all, while it reads; otherwise 0."""
    path: str
    """The file that is being read, or an empty text."""
    seconds: float
    """Time since the beginning."""


Wanted = Union[None, bool, Callable[[Progress], object]]
Report = Callable[[str, int, int, str, float], None]


@contextmanager
def reporting(wanted: Wanted) -> Iterator[Optional[Report]]:
    """What the native part calls, or None. Afterwards nothing of it is left on the screen."""
    if wanted is False:
        yield None
    elif callable(wanted):
        call = wanted
        yield lambda *values: _ignore(call(Progress(*values)))
    else:
        screen = _notebook() or _terminal(always=wanted is True)
        if screen is None:
            yield None
            return
        try:
            yield lambda *values: screen.show(line(Progress(*values)))
        finally:
            screen.clear()


def line(progress: Progress) -> str:
    """One line for people."""
    text = f"{progress.step} {progress.seconds:.0f} s"
    if progress.total:
        share = progress.done / progress.total
        bar = "#" * round(share * 20)
        text = f"{progress.step} [{bar:20}] {share:4.0%} of {progress.total / 1e6:.0f} MB"
        if 0.05 < share < 1:
            text += f", {progress.seconds / share * (1 - share):.0f} s left"
        text += "  " + progress.path.replace("\\", "/").rsplit("/", 1)[-1]
    # Names of files may hold anything.
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _ignore(_: object) -> None:
    """Callbacks may return anything."""


class _Terminal:
    def __init__(self, out: Any) -> None:
        self.out = out

    def show(self, text: str) -> None:
        self.out.write("\r\x1b[K" + text[:100])
        self.out.flush()

    def clear(self) -> None:
        self.out.write("\r\x1b[K")
        self.out.flush()


class _Notebook:
    def __init__(self, display: Callable[..., Any]) -> None:
        self.handle = display({"text/plain": "…"}, raw=True, display_id=True)

    def show(self, text: str) -> None:
        self.handle.update({"text/plain": text}, raw=True)

    def clear(self) -> None:
        self.handle.update({"text/plain": ""}, raw=True)


def _terminal(always: bool) -> Optional[_Terminal]:
    out = sys.stderr
    if out is None or not (always or out.isatty()):
        return None
    return _Terminal(out)


def _notebook() -> Optional[_Notebook]:
    # Only where IPython runs already, with a kernel that shows rich output.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    return _Notebook(display)
