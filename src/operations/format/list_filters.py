"""List filters: query and keyset position, with the same parameters for page and API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...jobs.core.errors import JobsError
from ...jobs.search import Query, parse
from ...jobs.search.grammar import quote

#: query fields that are also URL parameters: ?state=dead is ?q=state:dead
_WORDS = ("state", "actor", "queue")


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
