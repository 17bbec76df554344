"""Schedules declared in code: `@dramatiq.actor(periodic=cron("0 6 * * mon-fri"))`, in periodiq's spelling.

A declaration also has the methods that the `periodiq` command calls on its CronSpec (`validate`, `next_valid_date`), so
that both schedulers can run side by side; the ticks' rows ensure that each fires once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ...jobs.core.errors import JobsError
from ...keywords import named, named_as, positional
from ...settings import get_settings
from ..rules.rules import Rule
from .drafts import GRACE_S, Draft
from .vocabulary import Missed, Overlap

#: names of other schedulers for the arguments of a schedule
_ELSEWHERE = {
    **dict.fromkeys(("timezone", "tz"), "zone"),
    **dict.fromkeys(("not_before", "start", "start_date", "start_time"), "starts_at"),
    **dict.fromkeys(("end", "end_date", "not_after", "until"), "ends_at"),
    **dict.fromkeys(("catch_up", "catchup", "coalesce", "misfire"), 'missed, one of "skip", "once", "all"'),
    "max_instances": 'overlap, one of "allow", "skip", "queue", "cancel"',
    "misfire_grace_time": "grace",
}


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """Value of `periodic=`: a schedule without the name of its actor.

    `owner`: the list of declarations that it belongs to, if its actor exists only for it, as with beat's entries.
    """

    draft: Draft
    owner: str | None = None

    def of(self, actor: str) -> Draft:
        """Return the draft for the actor that declares it, named after the actor."""
        return replace(self.draft, name=actor, actor=actor)

    def document(self, actor: str) -> dict[str, Any]:
        """Return the JSON document that is stored for the actor that declares it."""
        return {**self.of(actor).document(), **({} if self.owner is None else {"owner": self.owner})}

    @property
    def _rule(self) -> Rule:
        return self.draft.rule

    def validate(self, date: datetime) -> bool:
        """True if this minute (for an interval: this second) is a tick."""
        instant = _plain(date).replace(microsecond=0)
        if self._rule.cron is not None:
            instant = instant.replace(second=0)
        return self._rule.next(instant - timedelta(microseconds=1)) == instant

    def next_valid_date(self, last: datetime) -> datetime:
        """Return the first tick later than `last`; a century ahead if there is none."""
        return self._rule.next(_plain(last)) or last + timedelta(days=36_525)

    def __str__(self) -> str:
        rule = self._rule
        return rule.cron or (f"every {rule.every_s} s" if rule.every_s else str(rule.at))


def _plain(date: datetime) -> datetime:
    """Convert periodiq's datetime subclass to a plain one, whose arithmetic is standard."""
    return datetime.fromtimestamp(date.timestamp(), UTC)


@named_as(_ELSEWHERE)
def cron(
    spec: str, *, zone: str | None = None, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
    starts_at: datetime | None = None, ends_at: datetime | None = None, jitter: float | timedelta = 0, missed: str = "once",
    grace: float | timedelta = GRACE_S, overlap: str = "allow", pause_after: int | None = None, on_failure: str | None = None,
    on_recovery: str | None = None, expect_success: str | timedelta | None = None, on_alert: str | None = None,
) -> Declaration:  # fmt: skip
    """Declare a cron schedule, e.g. `cron("0 7 * * mon-fri", zone="Europe/Berlin")`; the default zone is CALLBOARD_TIMEZONE.

    Durations are seconds or timedeltas; names of other actors are strings. Raises JobsError naming what is invalid.
    """
    return _declare(
        cron=spec, zone=zone, args=args, kwargs=kwargs, starts_at=starts_at, ends_at=ends_at, jitter=jitter, missed=missed, grace=grace,
        overlap=overlap, pause_after=pause_after, on_failure=on_failure, on_recovery=on_recovery, expect_success=expect_success, on_alert=on_alert,
    )  # fmt: skip


@named_as(_ELSEWHERE, like=cron)
def every(interval: float | timedelta, **how: Any) -> Declaration:
    """Declare an interval of whole seconds (or a timedelta), counted from its start or else from 1970; `how` as in `cron()`."""
    return _declare(every_s=_seconds("every", interval), **how)


def _declare(
    *, cron: str | None = None, every_s: int | None = None, zone: str | None = None, args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None, starts_at: datetime | None = None, ends_at: datetime | None = None,
    jitter: float | timedelta = 0, missed: str = "once", grace: float | timedelta = GRACE_S, overlap: str = "allow",
    pause_after: int | None = None, on_failure: str | None = None, on_recovery: str | None = None,
    expect_success: str | timedelta | None = None, on_alert: str | None = None,
) -> Declaration:  # fmt: skip
    within = _seconds("expect_success", expect_success) if isinstance(expect_success, timedelta) else None
    draft = Draft(
        name="periodic", actor="periodic", args=list(positional(args)), kwargs=named(kwargs), cron=cron, every_s=every_s,
        zone=zone or get_settings().timezone, starts_at=starts_at, ends_at=ends_at, jitter_s=_seconds("jitter", jitter),
        missed=_word(Missed, "missed", missed), grace_s=_seconds("grace", grace), overlap=_word(Overlap, "overlap", overlap),
        pause_after=pause_after, on_failure=on_failure, on_recovery=on_recovery, on_alert=on_alert, expect_within_s=within,
        expect_by=None if isinstance(expect_success, timedelta) else expect_success,
    )  # fmt: skip
    draft.check()
    return Declaration(draft)


def _seconds(field: str, value: float | timedelta) -> int:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != int(seconds):
        raise JobsError(f"{field} must be whole seconds or a timedelta of such, not {value!r}", field=field)
    return int(seconds)


def _word(kind: Any, field: str, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise JobsError(f"{field} must be one of {', '.join(kind)}, not {value!r}", field=field) from None
