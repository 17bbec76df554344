"""Audit hook of the command line: the first commit of a verb with an audit action writes the entry."""

from __future__ import annotations

import click

from .. import ACTIONS
from .terminal_user import terminal_user

#: argument names that hold the subject of the entry
_SUBJECTS = ("id", "which", "target", "name", "key", "file")


def begin() -> None:
    """Begin the audit entry of the current verb, if it has an action."""
    context = click.get_current_context(silent=True)
    action = ACTIONS.get(_path(context)) if context else None
    if context is None or action is None:
        return
    from ... import audit  # imported late: the verb must choose its database first

    who, kind = terminal_user(), action.partition(".")[0]
    named = [str(context.params[name]) for name in _SUBJECTS if context.params.get(name)]
    subject = named[0] if named and not action.endswith(".submit") else None
    audit.begin(audit.PendingEntry(who, audit.Via.COMMAND, action, f"command:{who}", "admin", kind=kind, subject=subject))


def _path(context: click.Context) -> str:
    """The verb without the program name: `schedule pause`."""
    words = [str(context.info_name)]
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
        words.insert(0, str(context.info_name))
    return " ".join(words)
