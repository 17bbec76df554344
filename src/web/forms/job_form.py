"""An actor's form: shown, filled in wrongly and shown again, or submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from werkzeug.datastructures import MultiDict

from ...actor_schema.signature import Signature
from ...broker.publish.group_commit import submit_now
from ...jobs import Receipt
from ...jobs.core.errors import IdempotencyConflict, InvalidArguments, JobsError
from ...operations.arguments.error_places import at_places
from ...operations.arguments.field import ABSENT, Field, every
from ...operations.arguments.fields import fields_of
from ...operations.arguments.reading import MORE, Reading, add_row, read, retyped, valued
from ...operations.jobs import actor_catalogue, job_request
from ...operations.jobs.actor_catalogue import AnyActor
from ...operations.people.caller import Caller
from . import job_options
from .job_options import JobOptions, read_options

#: the hidden input that makes a double click one job; no parameter can be called so
KEY = "form-key"


@dataclass(frozen=True, slots=True)
class Form:
    """A form as its template needs it. `problems` are errors of no field."""

    actor: AnyActor
    signature: Signature
    fields: list[Field]
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: uuid4().hex)
    how: list[Field] = field(default_factory=lambda: list(job_options.FIELDS))
    shows_how: bool = False

    @classmethod
    def of(cls, actor_name: str) -> Form:
        """The empty form of an actor; raises UnknownActor."""
        actor = actor_catalogue.submittable(actor_name)
        signature = Signature.of(actor)
        return cls(actor, signature, fields_of(signature))

    @property
    def all_fields(self) -> list[Field]:
        """The actor's own fields and the rest."""
        return [*self.fields, *self.how]

    def filled(self, values: Mapping[str, Any]) -> Form:
        """The form with these values by parameter; secrets stay empty, and what is no parameter any more is left out."""
        known = [each if each.name in self.signature.secrets else valued(each, values.get(each.name, ABSENT)) for each in self.fields]
        return replace(self, fields=known)

    def values(self, sent: MultiDict[str, str]) -> dict[str, Any]:
        """What was typed, as far as it can be read, by parameter and without secrets."""
        return {name: value for name, value in read(self.fields, sent).values.items() if name not in self.signature.secrets}

    def again(self, sent: MultiDict[str, str], *problems: str) -> Form:
        """The form with what was typed, and what is wrong beside it."""
        return self._again(read(self.fields, sent), read_options(sent), {}, *problems)

    def with_row(self, sent: MultiDict[str, str]) -> Form | None:
        """The form with what was typed and one more row, if its button for that was pressed."""
        if MORE not in sent:
            return None
        reading, asked = read(self.fields, sent), read_options(sent)
        add_row(reading, sent[MORE])
        return self._again(reading, asked, {})

    def submit(self, sent: MultiDict[str, str], *, by: Caller) -> Receipt | Form:
        """The receipt of the job, or the form with what was typed and what is wrong with it."""
        reading, asked = read(self.fields, sent), read_options(sent)
        try:
            args, kwargs = self.signature.arrange(reading.values)
            if reading.errors or asked.reading.errors:
                self._check_the_rest(reading, asked)
            wanted = job_request.JobRequest(self.actor.actor_name, args, kwargs, idempotency_key=sent.get(KEY), **asked.options)
            return submit_now(job_request.check(wanted, by=by, source="form"))
        except InvalidArguments as error:
            return self._again(reading, asked, at_places(self.fields, error))
        except IdempotencyConflict:
            return self._again(reading, asked, {}, "This form was already submitted with other values. Submit again to create another job.")
        except JobsError as error:
            name = job_options.BY_NAME.get(error.field or "")
            return self._again(reading, asked, {name: str(error)}) if name else self._again(reading, asked, {}, str(error))

    def _check_the_rest(self, reading: Reading, asked: JobOptions) -> None:
        """Raise what is wrong with all fields at once: those that cannot be read, and those that can but do not fit."""
        errors = {**reading.errors, **asked.reading.errors}
        try:
            self.signature.check(*self.signature.arrange(reading.values))
        except InvalidArguments as error:
            errors = {**at_places(self.fields, error), **errors}
        raise InvalidArguments("some fields are invalid", errors=errors)

    def _again(self, reading: Reading, asked: JobOptions, errors: Mapping[str, str], *problems: str) -> Form:
        filled = [retyped(each, reading.texts) for each in self.fields]
        names = {each.name for each in every([*filled, *self.how])}
        of_no_field = tuple(text for name, text in errors.items() if name not in names)
        return replace(
            self, fields=filled, how=asked.fields(), shows_how=asked.is_given, errors=errors, problems=(*problems, *of_no_field), key=uuid4().hex
        )  # fmt: skip
