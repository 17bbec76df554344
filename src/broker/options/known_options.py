"""Names of the options that actors may have, and the error that suggests the right one for another."""

from __future__ import annotations

from collections.abc import Set
from difflib import get_close_matches
from typing import Any

#: parameters of dramatiq.actor() beside options
_PARAMETERS = ("actor_class", "actor_name", "priority", "queue_name")


class KnownOptions(set[str]):
    """Dramatiq subtracts them from the options of a declaration, and would name an unknown one without a suggestion."""

    def __rsub__(self, given: Set[Any]) -> set[Any]:
        unknown = sorted(given - frozenset(self))
        near = [(name, *get_close_matches(name, (*self, *_PARAMETERS), n=1, cutoff=0.6)) for name in unknown]
        if all(len(each) == 1 for each in near):
            return set(unknown)
        shown = ", ".join(each[0] if len(each) == 1 else f"{each[0]} (do you mean {each[1]}?)" for each in near)
        raise ValueError(f"The following actor options are undefined: {shown}")
