"""Stack of a running attempt, from its actor on, formatted like a traceback."""

from __future__ import annotations

import sys
import traceback

from ...formats.quantities import counted
from . import interrupts

#: frames up to the last one in this file lie above the actor's
_CALLER = interrupts.__file__
#: innermost frames shown at most
MOST = 60


def of_thread(ident: int) -> str:
    """Return the stack of this thread from its actor on, innermost call last; a sentence if there is none."""
    frame = sys._current_frames().get(ident)
    if frame is None:
        return "Its thread has just ended."
    found = traceback.extract_stack(frame)
    calls = [number for number, each in enumerate(found) if each.filename == _CALLER]
    own = found[calls[-1] + 1 :] if calls else []
    if not own:
        return "It is not in its actor at the moment: it has just begun, or is about to end."
    left_out = f"  … {counted(len(own) - MOST, 'call')} left out\n" if len(own) > MOST else ""
    return f"It is here, innermost call last:\n{left_out}{''.join(traceback.format_list(own[-MOST:]))}".rstrip()
