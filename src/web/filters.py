"""Which jobs are asked for: the same words in the address of a page and of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from src.jobs import State
from src.jobs.errors import JobsError

#: `failed` is no state: a job whose newest attempt failed waits for its retry or for a person
FAILED = "failed"
_WORDS = ("state", "actor", "queue")


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show. `after`: only jobs older than the one with this seq."""

    state: str | None = None
    actor: str | None = None
    queue: str | None = None
    after: int | None = None

    @property
    def states(self) -> list[State]:
        """The states meant by `state`; none: all."""
        if self.state is None:
            return []
        return [State.RETRYING, State.DEAD] if self.state == FAILED else [State(self.state)]


def read_filter(parameters: Mapping[str, str]) -> Filter:
    """The filter of an address; raises JobsError naming the parameter at fault."""
    words = {name: parameters[name] for name in _WORDS if parameters.get(name)}
    words.update(_read_query(parameters.get("q", "")))
    state = words.get("state")
    if state is not None and state not in (*State, FAILED):
        raise JobsError(f"There is no state {state!r}. The states are: {', '.join(State)}.", field="state")
    return Filter(state, words.get("actor"), words.get("queue"), _read_after(parameters.get("after")))


def _read_query(query: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for part in query.split():
        name, colon, value = part.partition(":")
        if not colon or name not in _WORDS or not value:
            raise JobsError(f"{part!r} is not understood. Write state:dead, actor:name or queue:name, separated by spaces.", field="q")
        words[name] = value
    return words


def _read_after(text: str | None) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise JobsError("Take `after` from the `next` of the page before.", field="after")
    return int(text)
