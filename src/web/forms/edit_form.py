"""Edit form of a waiting job: due time, expiry, priority and arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from werkzeug.datastructures import MultiDict

from ...actor_schema.signature import Signature
from ...jobs import State
from ...jobs.control import edits
from ...jobs.control.edits import Edit
from ...jobs.core.errors import InvalidArguments, JobsError, UnknownActor
from ...jobs.options.job_options import FIELDS
from ...operations.arguments.error_places import at_places
from ...operations.arguments.field import ABSENT, Field, Kind, every, identical
from ...operations.arguments.fields import filled
from ...operations.arguments.reading import MORE, Reading, add_row, read, retyped, valued
from ...operations.format.instants import parse_instant, write_instant
from ...operations.jobs import actor_catalogue
from ...operations.jobs.requests import job_request
from ...operations.jobs.rows import Job
from ...sql import database
from .option_fields import field_of, value_of

#: names of the option fields; not valid as parameter names
DUE, EXPIRES, PRIORITY = "job-due", "job-expires", "job-priority"
_OF_EDIT = {"due_at": DUE, "expires_at": EXPIRES, "expires": EXPIRES, "priority": PRIORITY}


@dataclass(frozen=True, slots=True)
class EditForm:
    """Template context of the form. `signature` None: the arguments cannot be edited."""

    job: Job
    signature: Signature | None
    own: list[Field]
    arguments: list[Field]
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def fields(self) -> list[Field]:
        return [*self.own, *self.arguments]

    @classmethod
    def of(cls, job: Job, *, takes_results: bool = False) -> EditForm:
        """Build the form of a job. `takes_results`: the arguments contain placeholders for earlier results."""
        signature = None if takes_results else _signature(job)
        return cls(job, signature, _own_fields(job), [] if signature is None else filled(signature, job.args, job.kwargs))

    def save(self, sent: MultiDict[str, str]) -> Job | EditForm:
        """Save the edit; return the job, or the form with the submitted values and errors. Raises NotAllowed."""
        own, arguments = read(self.own, sent), read(self.arguments, sent)
        errors = {**own.errors, **arguments.errors}
        try:
            change = job_request.check_edit(self.job, self._without_same_arguments(self._change(own, arguments, errors)))
        except InvalidArguments as error:
            errors = {**at_places(self.arguments, error), **errors}
        if errors:
            return self._again(own, arguments, errors)
        try:
            with database.write() as session:
                return edits.edit(session, self.job.id, change)
        except JobsError as error:
            name = _OF_EDIT.get(error.field or "")
            if name is None:
                raise
            return self._again(own, arguments, {name: str(error)})

    def with_row(self, sent: MultiDict[str, str]) -> EditForm | None:
        """The form with one more row, if the add button was pressed."""
        if MORE not in sent:
            return None
        arguments = read(self.arguments, sent)
        add_row(arguments, sent[MORE])
        return self._again(read(self.own, sent), arguments, {})

    def _change(self, own: Reading, arguments: Reading, errors: dict[str, str]) -> Edit:
        change = Edit(
            due_at=_instant(DUE, own, self.job.due_at, errors),
            expires_at=_instant(EXPIRES, own, self.job.expires_at, errors),
            priority=_priority(own, errors),
        )
        if change.priority == self.job.priority:
            change = replace(change, priority=None)
        if self.signature is None:
            return change
        known = self.signature.by_name(self.job.args, self.job.kwargs)
        # A secret's input starts empty; left empty, the secret is unchanged.
        kept = {name: known[name] for name in self.signature.secrets & known.keys() if name not in arguments.values}
        args, kwargs = self.signature.arrange({**arguments.values, **kept})
        return replace(change, args=args, kwargs=kwargs)

    def _without_same_arguments(self, change: Edit) -> Edit:
        """Keep the stored arguments if the form did not touch them (e.g. only the priority changed)."""
        if self.signature is None or not edits.takes_arguments(change):
            return change
        typed = self.signature.by_name(change.args or (), change.kwargs or {})
        if not identical(typed, self.signature.by_name(self.job.args, self.job.kwargs)):
            return change
        return replace(change, args=None, kwargs=None)

    def _again(self, own: Reading, arguments: Reading, errors: Mapping[str, str]) -> EditForm:
        again = replace(
            self,
            own=[retyped(each, own.texts) for each in self.own],
            arguments=[retyped(each, arguments.texts) for each in self.arguments],
            errors=errors,
        )
        names = {each.name for each in every(again.fields)}
        return replace(again, problems=tuple(text for name, text in errors.items() if name not in names))


def _signature(job: Job) -> Signature | None:
    try:
        return Signature.of(actor_catalogue.find(job.actor or ""))
    except UnknownActor:
        return None


def _own_fields(job: Job) -> list[Field]:
    own = []
    if job.state is not State.HELD and not (job.waits_for or "").startswith("workflow:"):
        own.append(_instant_field(DUE, "Due", "Empty: unchanged.", job.due_at))
    own.append(_instant_field(EXPIRES, "Expires", "The job does not start after this time. Empty: unchanged.", job.expires_at))
    own.append(replace(field_of(PRIORITY, FIELDS["priority"]), required=True, hint="9 is the most urgent.", text=str(job.priority)))
    return own


def _instant_field(name: str, label: str, hint: str, instant: datetime | None) -> Field:
    return valued(Field(name, label, Kind.INSTANT, hint, required=False, attributes={"step": 1}), write_instant(instant) or ABSENT)


def _instant(name: str, reading: Reading, present: datetime | None, errors: dict[str, str]) -> datetime | None:
    """The new time; None: unchanged."""
    text = reading.values.get(name)
    if text is None:
        return None
    try:
        instant = parse_instant(text)
    except ValueError as error:
        errors[name] = str(error)
        return None
    return None if instant == present else instant


def _priority(reading: Reading, errors: dict[str, str]) -> int | None:
    try:
        priority: int = value_of(FIELDS["priority"], reading.values.get(PRIORITY))
    except ValueError as error:
        errors[PRIORITY] = str(error)
        return None
    return priority
