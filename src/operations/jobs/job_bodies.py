"""Request bodies that submit or edit a job, for the API and the command line."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...jobs.control.edits import Edit
from ...jobs.core.errors import JobsError
from ...jobs.core.states import Unique
from ..format.request_values import Instant, Key, Period, Priority, Until, Wait, ahead, due_at, duration, read
from .job_request import JobRequest


class CallBody(BaseModel):
    """A job of the actor in the URL, with arguments by name."""

    model_config = ConfigDict(extra="forbid")

    kwargs: dict[str, Any] = Field({}, description="arguments by name")
    delay: Wait | None = Field(None, description="delay before the start: seconds, or a text such as 10m or 1h30m; excludes eta")
    eta: Instant | None = Field(None, description="start time, ISO 8601 with time zone")
    expires: Until | None = Field(None, description="the job does not start after this time or duration from now")
    priority: Priority | None = Field(None, description="higher runs first; null: the actor's default")
    queue: str | None = Field(None, description="overrides the actor's queue")
    unique_key: Key | None = Field(None, description="no second job with this key while one waits or runs")
    unique_until: Literal["waiting", "finished"] | None = Field(
        None,
        description="when the unique key is released: at the start or the end of the job; null: the actor's default, or finished",
    )
    unique_for: Period | None = Field(None, description="holds the unique key for this duration instead: seconds, or a text such as 1h")
    fair_key: Key | None = Field(None, description="key for fair queueing; null: the actor's default")

    def request_for(self, actor: str, args: list[Any], kwargs: dict[str, Any], *, key: str | None) -> JobRequest:
        """The request for a job of this actor. `key`: the idempotency key."""
        return JobRequest(
            actor, args, kwargs, queue=self.queue, due_at=due_at(self.delay, self.eta), expires_at=ahead("expires", self.expires),
            priority=self.priority, unique_key=self.unique_key, unique_until=Unique(self.unique_until) if self.unique_until else None,
            unique_for=duration("unique_for", self.unique_for), fair_key=self.fair_key, idempotency_key=key,
        )  # fmt: skip


class JobBody(CallBody):
    """A job to submit."""

    actor: str = Field(description="name of the actor")
    args: list[Any] = Field([], description="arguments by position")
    idempotency_key: str | None = Field(
        None, min_length=1, description="a repeated key returns the same job; for a single job, the header Idempotency-Key does the same"
    )

    def request(self, *, key: str | None = None) -> JobRequest:
        """The request of this body. `key`: the idempotency key of the request's header."""
        if key and self.idempotency_key and key != self.idempotency_key:
            raise JobsError("The header Idempotency-Key has a different key.", field="idempotency_key")
        return self.request_for(self.actor, self.args, self.kwargs, key=key or self.idempotency_key)


class EditBody(BaseModel):
    """An edit of a waiting job; missing fields are unchanged. `args` and `kwargs` together replace the arguments."""

    model_config = ConfigDict(extra="forbid")

    args: list[Any] | None = Field(None, description="new arguments by position; args and kwargs replace all previous arguments")
    kwargs: dict[str, Any] | None = Field(None, description="new arguments by name; args and kwargs replace all previous arguments")
    delay: Wait | None = Field(None, description="delay from now: 0, seconds, or a text such as 10m; excludes eta")
    eta: Instant | None = Field(None, description="due time, ISO 8601 with time zone")
    expires: Until | None = Field(None, description="the job does not start after this time or duration from now")
    priority: Priority | None = Field(None, description="higher runs first")

    def change(self) -> Edit:
        """The edit with unvalidated arguments."""
        return Edit(
            args=self.args, kwargs=self.kwargs, due_at=due_at(self.delay, self.eta), expires_at=ahead("expires", self.expires), priority=self.priority
        )  # fmt: skip


def read_job(document: Any) -> JobBody:
    """Validate the body of one job; raises InvalidArguments naming each invalid field."""
    return read(JobBody, document, example='{"actor": "add", "args": [1, 2]}')
