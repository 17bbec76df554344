"""The paths of the OpenAPI document."""

from __future__ import annotations

from ....actor_schema.signature import Signature
from ....jobs import State
from ....jobs.control.bulk import Verb
from ....jobs.limits.overrides import LIMITS
from ....mail.models import DeliveryState
from ....operations.audit.entries import FIELDS as AUDIT_FIELDS
from ....operations.fleet.webhook_request import WebhookBody
from ....operations.jobs import actor_catalogue
from ....operations.jobs.job_bodies import EditBody
from ..fleet.alerts import MuteBody
from ..fleet.fleet import PurgeBody
from ..fleet.overrides import LimitBody, PauseBody
from ..jobs.bulk import BulkBody
from ..people import RightsBody, TokenBody, UserBody
from . import schedule_paths
from .operations import IF_MATCH, KEY, operation, query, segment
from .schemas import FILE_PARTS, Document, call_parts, ref, workflow_schema

#: tags and their descriptions, in display order
TAGS = {
    "jobs": "Submit, follow and control jobs.",
    "actors": "The task functions, each with an endpoint to submit it.",
    "workflows": "Jobs with dependencies.",
    "schedules": "Jobs that run at set times.",
    "controls": "Pauses, limits and circuit breakers.",
    "fleet": "Queues, workers and alerts.",
    "mail": "Emails and the built-in mailbox.",
    "reports": "The archive of reports.",
    "webhooks": "URLs that are notified when jobs and workflows end.",
    "admin": "Users, tokens, the audit log and backups.",
}
_OBJECT: Document = {"type": "object"}
_ACTIONS = {
    "retry": "Retry a finished job",
    "cancel": "Cancel a job",
    "run-now": "Queue a scheduled job now",
    "stack": "Write the stack trace of a running job into its log",
    "release": "Release a held job",
    "discard": "Discard a held job",
}
_STREAM: Document = {"type": "string"}
_ID, _AFTER = segment("id"), query("after", {"type": "string", "pattern": "^[0-9]{0,18}$"}, "`next` of the previous page")
_PLACE = query("after", {"type": "string", "pattern": "^([0-9]{1,9}[.][0-9]{1,9})?$"}, "`next` of the previous response")
_VERB = {**query("verb", {"enum": list(Verb)}), "required": True}
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": 200})


def paths() -> Document:
    """Build all paths; each operation gets its tag and operation id."""
    groups = {
        "jobs": _jobs(), "actors": _actors(), "workflows": _workflows(), "schedules": schedule_paths.paths(operation), "controls": _controls(),
        "fleet": _fleet(), "mail": _mail(), "reports": _reports(), "webhooks": _webhooks(), "admin": _admin(),
    }  # fmt: skip
    found: Document = {}
    for tag, group in groups.items():
        for path, methods in group.items():
            words = [word.strip("{}") for word in path.split("/") if word]
            for method, described in methods.items():
                described["tags"] = [tag]
                described["operationId"] = "-".join((method, *words))
            found[path] = methods
    return found


def _jobs() -> Document:
    page = [query("state", {"enum": [*State, "failed"]}), query("actor"), query("queue"), query("q"), _AFTER, _LIMIT]
    log = [
        _PLACE,
        query("attempt", {"type": "integer", "minimum": 1, "maximum": 999_999_999}),
        query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}),
    ]
    ids = {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "string"}}, "created": {"type": "integer"}}}
    many = {"type": "array", "items": ref("Submission"), "minItems": 1, "maxItems": 10_000}
    actions = {
        f"/jobs/{{id}}/{name}": {"post": operation(summary, _OBJECT, parameters=[_ID], problems=(404, 409))}
        for name, summary in _ACTIONS.items()
    }
    return {
        "/jobs": {
            "post": operation("Submit a job", ref("Receipt"), status=202, body=ref("Submission"), parameters=[KEY], problems=(409, 422)),
            "get": operation("List jobs, newest first", ref("Page"), parameters=page, problems=(422,), reads=True),
        },
        "/jobs/bulk": {"post": operation("Submit many jobs in one transaction", ids, status=202, body=many, problems=(409, 422))},
        "/jobs/many": {
            "get": operation("Count the jobs that a bulk action would change", _OBJECT, parameters=[_VERB, query("q")], problems=(422,), reads=True),
            "post": operation(
                "Apply an action to all jobs of a query, as a background job", ref("Receipt"), status=202, body=BulkBody.model_json_schema(), problems=(409, 422)
            ),
        },
        "/jobs/{id}": {
            "get": operation("One job", ref("Job"), parameters=[_ID], problems=(404, 409), reads=True),
            "patch": operation(
                "Edit a waiting job", ref("Job"), body=EditBody.model_json_schema(), parameters=[_ID, IF_MATCH], problems=(404, 409, 412, 422)
            ),
        },
        "/jobs/{id}/events": {
            "get": operation(
                "A job's changes as server-sent events", _STREAM, parameters=[_ID, _PLACE], problems=(404, 409, 422), media="text/event-stream"
            )
        },
        "/jobs/{id}/result": {"get": operation("The result of a job", {}, parameters=[_ID], problems=(404, 409), reads=True)},
        "/jobs/{id}/files/{file}": {
            "get": operation("An input file of a job", {}, parameters=[_ID, segment("file")], problems=(404, 409), media="application/octet-stream")
        },
        "/jobs/{id}/logs": {
            "get": operation("The log of a job", ref("Log"), parameters=[_ID, *log], problems=(404, 409, 422), reads=True)
        },
        **actions,
    }  # fmt: skip


