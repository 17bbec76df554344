"""An actor's form: shown, filled in wrongly and shown again, or submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import uuid4

from werkzeug.datastructures import MultiDict

from src.broker.gathering import submit_now
from src.broker.signature import Signature
from src.jobs import Receipt
from src.jobs.errors import IdempotencyConflict, InvalidArguments, JobsError
from src.web import asking, catalogue
from src.web.auth import Visitor
from src.web.catalogue import AnyActor
from src.web.forms.fields import Field, fields_of
from src.web.forms.reading import Reading, read

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

    @classmethod
    def of(cls, actor_name: str) -> Form:
        """The empty form of an actor; raises UnknownActor."""
        actor = catalogue.find(actor_name)
        signature = Signature.of(actor)
        return cls(actor, signature, fields_of(signature))

    def submit(self, sent: MultiDict[str, str], *, by: Visitor) -> Receipt | Form:
        """The receipt of the job, or the form with what was typed and what is wrong with it."""
        reading = read(self.fields, sent)
        try:
            args, kwargs = self.signature.arrange(reading.values)
            if reading.errors:
                self._check_the_rest(reading)
            wish = asking.Wish(self.actor.actor_name, args, kwargs, idempotency_key=sent.get(KEY))
            return submit_now(asking.check(wish, by=by, source="form"))
        except InvalidArguments as error:
            return self._again(reading, error.errors)
        except IdempotencyConflict:
            return self._again(reading, {}, "This form was submitted before with other values. Submit again to make another job.")
        except JobsError as error:
            return self._again(reading, {}, str(error))

    def _check_the_rest(self, reading: Reading) -> None:
        """Raise what is wrong with all fields at once: those that cannot be read, and those that can but do not fit."""
        errors = dict(reading.errors)
        try:
            self.signature.check(*self.signature.arrange(reading.values))
        except InvalidArguments as error:
            errors = {**error.errors, **errors}
        raise InvalidArguments("some fields cannot be read", errors=errors)

    def _again(self, reading: Reading, errors: Mapping[str, str], *problems: str) -> Form:
        names = {each.name for each in self.fields}
        of_no_field = tuple(text for name, text in errors.items() if name not in names)
        filled = [replace(each, text=reading.texts.get(each.name, "")) for each in self.fields]
        return replace(self, fields=filled, errors=errors, problems=(*problems, *of_no_field), key=uuid4().hex)
