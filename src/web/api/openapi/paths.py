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

#: the kinds of operations, in the order in which they are described
TAGS = {
    "jobs": "Submit jobs, follow them, decide about them.",
    "actors": "What there is to run, and a way to submit each.",
    "workflows": "Jobs that wait for one another.",
    "schedules": "Jobs at their time.",
    "controls": "Pauses, limits, circuit breakers.",
    "fleet": "Queues, workers, alerts.",
    "mail": "Emails and the built-in mailbox.",
    "reports": "The archive of reports.",
    "webhooks": "Addresses that are notified when jobs and workflows end.",
    "admin": "Who did what, and who may.",
}
_OBJECT: Document = {"type": "object"}
_ACTIONS = {
    "retry": "Queue a job again that has ended",
    "cancel": "Cancel a job",
    "run-now": "Queue a scheduled job now",
    "stack": "Have its worker write into its log where it is",
    "release": "Queue a held job",
    "discard": "Cancel a held job for good",
}
_STREAM: Document = {"type": "string"}
_ID, _AFTER = segment("id"), query("after", {"type": "string", "pattern": "^[0-9]{0,18}$"}, "the `next` of the page before")
_PLACE = query("after", {"type": "string", "pattern": "^([0-9]{1,9}[.][0-9]{1,9})?$"}, "the `next` of the answer before")
_VERB = {**query("verb", {"enum": list(Verb)}), "required": True}
_LIMIT = query("limit", {"type": "integer", "minimum": 1, "maximum": 200})


def paths() -> Document:
    """All paths, each operation with its tag and a name of its own."""
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
        "/jobs/bulk": {"post": operation("Submit many jobs: all or none", ids, status=202, body=many, problems=(409, 422))},
        "/jobs/many": {
            "get": operation("How many jobs a verb would be done to", _OBJECT, parameters=[_VERB, query("q")], problems=(422,), reads=True),
            "post": operation(
                "Do one verb to all jobs of a query, as a job of its own", ref("Receipt"), status=202, body=BulkBody.model_json_schema(), problems=(409, 422)
            ),
        },
        "/jobs/{id}": {
            "get": operation("One job", ref("Job"), parameters=[_ID], problems=(404, 409), reads=True),
            "patch": operation(
                "Change a job that waits", ref("Job"), body=EditBody.model_json_schema(), parameters=[_ID, IF_MATCH], problems=(404, 409, 412, 422)
            ),
        },
        "/jobs/{id}/events": {
            "get": operation(
                "A job's changes as server-sent events", _STREAM, parameters=[_ID, _PLACE], problems=(404, 409, 422), media="text/event-stream"
            )
        },
        "/jobs/{id}/result": {"get": operation("Its result alone, also a large one", {}, parameters=[_ID], problems=(404, 409), reads=True)},
        "/jobs/{id}/files/{file}": {
            "get": operation("A file that it was given", {}, parameters=[_ID, segment("file")], problems=(404, 409), media="application/octet-stream")
        },
        "/jobs/{id}/logs": {
            "get": operation("What its attempts log and print", ref("Log"), parameters=[_ID, *log], problems=(404, 409, 422), reads=True)
        },
        **actions,
    }  # fmt: skip


def _actors() -> Document:
    found: Document = {
        "/actors": {"get": operation("The actors", _OBJECT, reads=True)},
        "/files": {"post": operation("Bring a file for later jobs", ref("File"), status=201, parts=FILE_PARTS, problems=(422,))},
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
        "/workflows/{id}/cancel": {"post": operation("Cancel all that has not ended", _OBJECT, parameters=[_ID], problems=(404, 409))},
        "/workflows/{id}/retry": {"post": operation("Retry the steps that failed", _OBJECT, parameters=[_ID], problems=(404, 409))},
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
            "get": operation("The pauses in force", _OBJECT, reads=True),
            "post": operation("Pause an actor, a queue or everything", _OBJECT, status=201, body=pause, problems=(422,)),
        },
        "/pauses/{target}": {"delete": operation("End a pause", _OBJECT, parameters=[target], problems=(422,))},
        "/limits": {
            "get": operation("Rate and concurrency limits: code says, override says", _OBJECT, reads=True),
            "post": operation("Override limits", _OBJECT, body=limit, problems=(422,)),
        },
        "/limits/{target}/{setting}": {
            "delete": operation("Follow the code again", _OBJECT, parameters=[target, setting], problems=(422,))
        },
        "/breakers": {"get": operation("The circuit breakers", _OBJECT, reads=True)},
        "/breakers/{actor}/reset": {"post": operation("Close a breaker by hand", _OBJECT, parameters=[actor])},
    }


