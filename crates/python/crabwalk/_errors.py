"""Errors and warnings of the package."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType
from typing import Any, Optional, Tuple, Type

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Error(Exception):
    """What all errors of this package are."""


class SearchError(Error):
    """A search is wrong, or failed. ``str(error)`` shows the text with the place marked.

    ``message``, ``note`` and ``help`` are about the first mistake, as are ``offset`` and ``end`` (characters of
    ``text``, from 0; ``text[offset:end]`` is what is meant) and ``line`` and ``column`` (from 1).
    """

    message: str
    text: str
    note: Optional[str]
    help: Optional[str]
    offset: Optional[int]
    end: Optional[int]
    line: Optional[int]
    column: Optional[int]

    def __init__(self, rendered: str, text: str, place: Optional[Tuple[Any, ...]] = None) -> None:
        super().__init__(rendered, text, place)
        self._rendered = rendered
        self.text = text
        self.message, self.note, self.help, self.offset, self.end, self.line, self.column = place or (
            (rendered,) + (None,) * 6
        )

    def __str__(self) -> str:
        return self._rendered


class ReadError(Error):
    """Nothing could be read: not of these paths, this store or this case."""


class ContentError(Error):
    """Detections, rules or other content cannot be used: a path does not exist, or a name is unknown."""


class WriteError(Error):
    """Files could not be written."""


class CrabwalkWarning(UserWarning):
    """What all warnings of this package are."""


class ReadWarning(CrabwalkWarning):
    """Part of the logs could not be read, or not as it should be. ``Case.sources`` lists all."""


class ContentWarning(CrabwalkWarning):
    """Part of the content could not be used, or looks wrong."""


class SearchWarning(CrabwalkWarning):
    """A search is likely not meant so, such as a field that no event has."""


def warn(message: str, category: Type[Warning]) -> None:
    """Warns at the line outside this package that called it."""
    level = 1
    frame: Optional[FrameType] = sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


# They are the package's, and so tracebacks say.
for _class in list(globals().values()):
    if isinstance(_class, type) and _class.__module__ == __name__:
        _class.__module__ = "crabwalk"
