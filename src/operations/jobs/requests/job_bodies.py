"""Request bodies that submit or edit a job, for the API and the command line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from ....jobs.control.edits import Edit
from ....jobs.core.errors import JobsError
from ....jobs.options.job_options import Place
from ...format.request_values import RequestBody, example, read
from ..option_bodies import values_of, with_options
from .job_request import JobRequest


@with_options(Place.API)
class CallBody(RequestBody):
    """A job of the actor in the URL, with arguments by name."""

    model_config = example({"kwargs": {"x": 1, "y": 2}})

    kwargs: dict[str, Any] = Field({}, description="arguments by name: any JSON")
    queue: str | None = Field(None, description="overrides the actor's queue")

    def request_for(self, actor: str, args: list[Any], kwargs: dict[str, Any], *, key: str | None) -> JobRequest:
        """The request for a job of this actor. `key`: the idempotency key."""
        wanted = JobRequest(actor, args, kwargs, queue=self.queue, idempotency_key=key)
        try:
            return replace(wanted, **values_of(self, Place.API))
        except JobsError as error:
            return replace(wanted, refusal=error)


class JobBody(CallBody):
    """A job to submit."""

    model_config = example({"actor": "add", "args": [1, 2]})

    actor: str = Field(description="name of the actor")
    args: list[Any] = Field([], description="arguments by position: any JSON")
    idempotency_key: str | None = Field(
        None, min_length=1, description="a repeated key returns the same job; for a single job, the header Idempotency-Key does the same"
    )

    def request(self, *, key: str | None = None) -> JobRequest:
        """The request of this body. `key`: the idempotency key of the request's header."""
        if key and self.idempotency_key and key != self.idempotency_key:
            raise JobsError("The header Idempotency-Key has a different key.", field="idempotency_key")
        return self.request_for(self.actor, self.args, self.kwargs, key=key or self.idempotency_key)


@with_options(Place.EDIT)
class EditBody(RequestBody):
    """An edit of a waiting job; missing fields are unchanged. `args` and `kwargs` together replace the arguments."""

    model_config = example({"priority": 9})

    args: list[Any] | None = Field(None, description="new arguments by position, any JSON; args and kwargs replace all previous arguments")
    kwargs: dict[str, Any] | None = Field(
        None, description="new arguments by name, any JSON; args and kwargs replace all previous arguments"
    )

    def change(self) -> Edit:
        """The edit with unvalidated arguments."""
        return Edit(args=self.args, kwargs=self.kwargs, **values_of(self, Place.EDIT))


def read_job(document: Any) -> JobBody:
    """Validate the body of one job; raises InvalidArguments naming each invalid field."""
    return read(JobBody, document)
