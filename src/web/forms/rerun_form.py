"""Re-run form: prefilled with a job's arguments, submitted as a new job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import uuid4

from werkzeug.datastructures import MultiDict

from ...actor_schema.signature import Signature
from ...jobs import Receipt
from ...jobs.core.errors import IdempotencyConflict, InvalidArguments, JobsError
from ...jobs.submit import reruns
from ...operations.arguments.error_places import at_places
from ...operations.arguments.field import Field, every, identical
from ...operations.arguments.fields import filled
from ...operations.arguments.reading import MORE, Reading, add_row, read, retyped
from ...operations.jobs import actor_catalogue
from ...operations.jobs.requests import job_request
from ...operations.jobs.rows import Job
from ...operations.people.caller import Caller
from ...sql import database
from .job_form import KEY


@dataclass(frozen=True, slots=True)
class RerunForm:
    """Template context of the form."""

    job: Job
    signature: Signature
    fields: list[Field]
    errors: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def of(cls, job: Job) -> RerunForm:
        """Build the form with the job's arguments; raises UnknownActor."""
        signature = Signature.of(actor_catalogue.submittable(job.actor or ""))
        return cls(job, signature, filled(signature, job.args, job.kwargs))

    def with_row(self, sent: MultiDict[str, str]) -> RerunForm | None:
        """The form with one more row, if the add button was pressed."""
        if MORE not in sent:
            return None
        reading = read(self.fields, sent)
        add_row(reading, sent[MORE])
        return self._again(reading, {})

    def submit(self, sent: MultiDict[str, str], *, by: Caller) -> Receipt | RerunForm:
        """Submit the new job; return its receipt, or the form with the submitted values and errors."""
        reading = read(self.fields, sent)
        known = self.signature.by_name(self.job.args, self.job.kwargs)
        # A secret's input starts empty; left empty, the secret is unchanged.
        kept = {name: known[name] for name in self.signature.secrets & known.keys() if name not in reading.values}
        try:
            if reading.errors:
                raise InvalidArguments("some fields are invalid", errors=reading.errors)
            args, kwargs = self.signature.arrange({**reading.values, **kept})
            if identical(self.signature.by_name(args, kwargs), known):
                args, kwargs = self.job.args, self.job.kwargs
            wanted = job_request.JobRequest(
                self.job.actor or "", args, kwargs, queue=self.job.queue, idempotency_key=sent.get(KEY), **reruns.inherited(self.job)
            )
            submission = job_request.check(wanted, by=by, source="form")
            with database.write() as session:
                return reruns.submit_again(session, self.job.id, submission)
        except InvalidArguments as error:
            return self._again(reading, at_places(self.fields, error) if error.errors is not reading.errors else reading.errors)
        except IdempotencyConflict:
            return self._again(reading, {}, "This form was already submitted with other values. Submit again to create another job.")
        except JobsError as error:
            return self._again(reading, {}, str(error))

    def _again(self, reading: Reading, errors: Mapping[str, str], *problems: str) -> RerunForm:
        fields = [retyped(each, reading.texts) for each in self.fields]
        names = {each.name for each in every(fields)}
        of_no_field = tuple(text for name, text in errors.items() if name not in names)
        return replace(self, fields=fields, errors=errors, problems=(*problems, *of_no_field), key=uuid4().hex)
