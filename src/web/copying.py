"""A job as something to paste: a request with curl, Python, a command; and the message that RabbitMQ carries. Secrets are masked."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import url_for

from src.jobs.models import Job
from src.settings import get_settings
from src.web import documents


@dataclass(frozen=True, slots=True)
class Copies:
    """The same submission in each way there is."""

    curl: str
    python: str
    command: str
    message: str


def copies(job: Job) -> Copies | None:
    """How to submit the same again; None: it is no message."""
    if job.actor is None or not isinstance(job.args, list) or not isinstance(job.kwargs, dict):
        return None
    args, kwargs = documents.arguments(job)
    body = {"actor": job.actor, **({"args": args} if args else {}), "kwargs": kwargs}
    address = url_for("api.submit", _external=True)
    curl = f"curl -X POST {address} \\\n  -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  -d {shlex.quote(documents.dump(body))}"
    called = ", ".join([*(repr(value) for value in args), *_keywords(kwargs)])
    python = (
        f"from src.jobs import submit\n\nwith database.write() as session:\n    submit(session, {_identifier(job.actor)}.message({called}))"
    )
    named = {**dict(zip(documents.names(job), args, strict=True)), **kwargs}
    options = " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(value if isinstance(value, str) else json.dumps(value))}" for name, value in named.items()
    )
    command = documents.printable(f"./run submit {shlex.quote(job.actor)} {options}".rstrip())
    return Copies(curl, python, command, _message(job, args, kwargs))


def queue_link(queue: str) -> str | None:
    """The page of a queue in RabbitMQ's own console; None: where that is is not known."""
    start = get_settings().management_link
    if not start:
        return None
    vhost = unquote(urlsplit(get_settings().broker_urls[0]).path.lstrip("/")) or "/"
    return f"{start.rstrip('/')}/#/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}"


def _keywords(kwargs: dict[str, Any]) -> list[str]:
    if all(name.isidentifier() for name in kwargs):
        return [f"{name}={value!r}" for name, value in kwargs.items()]
    return [f"**{kwargs!r}"]


def _identifier(actor: str) -> str:
    name = actor.rpartition(".")[2]
    return name if name.isidentifier() else "actor"


def _message(job: Job, args: Any, kwargs: Any) -> str:
    document = {
        "queue_name": job.queue, "actor_name": job.actor, "args": args, "kwargs": kwargs, "options": {**(job.options or {}), "attempt": job.attempt},
        "message_id": job.id, "message_timestamp": int(job.created_at.timestamp() * 1000),
    }  # fmt: skip
    return documents.dump(document, indent=2)
