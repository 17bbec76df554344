"""Draft of a schedule: its fields as a value, from a form, a request, or the code."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from ...jobs.core.errors import InvalidArguments
from ...jobs.submit.row import NAME
from ...sql.columns import same_json
from ..rules.rules import Rule
from .vocabulary import Missed, Overlap

#: characters of a schedule's name
NAME_LENGTH = 200
#: default grace: seconds of lateness that count as on time
GRACE_S = 10
#: a time of the day
CLOCK_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_INSTANTS = ("at", "starts_at", "ends_at")
#: fields that determine the ticks: changing one restarts the rule from now
TIME_FIELDS = ("cron", "every_s", "at", "zone", "starts_at", "ends_at", "jitter_s")
#: fields that are one setting together: each group is overridden as a whole
GROUPS = (("cron", "every_s", "at"), ("expect_by", "expect_within_s"), ("args", "kwargs"))


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything a user decides about a schedule. Exactly one of `cron`, `every_s` (seconds) and `at` is set."""

    name: str
    actor: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    cron: str | None = None
    every_s: int | None = None
    at: datetime | None = None
    zone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    jitter_s: int = 0
    missed: Missed = Missed.ONCE
    grace_s: int = GRACE_S
    overlap: Overlap = Overlap.ALLOW
    pause_after: int | None = None  # consecutive failed runs
    on_failure: str | None = None  # actors to notify
    on_recovery: str | None = None
    expect_by: str | None = None  # HH:MM in its zone: by then a tick of the preceding day must have succeeded
    expect_within_s: int | None = None  # or: a time after each tick
    on_alert: str | None = None

    @property
    def rule(self) -> Rule:
        """Return its time rule."""
        return Rule(
            cron=self.cron, every_s=self.every_s, at=self.at, zone=self.zone, starts_at=self.starts_at, ends_at=self.ends_at,
            jitter_s=self.jitter_s, salt=self.name,
        )  # fmt: skip

    @property
    def callbacks(self) -> dict[str, str]:
        """Return the actors to notify, by field."""
        named = {"on_failure": self.on_failure, "on_recovery": self.on_recovery, "on_alert": self.on_alert}
        return {name: actor for name, actor in named.items() if actor is not None}

    def check(self) -> None:
        """Raise InvalidArguments naming every invalid field; whether the arguments fit the actor is checked elsewhere."""
        problems: dict[str, str] = {}
        if not NAME.fullmatch(self.name) or len(self.name) > NAME_LENGTH or self.name != self.name.strip():
            problems["name"] = f"A name has 1 to {NAME_LENGTH} characters and no space around it."
        problems |= self.rule.problems()
        if not 0 <= self.grace_s <= 7 * 86_400:
            problems["grace"] = "The grace lies between 0 seconds and a week."
        if self.pause_after is not None and not 1 <= self.pause_after <= 1_000:
            problems["pause_after"] = "It is paused after 1 to 1000 failures in a row."
        if self.expect_by is not None and not CLOCK_TIME.fullmatch(self.expect_by):
            problems["expect_success"] = "Give a time of the day such as 06:30, or how long after each tick, such as 45m."
        if self.expect_by is not None and self.expect_within_s is not None:
            problems["expect_success"] = "Give a time of the day or a duration, not both."
        if self.expect_within_s is not None and not 1 <= self.expect_within_s <= 366 * 86_400:
            problems["expect_success"] = "A success is expected between a second and a year after its tick."
        if problems:
            raise InvalidArguments("; ".join(f"{name}: {text}" for name, text in problems.items()), errors=problems)

    def document(self) -> dict[str, Any]:
        """Return the draft as a JSON document."""
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(self).items()}

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Draft:
        """Read a stored document; fields unknown to an older release get their defaults."""
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        for name in _INSTANTS:
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        return cls(**{**values, "missed": Missed(values["missed"]), "overlap": Overlap(values["overlap"])})

    def differing(self, other: Draft) -> list[str]:
        """Return the names of the fields in which the two differ."""
        return [each.name for each in fields(self) if not _same(each.name, getattr(self, each.name), getattr(other, each.name))]


def _same(name: str, one: Any, other: Any) -> bool:
    return same_json(one, other) if name in ("args", "kwargs") else bool(one == other)
