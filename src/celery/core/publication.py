"""Publication: the signals around it. Receivers see the message as Celery sends it, in protocol 2, and may change it."""

from __future__ import annotations

import os
import socket
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import dramatiq

from ...jobs.submit.requests import Submission
from ...sql.clock import now
from ..base import values
from ..exceptions import ImproperlyConfigured
from ..signals import after_task_publish, before_task_publish
from . import messages, registry
from .request import OPTION

#: headers of protocol 2 that are fields of self.request, by their names in the message option
_FIELDS = {
    "group": "group_id",
    **{
        name: name
        for name in (
            "argsrepr", "group_index", "ignore_result", "kwargsrepr", "lang", "origin", "parent_id", "replaced_task_nesting", "retries", "root_id",
            "shadow", "stamped_headers", "stamps",
        )
    },
}  # fmt: skip
_LIMITS = ("hard_time_limit", "time_limit", "isolated")
#: parts of a message that the caller holds already, or that have rows of their own
_FIXED = {
    "id": "the caller has a result by this id: pass task_id= to the call",
    "task": "queue and options are those of this task: call the other task instead",
    "embed": "tasks that follow are rows: pass link= or link_error= to the call",
}


class Publication:
    """One message on its way. `submission` and `delay`: with the changes of the receivers of before_task_publish."""

    def __init__(self, submission: Submission, delay: timedelta | None = None) -> None:
        """Send before_task_publish. Raises ImproperlyConfigured if a receiver changes what is fixed, ValueError for a wrong time."""
        self.submission, self.delay, self.name = submission, delay, submission.message.actor_name
        self.is_heard = before_task_publish.has_listeners(self.name) or after_task_publish.has_listeners(self.name)
        if not self.is_heard:
            return
        self.about = values.decode(submission.message.options.get(OPTION) or {})
        self.headers, self.properties = self._headers(delay), self._properties()
        args, kwargs = values.decode(list(submission.message.args)), values.decode(submission.message.kwargs)
        self.body = (tuple(args), kwargs, dict.fromkeys(("callbacks", "errbacks", "chain", "chord")))
        before = deepcopy((self.headers, self.properties, self.body))
        before_task_publish.send(
            self.name, body=self.body, exchange="", routing_key=submission.message.queue_name, headers=self.headers, properties=self.properties,
            declare=[], retry_policy={},
        )  # fmt: skip
        if (self.headers, self.properties, self.body) != before:
            self._change(*before)

    def sent(self) -> None:
        """Send after_task_publish."""
        if self.is_heard:
            after_task_publish.send(
                self.name, body=self.body, exchange="", routing_key=self.submission.message.queue_name, headers=self.headers
            )

    def _headers(self, delay: timedelta | None) -> dict[str, Any]:
        submission, message, about = self.submission, self.submission.message, self.about
        actor = dramatiq.get_broker().actors.get(self.name)
        limits = {**(actor.options if actor else {}), **message.options}
        due_at = submission.due_at or (None if delay is None else now() + delay)
        own = {
            "lang": "py", "task": self.name, "id": message.message_id, "shadow": None, "eta": _text(due_at), "expires": _text(submission.expires_at),
            "group": about.get("group_id"), "group_index": about.get("group_index"), "retries": about.get("retries", 0),
            "timelimit": [_seconds(limits.get("hard_time_limit")), _seconds(limits.get("time_limit"))],
            "root_id": about.get("root_id", message.message_id), "parent_id": about.get("parent_id"),
            "argsrepr": repr(tuple(values.decode(list(message.args)))), "kwargsrepr": repr(values.decode(message.kwargs)),
            "origin": f"gen{os.getpid()}@{socket.gethostname()}", "ignore_result": about.get("ignore_result", False),
            "replaced_task_nesting": about.get("replaced_task_nesting", 0), "stamped_headers": about.get("stamped_headers"), "stamps": about.get("stamps", {}),
        }  # fmt: skip
        return {**(about.get("headers") or {}), **own}

    def _properties(self) -> dict[str, Any]:
        return {
            "correlation_id": self.submission.message.message_id,
            "reply_to": "",
            **{name: self.about[name] for name in ("app_id", "priority") if self.about.get(name) is not None},
        }

    def _change(self, headers: dict[str, Any], properties: dict[str, Any], body: tuple[Any, ...]) -> None:
        """Apply what differs from these."""
        message, conf = self.submission.message, registry.conf_of(self.name)
        changed, others = _changed(headers, self.headers), _changed(properties, self.properties)
        embed = {"embed": self.body[2]} if self.body[2] != body[2] else {}
        for name, cure in _FIXED.items():
            if name in changed.keys() | embed.keys():
                raise ImproperlyConfigured(f"A receiver of before_task_publish has changed {name}: {cure}.")
        fields: dict[str, Any] = {}
        options = dict(message.options)
        if "eta" in changed:
            eta, self.delay = changed.pop("eta"), None
            fields["due_at"] = None if eta is None else messages.aware(conf, "eta", eta)
        if "expires" in changed:
            fields["expires_at"] = messages.expiry(conf, changed.pop("expires"))
        if "timelimit" in changed:
            options = {name: value for name, value in options.items() if name not in _LIMITS} | messages.limits(*changed.pop("timelimit"))
        if "priority" in others:
            fields["priority"] = self.about["priority"] = messages.checked_priority(others.pop("priority"))
        about = {**self.about, **{_FIELDS[name]: changed.pop(name) for name in list(changed) if name in _FIELDS}}
        if changed:
            about["headers"] = {**(about.get("headers") or {}), **changed}
        if others:
            about["properties"] = others
        if about:
            options[OPTION] = values.encode(about)
        if self.body[:2] != body[:2]:
            args, kwargs = values.encode(list(self.body[0])), values.encode(self.body[1])
            message = replace(message, args=tuple(args), kwargs=kwargs)
        self.submission = replace(self.submission, message=replace(message, options=options), **fields)


def _changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _seconds(ms: Any) -> float | None:
    return None if ms is None or ms == float("inf") else ms / 1000