def _fleet() -> Document:
    name, alert = segment("name"), segment("id", {"type": "integer", "minimum": 0, "maximum": 2**63 - 1})
    wishes = {
        "quiet": "Have a worker take nothing new", "stop": "Have a worker end once it has finished what it holds", "resume": "Have a quiet worker go on"
    }  # fmt: skip
    return {
        "/queues": {"get": operation("The queues", _OBJECT, reads=True)},
        "/queues/{name}/requeue": {
            "post": operation("Give dead letters back to the queue they came from", _OBJECT, parameters=[name], problems=(404, 503))
        },
        "/queues/{name}/purge": {
            "post": operation(
                "Cancel all that waits in a queue",
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
        "/alerts": {"get": operation("What is wrong now, and what has recovered lately", _OBJECT, reads=True)},
        "/alerts/{id}/mute": {
            "post": operation(
                "Hear nothing of an alert until a time", _OBJECT, body=MuteBody.model_json_schema(), parameters=[alert], problems=(404, 422)
            )
        },
        "/alerts/{id}/unmute": {"post": operation("Hear of an alert again", _OBJECT, parameters=[alert], problems=(404,))},
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
                "Send an email again", _OBJECT, status=202, body=numbers, body_required=False, parameters=[_ID], problems=(404, 422)
            )
        },
        "/mailbox": {"get": operation("What the built-in mailbox has kept", _OBJECT, parameters=[_AFTER], problems=(422,), reads=True)},
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
                "Make a webhook; its secret is shown only this once", made, status=201, body=WebhookBody.model_json_schema(), problems=(422,)
            ),
        },
        "/webhooks/{id}": {
            "get": operation("One webhook", _OBJECT, parameters=[_ID], problems=(404,), reads=True),
            "delete": operation("Delete a webhook with its deliveries", {}, status=204, parameters=[_ID], problems=(404,)),
        },
        "/webhooks/{id}/ping": {
            "post": operation("Send a delivery that means nothing", _OBJECT, status=202, parameters=[_ID], problems=(404,))
        },
        "/webhooks/{id}/deliveries": {
            "get": operation("Its deliveries, newest first", _OBJECT, parameters=[_ID, _AFTER, _LIMIT], problems=(404, 422), reads=True)
        },
        "/webhook-deliveries/{id}/resend": {
            "post": operation("Send a delivery again", _OBJECT, status=202, parameters=[_ID], problems=(404,))
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
        "disable": ("Let a user in no more: his sessions and own tokens end", _OBJECT), "enable": ("Let a disabled user in again", _OBJECT),
        "new-link": ("Forget a user's password; the link to set a new one is shown only this once", link),
    }  # fmt: skip
    return {
        "/audit": {"get": operation("Who did what, and who was refused", _OBJECT, parameters=wanted, problems=(422,), reads=True)},
        "/backups": {"get": operation("Backups that could be restored, newest first", _OBJECT, reads=True)},
        "/users": {
            "get": operation("The users", _OBJECT, reads=True),
            "post": operation(
                "Make a user; the link to sign in and set a password is shown only this once", link, status=201, body=UserBody.model_json_schema(), problems=(422,)
            ),
        },
        "/users/{id}": {
            "patch": operation(
                "Give a user other rights", _OBJECT, body=RightsBody.model_json_schema(), parameters=[number], problems=(404, 409, 422)
            )
        },
        **{
            f"/users/{{id}}/{verb}": {"post": operation(summary, result, parameters=[number], problems=(404, 409, 422))}
            for verb, (summary, result) in verbs.items()
        },
        "/tokens": {
            "get": operation("The tokens", _OBJECT, reads=True),
            "post": operation("Make a token, shown only this once", token, status=201, body=TokenBody.model_json_schema(), problems=(422,)),
        },
        "/tokens/{id}": {"delete": operation("Let a token work no more", {}, status=204, parameters=[number], problems=(404, 409))},
    }  # fmt: skip
