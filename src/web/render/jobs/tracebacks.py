"""Traceback in three depths: location, application frames, full text. Error messages with their variable parts marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup, escape

from ....formats.quantities import counted
from ....jobs.core.fingerprints import is_foreign, pieces
from ....operations.jobs.rows import Attempt

#: characters of the tracebacks of one list; the newest is shown whatever its size
IN_PLACE = 100_000
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in ([^\n]+)$')


@dataclass(frozen=True, slots=True)
class Depths:
    """`where`: innermost application frame; `own`: library frames replaced by their number; `whole`: the original text."""

    where: str
    own: str
    whole: str
    hidden: int  # number of frames omitted in `own`


def depths(traceback: str) -> Depths:
    """Split a traceback into its three depths, including chained causes."""
    lines: list[str] = []
    where, skipped, hidden, is_skipping = "", 0, 0, False
    for line in traceback.rstrip().splitlines():
        frame = _FRAME.match(line)
        if frame is not None:
            path, number, function = frame.groups()
            is_skipping = is_foreign(path)
            if not is_skipping:
                where = f"{path}, line {number}, in {function}"
        elif not line.startswith("    "):
            is_skipping = False
        if is_skipping:
            skipped, hidden = skipped + (frame is not None), hidden + (frame is not None)
            continue
        if skipped:
            lines.append(_left_out(skipped))
            skipped = 0
        lines.append(line)
    if skipped:
        lines.append(_left_out(skipped))
    return Depths(where, "\n".join(lines), traceback, hidden)


def in_place(attempts: Sequence[Attempt]) -> set[int]:
    """Return the numbers of the attempts, newest first, whose tracebacks are shown in their list."""
    failed = [each for each in attempts if each.traceback]
    sizes = accumulate(len(each.traceback or "") for each in failed)
    return {each.number for each, size in zip(failed, sizes, strict=True) if size <= IN_PLACE or each is failed[0]}


def _left_out(number: int) -> str:
    return f"  … {counted(number, 'library frame')} …"


def marked(message: str) -> Markup:
    """An error message in which what varies between the failures of a group is marked."""
    return Markup("".join(f"<mark>{escape(text)}</mark>" if varies else escape(text) for text, varies in pieces(message)))
