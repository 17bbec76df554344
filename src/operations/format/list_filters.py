"""List filters: query and keyset position, with the same parameters for page and API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ...jobs import State
from ...jobs.core.errors import JobsError
from ...jobs.search import Query, parse
from ...jobs.search.grammar import quote

#: maximum rows per page
PAGE_LIMIT = 200
#: query fields that are also URL parameters: ?state=dead is ?q=state:dead
_WORDS = ("state", "actor", "queue")


class After(TypedDict, total=False):
    """Query parameter of a list in pages."""

    after: Annotated[str, Field(pattern="^[0-9]{0,18}$", description="`next` of the previous page")]


class Paging(After, total=False):
    """Query parameters of a list in pages of any size."""

    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="entries of a page; 50 by default")]


class JobsFilter(Paging, total=False):
    """Query parameters of the list of jobs."""

    state: Annotated[str, Field(json_schema_extra={"enum": [*State, "failed"]})]
    actor: str
    queue: str
    q: Annotated[str, Field(description="a query, as in the search field of the jobs list")]


@dataclass(frozen=True, slots=True)
class Filter:
    """A list filter. `after`: only jobs older than the one with this seq."""

    query: Query
    after: int | None = None


def read_filter(parameters: Mapping[str, str]) -> Filter:
    """Parse the filter from URL parameters; raises JobsError naming the invalid one."""
    return Filter(parse(query_text(parameters)), read_after(parameters.get("after")))


def query_text(parameters: Mapping[str, str]) -> str:
    """The query of the URL parameters as one text."""
    words = [f"{name}:{quote(parameters[name])}" for name in _WORDS if parameters.get(name)]
    return " ".join([*words, parameters.get("q", "")]).strip()


def read_after(text: str | None) -> int | None:
    """The keyset position after which a page begins."""
    if not text:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise JobsError("`after` must be the `next` of the previous page.", field="after")
    return int(text)
