"""Submission form of an actor: render, validate, submit."""

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
from ...operations.jobs import actor_catalogue
from ...operations.jobs.actor_catalogue import AnyActor
from ...operations.jobs.requests import job_request
from ...operations.people.caller import Caller
from . import option_fields
from .option_fields import GivenOptions, read_options

#: hidden input with the idempotency key (a double click creates one job); not valid as a parameter name
KEY = "form-key"


@dataclass(frozen=True, slots=True)
class Form:
    """Template context of the form. `problems` are errors without a field."""

    actor: AnyActor
    signature: Signature
    fields: list[Field]
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: uuid4().hex)
    how: list[Field] = field(default_factory=lambda: list(option_fields.FIELDS))
    shows_how: bool = False

    @classmethod
    def of(cls, actor_name: str) -> Form:
        """Build the empty form of an actor; raises UnknownActor."""
        actor = actor_catalogue.submittable(actor_name)
        signature = Signature.of(actor)
        return cls(actor, signature, fields_of(signature))

    @property
    def all_fields(self) -> list[Field]:
        """The argument fields and the option fields."""
        return [*self.fields, *self.how]

    def filled(self, values: Mapping[str, Any]) -> Form:
        """Fill the form with values by parameter; secrets stay empty, removed parameters are ignored."""
        known = [each if each.name in self.signature.secrets else valued(each, values.get(each.name, ABSENT)) for each in self.fields]
        return replace(self, fields=known)

    def values(self, sent: MultiDict[str, str]) -> dict[str, Any]:
        """The submitted values that can be read, by parameter and without secrets."""
        return {name: value for name, value in read(self.fields, sent).values.items() if name not in self.signature.secrets}

    def again(self, sent: MultiDict[str, str], *problems: str) -> Form:
        """The form with the submitted values and errors."""
        return self._again(read(self.fields, sent), read_options(sent), {}, *problems)

    def with_row(self, sent: MultiDict[str, str]) -> Form | None:
        """The form with one more row, if the add button was pressed."""
        if MORE not in sent:
            return None
        reading, asked = read(self.fields, sent), read_options(sent)
        add_row(reading, sent[MORE])
        return self._again(reading, asked, {})

    def submit(self, sent: MultiDict[str, str], *, by: Caller) -> Receipt | Form:
        """Submit the job; return its receipt, or the form with the submitted values and errors."""
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
            name = option_fields.BY_NAME.get(error.field or "")
            return self._again(reading, asked, {name: str(error)}) if name else self._again(reading, asked, {}, str(error))

    def _check_the_rest(self, reading: Reading, asked: GivenOptions) -> None:
        """Raise the errors of all fields at once: unreadable and invalid ones."""
        errors = {**reading.errors, **asked.reading.errors}
        try:
            self.signature.check(*self.signature.arrange(reading.values))
        except InvalidArguments as error:
            errors = {**at_places(self.fields, error), **errors}
        raise InvalidArguments("some fields are invalid", errors=errors)

    def _again(self, reading: Reading, asked: GivenOptions, errors: Mapping[str, str], *problems: str) -> Form:
        filled = [retyped(each, reading.texts) for each in self.fields]
        names = {each.name for each in every([*filled, *self.how])}
        of_no_field = tuple(text for name, text in errors.items() if name not in names)
        return replace(
            self, fields=filled, how=asked.fields(), shows_how=asked.is_given, errors=errors, problems=(*problems, *of_no_field), key=uuid4().hex
        )  # fmt: skip
