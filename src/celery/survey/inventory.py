"""Inventory of an application: what was found, what differs, and what must be changed by hand, each with its place."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ..base.differences import DIFFERENCES, unsupported


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task with the options of its declaration, as they are written."""

    name: str
    place: Place
    options: dict[str, str]


@dataclass(slots=True)
class Inventory:
    """Everything that a survey finds. Texts are listed by kind; `changes` must be made by hand, `unread` must be checked."""

    tasks: list[FoundTask] = field(default_factory=list)
    bases: list[tuple[str, Place]] = field(default_factory=list)
    schedules: list[tuple[str, Place]] = field(default_factory=list)
    routes: list[tuple[str, Place]] = field(default_factory=list)
    keys: list[tuple[str, Place]] = field(default_factory=list)
    signals: list[tuple[str, Place]] = field(default_factory=list)
    workflows: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    imports: list[Place] = field(default_factory=list)
    differences: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    changes: list[tuple[Place, str]] = field(default_factory=list)
    unread: list[tuple[Place, str]] = field(default_factory=list)

    def differs(self, name: str, place: Place) -> None:
        """Note an interface by the table of differences: one with a cure must be changed by hand, one without a row works as in Celery."""
        if name not in DIFFERENCES:
            return
        if DIFFERENCES[name].cure is None:
            self.differences[name].append(place)
        else:
            self.change(place, str(unsupported(name)))

    def change(self, place: Place, text: str) -> None:
        """Note a line that must be changed by hand."""
        if (place, text) not in self.changes:
            self.changes.append((place, text))

    def look(self, place: Place, text: str) -> None:
        """Note a line that the syntax tree does not decide."""
        if (place, text) not in self.unread:
            self.unread.append((place, text))

    @property
    def must_change(self) -> bool:
        return bool(self.changes or self.imports)
