"""The SQL door: registers the actors that SQL may submit, and turns its requests into jobs (src/migrations/sql_door.sql).

PostgreSQL has checked a request against the actor's JSON Schema. If the actor's code refuses it nevertheless, the job is
submitted as it is, and the worker that claims it holds it with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dramatiq import Actor, Message
from dramatiq.broker import Broker
from sqlalchemy.orm import Session

from ...actor_schema.signature import Signature
from ...jobs.control import held
from ...jobs.core.errors import JobsError
from ...jobs.core.guards import guarded
from ...jobs.core.states import Source
from ...jobs.core.values import text_of
from ...jobs.options.job_options import Place, options_at
from ...jobs.options.option_kinds import Moment, OneOf, OptionKind, Period, Text, Whole
from ...jobs.submit import sql_requests, stand_ins
from ...jobs.submit.models import SqlRequest
from ...jobs.submit.requests import Submission
from ...jobs.submit.row import QUEUE_NAME
from ...jobs.submit.sql_requests import Registration
from ...logs import get_logger
from ...settings import get_settings
from ...sql.clock import now
from ...sql.database import get_database, write
from ...sql.outages import is_outage

log = get_logger(__name__)

#: requests turned into jobs in one transaction at most
AT_ONCE = 500
#: how long a request waits for a process that has its actor's code
PATIENCE = timedelta(minutes=1)

_OPTIONS = options_at(Place.API)


class SqlDoor:
    """One process's part in it, run by the relay."""

    def __init__(self) -> None:
        self._registered = 0  # number of actors: a broker may declare more later

    def register(self, broker: Broker) -> None:
        """Register the broker's actors, unless it has been done."""
        if self._registered == len(broker.actors) or get_database().is_sqlite:
            return
        with write() as session:
            sql_requests.register(session, [registration(broker.actors[name]) for name in sorted(broker.actors)])
        self._registered = len(broker.actors)

    def submit(self, broker: Broker) -> int:
        """Submit the oldest requests of actors that the broker knows; return their number."""
        done = []
        with write() as session:
            for request in sql_requests.locked(session, broker.actors.keys(), older_than=now() - PATIENCE, limit=AT_ONCE):
                with guarded("sql_request_not_submitted", job=request.id):
                    _submit(session, request, broker.actors.get(request.actor))
                    done.append(request)
            sql_requests.delete_all(session, done)
        return len(done)


def _submit(session: Session, request: SqlRequest, actor: Actor[Any, Any] | None) -> None:
    """Submit the job of a request. Its id has been returned: what PostgreSQL could not judge is held with the reason."""
    try:
        with session.begin_nested():
            stand_ins.submit_following(session, [submission(request, actor)])
    except Exception as error:
        if is_outage(error):
            raise
        log.warning("sql_request_held", job_id=request.id, actor=request.actor, error=type(error).__name__)
        with session.begin_nested():
            held.hold_request(session, request, text_of(error, 500))


def submission(request: SqlRequest, actor: Actor[Any, Any] | None) -> Submission:
    """Build the submission of a request. `actor`: None if this process does not have its code."""
    wanted: dict[str, Any] = json.loads(request.request)
    args, kwargs = _arguments(actor, wanted.get("kwargs", {}))
    queue = wanted.get("queue") or ("default" if actor is None else actor.queue_name)
    options = {each.field: _value(each.kind, each.name, wanted[each.name]) for each in _OPTIONS if wanted.get(each.name) is not None}
    message = Message[Any](queue, request.actor, tuple(args), kwargs, {} if actor is None else _own_options(actor), message_id=request.id)
    return Submission(message, source=Source.SQL, submitted_by=request.submitted_by, **options)


def registration(actor: Actor[Any, Any]) -> Registration:
    """Describe an actor's requests; the schema lists its parameters by position as `x-positional`."""
    signature = Signature.of(actor)
    arguments = signature.json_schema()
    schema = {
        "type": "object",
        "properties": {
            "kwargs": {name: value for name, value in arguments.items() if name != "$defs"},
            "queue": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": f"^{QUEUE_NAME.pattern}$"},
            **{each.name: _schema(each.kind) for each in _OPTIONS},
        },
        "required": ["kwargs"],
        "additionalProperties": False,
        "x-positional": signature.by_position,
        "$defs": arguments.get("$defs", {}),
    }
    return Registration(actor.actor_name, schema, _refusal(actor, signature), get_settings().max_message_bytes)


def _refusal(actor: Actor[Any, Any], signature: Signature) -> str | None:
    if actor.options.get("internal"):
        return "only Callboard itself submits its jobs"
    if signature.secrets:
        return "it has secret arguments, which PostgreSQL cannot seal"
    if signature.files:
        return "it takes files"
    return None


def _schema(kind: OptionKind) -> dict[str, Any]:
    match kind:
        case Text(longest):
            return {"type": "string", "minLength": 1, "maxLength": longest}
        case Whole(least, most):
            return {"type": "integer", "minimum": least, "maximum": most}
        case OneOf(words):
            return {"type": "string", "enum": list(words)}
        case Moment() | Period():
            return {"type": ["string", "number"]}
    raise TypeError(f"the SQL door has no schema for {kind}: add it here")


def _value(kind: OptionKind, name: str, value: Any) -> Any:
    if isinstance(kind, Whole):
        value = int(value)  # 9.0 is an integer in JSON
    return kind.read(name, datetime.fromisoformat(value) if isinstance(kind, Moment) else value)


def _arguments(actor: Actor[Any, Any] | None, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    if actor is None:
        return [], dict(values)
    signature = Signature.of(actor)
    try:
        args, kwargs = signature.arrange(values)
        return signature.check(args, kwargs)
    except JobsError:
        return [], dict(values)


def _own_options(actor: Actor[Any, Any]) -> dict[str, Any]:
    return dict(actor.message().options)
