"""Copy-and-paste snippets of a job: curl, Python, command, and the RabbitMQ message. Secrets are masked."""

from __future__ import annotations

import json
import math
import shlex
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import url_for
from werkzeug.datastructures import MultiDict

from .... import COMMAND
from ....actor_schema.signature import Signature
from ....jobs.core.errors import InvalidArguments, UnknownActor
from ....jobs.options.job_options import lasting
from ....jobs.submit import defaults
from ....operations.arguments.field import ABSENT, Field, Kind, holding, identical, write
from ....operations.arguments.fields import fields_of
from ....operations.arguments.reading import read
from ....operations.format import json_documents
from ....operations.jobs import actor_catalogue
from ....operations.jobs.documents import job_documents
from ....operations.jobs.rows import Job
from ....settings import get_settings
from ..json_texts import beginning

#: characters of a submission that can be copied from the page; a command line holds 128 KB
MOST_COPIED = 20_000
_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Copies:
    """The same submission in each notation; `download`: address of the file that curl and Python read long arguments from."""

    curl: str
    python: str
    command: str | None  # None: the arguments are too long for it
    message: str
    download: str | None = None


def copies(job: Job) -> Copies | None:
    """Build the snippets of a job; None: an unreadable message."""
    if job.actor is None or not isinstance(job.args, list) or not isinstance(job.kwargs, dict):
        return None
    args, kwargs = job_documents.arguments(job)
    how, body = _how(job), submission(job)
    is_long = len(body) > MOST_COPIED
    curl = (
        f"curl -X POST {shlex.quote(url_for('api.submit', _external=True))} \\\n"
        f"  -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  -d {'@job.json' if is_long else shlex.quote(body)}"
    )
    message = _message(job, args, kwargs)
    if is_long:
        shown = beginning(message, MOST_COPIED).text
        return Copies(curl, _python_with_file(job, args, kwargs, how), None, shown, url_for("jobs.submission", id=job.id))
    return Copies(curl, _python(job, args, kwargs, how), _command(job, args, kwargs, how), json_documents.dump(message, indent=2))


def submission(job: Job) -> str:
    """The body that submits the job again by the API."""
    args, kwargs = job_documents.arguments(job)
    return json_documents.dump(_worded({"actor": job.actor, **({"args": args} if args else {}), "kwargs": kwargs, **_how(job)}))


def queue_link(queue: str) -> str | None:
    """The URL of a queue in the RabbitMQ management UI; None: unknown."""
    start = get_settings().management_link
    if not start:
        return None
    vhost = unquote(urlsplit(get_settings().broker_urls[0]).path.lstrip("/")) or "/"
    return f"{start.rstrip('/')}/#/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}"


def _how(job: Job) -> dict[str, Any]:
    """Queue and lasting options of the job where they differ from the actor's defaults."""
    known = {name: value for name, value in {"queue": job.queue, **lasting(job)}.items() if value is not None}
    try:
        actor = actor_catalogue.find(job.actor or "")
    except UnknownActor:
        return known
    usual = {"queue": actor.queue_name, **defaults.of(actor.actor_name).usual}
    return {name: value for name, value in known.items() if value != usual.get(name)}


def _python(job: Job, args: list[Any], kwargs: dict[str, Any], how: dict[str, Any]) -> str:
    called = ", ".join([*(_literal(value) for value in args), *_keywords(kwargs)])
    if not all(name.isidentifier() and not iskeyword(name) and name != "self" for name in kwargs):
        message = f"actor.message_with_options(args={_literal(tuple(args))}, kwargs={_literal(kwargs)})"
    else:
        message = f"actor.message({called})"
    imports = "import getpass\n\n" if json_documents.MASK in (*args, *kwargs.values()) else ""
    return imports + _submitted(job, message, how)


def _python_with_file(job: Job, args: list[Any], kwargs: dict[str, Any], how: dict[str, Any]) -> str:
    """The submission with the arguments of the downloaded file; secrets, which are masked there, are asked for."""
    places = [
        f"sent[{where!r}][{key!r}]"
        for where, values in (("args", enumerate(args)), ("kwargs", kwargs.items()))
        for key, value in values
        if value == json_documents.MASK
    ]
    asked = "".join(f"{place} = {_literal(json_documents.MASK)}\n" for place in places)
    given = "tuple(sent['args'])" if args else "()"
    message = f"actor.message_with_options(args={given}, kwargs=sent['kwargs'])"
    return f"{'import getpass' + chr(10) if places else ''}import json\nfrom pathlib import Path\n\n" + _submitted(
        job, message, how, before=f"sent = json.loads(Path('job.json').read_text())\n{asked}"
    )