def _actors() -> Document:
    found: Document = {
        "/actors": {"get": operation("The actors", _OBJECT, reads=True)},
        "/files": {"post": operation("Upload a file for later jobs", ref("File"), status=201, parts=FILE_PARTS, problems=(422,))},
    }
    for actor in actor_catalogue.entries():
        name = actor.actor_name
        submit = operation(
            Signature.of(actor).title, ref("Receipt"), status=202, body=ref(f"Call.{name}"), parts=call_parts(actor), parameters=[KEY], problems=(404, 409, 422)
        )  # fmt: skip
        found[f"/actors/{name}/jobs"] = {"post": {**submit, "description": Signature.of(actor).help}}
    return found


def _workflows() -> Document:
    submit = operation("Submit a workflow", _OBJECT, status=202, body=workflow_schema(), parameters=[KEY], problems=(409, 422))
    return {
        "/workflows": {
            "post": submit,
            "get": operation("List workflows, newest first", _OBJECT, parameters=[_AFTER, _LIMIT], problems=(422,), reads=True),
        },
        "/workflows/{id}": {"get": operation("One workflow with its steps", _OBJECT, parameters=[_ID], problems=(404,), reads=True)},
        "/workflows/{id}/events": {
            "get": operation(
                "A workflow's changes as server-sent events", _STREAM, parameters=[_ID], problems=(404,), media="text/event-stream"
            )
        },
        "/workflows/{id}/cancel": {"post": operation("Cancel the unfinished steps", _OBJECT, parameters=[_ID], problems=(404, 409))},
        "/workflows/{id}/retry": {"post": operation("Retry the failed steps", _OBJECT, parameters=[_ID], problems=(404, 409))},
    }


def _controls() -> Document:
    target, actor, setting = (
        segment("target", {"type": "string", "pattern": "^(all|(queue|actor):[A-Za-z_][A-Za-z0-9._-]{0,100})$"}),
        segment("actor"),
        segment("setting", {"enum": list(LIMITS)}),
    )
    pause, limit = PauseBody.model_json_schema(), LimitBody.model_json_schema()
    return {
        "/pauses": {
            "get": operation("List active pauses", _OBJECT, reads=True),
            "post": operation("Pause an actor, a queue or everything", _OBJECT, status=201, body=pause, problems=(422,)),
        },
        "/pauses/{target}": {"delete": operation("End a pause", _OBJECT, parameters=[target], problems=(422,))},
        "/limits": {
            "get": operation("Rate and concurrency limits with code value and override", _OBJECT, reads=True),
            "post": operation("Override limits", _OBJECT, body=limit, problems=(422,)),
        },
        "/limits/{target}/{setting}": {"delete": operation("Remove an override", _OBJECT, parameters=[target, setting], problems=(422,))},
        "/breakers": {"get": operation("The circuit breakers", _OBJECT, reads=True)},
        "/breakers/{actor}/reset": {"post": operation("Reset a circuit breaker", _OBJECT, parameters=[actor])},
    }


def _fleet() -> Document:
    name, alert = segment("name"), segment("id", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1})
    wishes = {
        "quiet": "Make a worker stop taking jobs", "stop": "Stop a worker after its current jobs", "resume": "Let a quiet worker take jobs again"
    }  # fmt: skip
    return {
        "/queues": {"get": operation("The queues", _OBJECT, reads=True)},
        "/queues/{name}/requeue": {"post": operation("Requeue dead letters", _OBJECT, parameters=[name], problems=(404, 503))},
        "/queues/{name}/purge": {
            "post": operation(
                "Cancel all waiting jobs of a queue",
                _OBJECT,
                status=202,
                body=PurgeBody.model_json_schema(),
                parameters=[name],
                problems=(404, 409, 422),
            )
        },
        "/workers": {"get": operation("The workers", _OBJECT, reads=True)},
        **{
            f"/workers/{{name}}/{verb}": {"post": operation(summary, _OBJECT, parameters=[name], problems=(404, 422))}
            for verb, summary in wishes.items()
        },
        "/alerts": {"get": operation("Active and recently recovered alerts", _OBJECT, reads=True)},
        "/alerts/{id}/mute": {
            "post": operation("Mute an alert", _OBJECT, body=MuteBody.model_json_schema(), parameters=[alert], problems=(404, 422))
        },
        "/alerts/{id}/unmute": {"post": operation("Unmute an alert", _OBJECT, parameters=[alert], problems=(404,))},
    }


