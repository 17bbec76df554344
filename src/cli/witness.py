"""What a verb does, for the audit: the first commit of a verb that changes something writes its line."""

from __future__ import annotations

import getpass

import click

#: verb -> what it does, or None: it changes nothing that belongs to a person (a test names every verb that is missing)
ACTIONS: dict[str, str | None] = {
    "submit": "job.submit",
    "retry": "job.retry",
    "cancel": "job.cancel",
    "run-now": "job.run-now",
    "release": "job.release",
    "discard": "job.discard",
    "stack": "job.stack",
    "edit": "job.edit",
    "bulk": "bulk.start",
    "pause": "target.pause",
    "resume": "target.resume",
    "limit": "target.limit",
    "reset-breaker": "breaker.reset",
    "requeue": "queue.requeue",
    "purge": "queue.purge",
    "alerts mute": "alert.mute",
    "alerts unmute": "alert.unmute",
    "workers quiet": "worker.quiet",
    "workers stop": "worker.stop",
    "workers resume": "worker.resume",
    "workflow submit": "workflow.submit",
    "workflow cancel": "workflow.cancel",
    "workflow retry": "workflow.retry",
    "schedule create": "schedule.create",
    "schedule change": "schedule.change",
    "schedule pause": "schedule.pause",
    "schedule resume": "schedule.resume",
    "schedule run-now": "schedule.run-now",
    "schedule follow-code": "schedule.follow-code",
    "schedule delete": "schedule.delete",
    "schedule backfill": "schedule.backfill",
    "token create": "token.create",
    "sign-in": "link.create",
    **dict.fromkeys(
        (
            "up", "down", "status", "logs", "doctor", "config", "reset", "backup", "restore", "test", "check", "web", "worker", "scheduler",
            "mailbox", "migrate", "jobs", "job", "pauses", "limits", "breakers", "workflows", "workflow show", "schedules", "schedule show",
            "schedule preview", "top", "completion", "shell",
        )
    ),
}  # fmt: skip
#: how verbs call what they are about
_SUBJECTS = ("id", "which", "target", "name", "file")


def begin() -> None:
    """The verb that runs begins its deed, if it is one."""
    context = click.get_current_context(silent=True)
    action = ACTIONS.get(_path(context)) if context else None
    if context is None or action is None:
        return
    from src import audit  # here: only after the verb has chosen its database

    who, kind = getpass.getuser(), action.partition(".")[0]
    named = [str(context.params[name]) for name in _SUBJECTS if context.params.get(name)]
    subject = named[0] if named and not action.endswith(".submit") else None
    audit.begin(audit.Deed(who, audit.Via.COMMAND, action, f"command:{who}", "admin", kind=kind, subject=subject))


def _path(context: click.Context) -> str:
    """The verb without the program: `schedule pause`."""
    words = [str(context.info_name)]
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
        words.insert(0, str(context.info_name))
    return " ".join(words)
