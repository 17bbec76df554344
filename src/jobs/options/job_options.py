"""The declaration of each job option. Every place that takes, stores or shows options reads it.

Messages, submission, INSERT, re-runs, stored workflows, API bodies, OpenAPI, form, command line, documents and the job's page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

from ...sql.clock import now
from ..core.errors import JobsError
from ..core.states import Unique
from .option_kinds import Delay, Instant, OneOf, OptionKind, Period, Text, Until, Whole

#: default priority; 9 is the most urgent
NORMAL_PRIORITY = 5


class Place(StrEnum):
    """Place where a caller may set an option, besides submit()."""

    MESSAGE = "message"  # send_with_options()
    API = "api"  # body of a job
    STEP = "step"  # body of a workflow step
    EDIT = "edit"  # edit of a waiting job, by API and command
    FORM = "form"
    COMMAND = "command"  # ./run submit


#: an option that can change while its job waits adds EDIT, with a field of Edit (src/jobs/control/edits.py)
EVERYWHERE = frozenset(Place) - {Place.EDIT}
_CHANGEABLE = EVERYWHERE | {Place.EDIT}
_REQUESTS = frozenset({Place.API, Place.COMMAND})


@dataclass(frozen=True, slots=True)
class JobOption:
    """One option. `field` names it in submit() and is its column; `name` is its name everywhere else.

    `actor`: the option of @dramatiq.actor that declares a default. `alias`: another name in messages. `stored`: has a
    column. `lasting`: holds for every submission of the call, so re-runs, stored workflows and snippets keep it.
    `shown`: in a job's document and on its page; `listed`: also in lists; `needs`: only together with that option.
    """

    kind: OptionKind
    label: str
    help: str
    _: KW_ONLY
    places: frozenset[Place] = EVERYWHERE
    default: Any = None
    actor: str | None = None
    alias: str | None = None
    stored: bool = True
    lasting: bool = False
    shown: bool = True
    listed: bool = False
    needs: str | None = None
    name: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """Values of the options, by the names of submit(), each with its declaration. None: not given."""

    # Other code moves these two times as well: documents and pages show them among the job's times.
    due_at: Annotated[
        datetime | None,
        JobOption(Delay(), "Start after", "Start it after this delay.", name="delay", places=_CHANGEABLE - {Place.STEP}, shown=False),
        JobOption(Instant(), "Start at", "Start it at this time, instead of a delay.", name="eta", places=_CHANGEABLE, shown=False),
    ] = None
    expires_at: Annotated[
        datetime | None,
        JobOption(Until(), "Expires", "The job expires if it has not started by then.", name="expires", places=_CHANGEABLE, shown=False),
    ] = None
    priority: Annotated[
        int | None,
        JobOption(
            Whole(0, 9), "Priority", f"9 is the most urgent; default: the actor's, or {NORMAL_PRIORITY}.", places=_CHANGEABLE,
            default=NORMAL_PRIORITY, actor="broker_priority", alias="broker_priority", lasting=True, listed=True,
        ),
    ] = None  # fmt: skip
    unique_key: Annotated[
        str | None,
        JobOption(Text(), "Unique key", "No second job with this key while one waits or runs.", places=EVERYWHERE - {Place.STEP}),
    ] = None
    unique_until: Annotated[
        Unique | None,
        JobOption(
            OneOf(Unique), "Unique until", "Release the unique key when the job starts (waiting) or ends (finished).", places=_REQUESTS,
            default=Unique.FINISHED, actor="unique", needs="unique_key",
        ),
    ] = None  # fmt: skip
    unique_for: Annotated[
        timedelta | None,
        JobOption(
            Period(), "Unique for", "Hold the unique key for this duration instead, whatever the job's state.", places=_REQUESTS,
            actor="unique_for", stored=False, shown=False,
        ),
    ] = None  # fmt: skip
    fair_key: Annotated[
        str | None,
        JobOption(
            Text(),
            "Fair key",
            "Key for fair queueing, e.g. a customer; default: the actor's.",
            places=EVERYWHERE - {Place.FORM},
            lasting=True,
        ),
    ] = None
    keep_until: Annotated[
        datetime | None,
        JobOption(Until(), "Keep until", "Retention does not delete the job and its result before then."),
    ] = None
    # Belongs to one request: the body of a single actor has it in a header, and documents do not show it.
    idempotency_key: Annotated[
        str | None,
        JobOption(
            Text(), "Idempotency key", "A repeated key returns the same job.", places=frozenset({Place.MESSAGE, Place.COMMAND}), shown=False
        ),
    ] = None


#: every option, in the order of its declaration
OPTIONS: tuple[JobOption, ...] = tuple(
    replace(option, name=option.name or field, field=field)
    for field, declared in get_type_hints(JobOptions, include_extras=True).items()
    for option in declared.__metadata__
)
#: fields in order, each with its option, the last of two
FIELDS: dict[str, JobOption] = {option.field: option for option in OPTIONS}
#: fields with a column
STORED: tuple[str, ...] = tuple(name for name, option in FIELDS.items() if option.stored)
#: names of message options that belong to the submission
IN_MESSAGES = frozenset(
    name for option in OPTIONS if Place.MESSAGE in option.places for name in (option.name, option.alias) if name is not None
)


def options_at(place: Place) -> list[JobOption]:
    """Return the options that can be set in this place."""
    return [option for option in OPTIONS if place in option.places]


def refuse_early_expiry(due_at: datetime | None, expires_at: datetime | None) -> None:
    """Raise JobsError for `expires` if a job with these times would expire before it can start."""
    present = now()
    if expires_at is not None and expires_at <= max(due_at or present, present):
        raise JobsError("The job would expire before it can start: give a later expiry, or an earlier start.", field="expires")


def read_message(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by field that message options set; raises JobsError naming the invalid option."""
    found: dict[str, Any] = {}
    for option in options_at(Place.MESSAGE):  # eta comes after delay, and so overrides it
        value = said.get(option.name, said.get(option.alias or option.name))
        if value is not None:
            found[option.field] = option.kind.read(option.name, value)
    return found


def given(options: JobOptions) -> dict[str, Any]:
    """Return the values by field, for a class that inherits them."""
    return {name: getattr(options, name) for name in FIELDS}


def lasting(job: Any) -> dict[str, Any]:
    """Return the values of a job or submission that hold for every submission of its call."""
    return {option.field: getattr(job, option.field) for option in OPTIONS if option.lasting}
