"""Names of the options that actors may have, and the error that suggests the right one for another."""

from __future__ import annotations

from collections.abc import Set
from difflib import get_close_matches
from typing import Any

from ...jobs.options import message_options

#: parameters of dramatiq.actor() beside options
_PARAMETERS = ("actor_class", "actor_name", "priority", "queue_name")
#: names of other systems for what an actor declares
_ELSEWHERE = {
    **dict.fromkeys(("name", "task_name"), "actor_name"),
    **dict.fromkeys(("exchange", "queue", "routing_key"), "queue_name"),
    **dict.fromkeys(("cron", "crontab", "schedule"), "periodic=cron(…)"),
    **dict.fromkeys(("rate", "ratelimit", "throttle"), "rate_limit"),
    **dict.fromkeys(("expires_at", "expires_in", "max_age", "ttl"), "expires, a timedelta or milliseconds"),
}


class KnownOptions(set[str]):
    """Dramatiq subtracts them from the options of a declaration, and would name an unknown one without a suggestion."""

    def __rsub__(self, given: Set[Any]) -> set[Any]:
        unknown = sorted(given - frozenset(self))
        if not unknown:
            return set()
        raise ValueError(f"The following actor options are undefined: {', '.join(f'{name} ({self._cure(name)})' for name in unknown)}")

    def _cure(self, name: str) -> str:
        if name in _ELSEWHERE:
            return f"write {_ELSEWHERE[name]}"
        if (word := message_options.elsewhere(name)) is not None:
            option = word.partition(" ")[0].rstrip(",")
            return f"write {word}" if option in self else f"it belongs to one call: send_with_options({option}=…)"
        near = get_close_matches(name, (*self, *_PARAMETERS), n=1, cutoff=0.6)
        return f"do you mean {near[0]}?" if near else "name an option of your own in actor_options of the middleware that reads it"