def _submitted(job: Job, message: str, how: dict[str, Any], *, before: str = "") -> str:
    how = dict(how)
    queue = how.pop("queue", None)
    copied = f"{message}.copy(queue_name={queue!r})" if queue else message
    return (
        f"from {_PACKAGE} import actors, database\nfrom {_PACKAGE}.jobs import submit\n\n"
        f"{before}actor = actors.broker.get_actor({job.actor!r})\nwith database.write() as session:\n"
        f"    submit(session, {', '.join([copied, *_keywords(how)])})"
    )


def _keywords(kwargs: dict[str, Any]) -> list[str]:
    return [f"{name}={_literal(value)}" for name, value in kwargs.items()]


def _literal(value: Any) -> str:
    """A value as a Python expression, including infinities and NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {_literal(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        inner = ", ".join(_literal(each) for each in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    return 'getpass.getpass("secret: ")' if value == json_documents.MASK else repr(value)


def _command(job: Job, args: list[Any], kwargs: dict[str, Any], how: dict[str, Any]) -> str:
    """The command with one option per argument, or with JSON if an argument has no option form."""
    own = [word for name, value in how.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words = _options(job, args, kwargs)
    if words is None:
        own += [*(["--args", json.dumps(args)] if args else []), *(["--kwargs", json.dumps(kwargs)] if kwargs else [])]
    return shlex.join([COMMAND, "submit", *own, job.actor or "", *(words or ())])


def _options(job: Job, args: list[Any], kwargs: dict[str, Any]) -> list[str] | None:
    """The options of all arguments; None: some value would not round-trip."""
    try:
        signature = Signature.of(actor_catalogue.find(job.actor or ""))
        values = signature.by_name(args, kwargs)
        fields = {each.name: each for each in fields_of(signature)}
        if not identical(signature.by_name(*signature.arrange(values)), values) or signature.fits(args, kwargs) is not None:
            return None
    except (UnknownActor, InvalidArguments):
        return None
    words: list[str] = []
    for name, value in values.items():
        written = ["--" + name.replace("_", "-"), "-"] if fields[name].kind is Kind.PASSWORD else _written(fields[name], value)
        if written is None or not all(word.isprintable() for word in written):
            return None
        words += written
    return words


def _written(each: Field, value: Any) -> list[str] | None:
    """One argument as an option; None: it would not round-trip."""
    option, name = "--" + each.name.replace("_", "-"), each.name
    if each.kind is Kind.CHECKBOX:
        return [option if value else f"{option}=no"] if isinstance(value, bool) else None
    if each.kind in (Kind.LINES, Kind.CHECKBOXES):
        if not isinstance(value, list) or not value:
            return None
        texts = [text for one in value for text in holding(each, [one]).text.split("\n")]
        pairs = [(name, "\n".join(texts))] if each.kind is Kind.LINES else [(name, text) for text in texts]
    else:
        kind = Kind.JSON if each.is_structure or each.is_file else each.kind
        texts = [holding(each, value).text if each.choices else write(kind, value)]
        pairs = [(name, texts[0])]
    if not identical(read([each], MultiDict(pairs)).values.get(name, ABSENT), value):
        return None
    return [word for text in texts for word in ([f"{option}={text}"] if text.startswith("-") or not text else [option, text])]


def _worded(value: Any) -> Any:
    """The value with numbers that JSON cannot express (infinities, NaN) as texts that number parameters accept."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, dict):
        return {name: _worded(each) for name, each in value.items()}
    return [_worded(each) for each in value] if isinstance(value, list) else value


def _message(job: Job, args: Any, kwargs: Any) -> dict[str, Any]:
    return {
        "queue_name": job.queue, "actor_name": job.actor, "args": args, "kwargs": kwargs, "options": {**job_documents.message_options(job), "attempt": job.attempt},
        "message_id": job.id, "message_timestamp": int(job.created_at.timestamp() * 1000),
    }  # fmt: skip
