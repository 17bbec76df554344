"""HTTP calls as jobs: to public addresses or those in CALLBOARD_HTTP_ALLOW, limited in time and size."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import dramatiq
from pydantic import BeforeValidator, Field, SecretStr

from ..broker.options.retries import retry_after
from ..jobs import current_job
from ..settings import get_settings
from .http_client import CREDENTIALS, Answer, Request, call
from .ssrf_guard import CallRefused


def _hidden(headers: Any) -> Any:
    if not isinstance(headers, dict):
        return headers
    return {
        name: SecretStr(value) if isinstance(value, str) and CREDENTIALS.search(str(name)) else value for name, value in headers.items()
    }


Headers = Annotated[
    dict[str, str | SecretStr], BeforeValidator(_hidden), Field(description="never shown; credentials among them are masked in results")
]


class HttpError(Exception):
    """The server answered with an error; `response` gives the time of the next try, if the server sent one."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.reason} from {answer.url}: {answer.text[:300]}".rstrip(": "))
        self.response = answer


class HttpRefused(HttpError):
    """The server rejects the request itself: a retry would not help."""


@dramatiq.actor(
    queue_name="http",
    submit_role="operator",
    max_retries=5,
    min_backoff=5_000,
    max_backoff=600_000,
    throws=(CallRefused, HttpRefused),
    time_limit=180_000,
)
def call_http(
    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2000,
            title="URL",
            pattern=r"^https?://[^/?#@\\]+([/?#]|$)",
            description="without user and password",
            examples=["https://example.org/"],
        ),
    ],
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET",
    headers: Headers | None = None,
    body: Annotated[str, Field(description="as it is sent; give its Content-Type in the headers")] = "",
    authorization: Annotated[SecretStr | None, Field(description="the Authorization header; never shown")] = None,
    timeout_s: Annotated[float, Field(gt=0, le=120, description="seconds for the whole call, redirects included")] = 30,
    max_bytes: Annotated[int, Field(ge=0, le=900_000, description="a longer answer is an error")] = 100_000,
) -> dict[str, Any]:
    """Call a URL over HTTP.

    Addresses that are not public are refused unless CALLBOARD_HTTP_ALLOW names them, also as the target of a name or a
    redirect. Responses of 5xx, 408, 421, 425 and 429, and of 413 with a Retry-After, are retried, at the time that the
    server gives, if any; others from 400 on are not. Redirects of GET and HEAD are followed. Redirects of other methods
    are an error that names the new address, except 307 and 308. Of the other 3xx, only 304 is success.
    """
    given = {name: value if isinstance(value, str) else value.get_secret_value() for name, value in (headers or {}).items()}
    if authorization is not None:
        given = {name: value for name, value in given.items() if name.lower() != "authorization"}
        given["Authorization"] = authorization.get_secret_value()
    if current_job and "idempotency-key" not in {name.lower() for name in given}:
        given["Idempotency-Key"] = current_job.id  # lets the server recognise a repetition after a crash
    answer = call(Request(method, url, given, body.encode()), allowed=get_settings().http_allow, timeout_s=timeout_s, max_bytes=max_bytes)
    error = HttpError(answer)
    if answer.status >= 500 or answer.status in (408, 421, 425, 429) or (answer.status == 413 and retry_after(error) is not None):
        raise error
    if answer.status >= 300 and answer.status != 304:
        raise HttpRefused(answer)
    return {
        "status": answer.status,
        "url": answer.url,
        "headers": answer.headers,
        "body": answer.text,
        "bytes": answer.size,
        "seconds": answer.seconds,
    }