def _mail() -> Document:
    number = segment("number", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1})
    numbers: Document = {"type": "object", "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}}}
    state = query("state", {"enum": list(DeliveryState)})
    return {
        "/mails": {"get": operation("List emails, newest first", _OBJECT, parameters=[state, _AFTER], problems=(422,), reads=True)},
        "/mails/{id}": {"get": operation("One email with its deliveries", _OBJECT, parameters=[_ID], problems=(404,), reads=True)},
        "/mails/{id}/resend": {
            "post": operation(
                "Resend an email", _OBJECT, status=202, body=numbers, body_required=False, parameters=[_ID], problems=(404, 422)
            )
        },
        "/mailbox": {"get": operation("List the emails of the built-in mailbox", _OBJECT, parameters=[_AFTER], problems=(422,), reads=True)},
        "/mailbox/{number}": {
            "get": operation("One email of the built-in mailbox", _OBJECT, parameters=[number], problems=(404,), reads=True)
        },
    }  # fmt: skip


def _reports() -> Document:
    name = segment("name")
    return {
        "/reports": {"get": operation("The reports, each with its newest issue", _OBJECT, reads=True)},
        "/reports/{name}": {
            "get": operation("The issues of a report, newest first", _OBJECT, parameters=[name, _AFTER], problems=(404, 422), reads=True)
        },
        "/reports/{name}/{id}": {
            "get": operation("One issue of a report with its document", _OBJECT, parameters=[name, _ID], problems=(404,), reads=True)
        },
    }


def _webhooks() -> Document:
    made = {"type": "object", "required": ["id", "secret"], "properties": {"id": {"type": "string"}, "secret": {"type": "string"}}}
    return {
        "/webhooks": {
            "get": operation("The webhooks", _OBJECT, reads=True),
            "post": operation(
                "Create a webhook; the response shows its secret once", made, status=201, body=WebhookBody.model_json_schema(), problems=(422,)
            ),
        },
        "/webhooks/{id}": {
            "get": operation("One webhook", _OBJECT, parameters=[_ID], problems=(404,), reads=True),
            "delete": operation("Delete a webhook with its deliveries", {}, status=204, parameters=[_ID], problems=(404,)),
        },
        "/webhooks/{id}/ping": {
            "post": operation("Send a test delivery", _OBJECT, status=202, parameters=[_ID], problems=(404,))
        },
        "/webhooks/{id}/deliveries": {
            "get": operation("List the deliveries of a webhook, newest first", _OBJECT, parameters=[_ID, _AFTER, _LIMIT], problems=(404, 422), reads=True)
        },
        "/webhook-deliveries/{id}/resend": {
            "post": operation("Resend a delivery", _OBJECT, status=202, parameters=[_ID], problems=(404,))
        },
    }  # fmt: skip


def _admin() -> Document:
    wanted = [*(query(name) for name in AUDIT_FIELDS), _AFTER, _LIMIT]
    number = segment("id", {"type": "integer", "minimum": 1, "maximum": 2**31 - 1})
    link: Document = {"type": "object", "required": ["id", "link"], "properties": {"id": {"type": "integer"}, "link": {"type": "string"}}}
    token: Document = {
        "type": "object",
        "required": ["id", "token"],
        "properties": {"id": {"type": "integer"}, "token": {"type": "string"}},
    }
    verbs = {
        "disable": ("Disable a user: ends their sessions and tokens", _OBJECT), "enable": ("Enable a disabled user", _OBJECT),
        "new-link": ("Reset a user's password; the response shows the one-time link once", link),
    }  # fmt: skip
    return {
        "/audit": {"get": operation("List audit entries, newest first", _OBJECT, parameters=wanted, problems=(422,), reads=True)},
        "/backups": {"get": operation("List backups, newest first", _OBJECT, reads=True)},
        "/users": {
            "get": operation("The users", _OBJECT, reads=True),
            "post": operation(
                "Create a user; the response shows the one-time sign-in link once", link, status=201, body=UserBody.model_json_schema(), problems=(422,)
            ),
        },
        "/users/{id}": {
            "patch": operation(
                "Change a user's role and actors", _OBJECT, body=RightsBody.model_json_schema(), parameters=[number], problems=(404, 409, 422)
            )
        },
        **{
            f"/users/{{id}}/{verb}": {"post": operation(summary, result, parameters=[number], problems=(404, 409, 422))}
            for verb, (summary, result) in verbs.items()
        },
        "/tokens": {
            "get": operation("The tokens", _OBJECT, reads=True),
            "post": operation("Create a token; the response shows it once", token, status=201, body=TokenBody.model_json_schema(), problems=(422,)),
        },
        "/tokens/{id}": {"delete": operation("Revoke a token", {}, status=204, parameters=[number], problems=(404, 409))},
    }  # fmt: skip
