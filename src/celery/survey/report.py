"""Report of a survey: everything found, the differences it meets, and the lines to change by hand."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ...formats.quantities import counted
from ..base.differences import DIFFERENCES
from . import calls, configuration, declarations, imports
from .inventory import Inventory, Place
from .names import Names
from .sources import Sources

#: places named per difference
_SHOWN = 3


def survey(sources: Sources, found: Inventory) -> None:
    """Survey an application from its sources."""
    names = Names(sources)
    for source in sources.modules:
        imports.survey(source, names, found)
        declarations.survey(source, names, found)
        calls.survey(source, names, found)
    configuration.survey(sources, names, found)
    for shown, error in sources.unreadable.items():
        found.look(Place(shown, 1), f"This Python ({platform.python_version()}) cannot parse the file: {error}.")


def lines(sources: Sources, found: Inventory) -> Iterator[str]:
    """Yield the lines of the report."""
    left_out = f", {sources.tests} of tests left out" if sources.tests else ""
    yield f"{sources.root}: {counted(len(sources.modules), 'module')}{left_out}"
    yield from _listed("Tasks", [(_task(each.name, each.options), each.place) for each in found.tasks])
    yield from _listed("Base classes", found.bases)
    yield from _listed("Schedules", found.schedules)
    yield from _listed("Routes", found.routes)
    yield from _listed("Configuration", found.keys)
    yield from _listed("Signals", found.signals)
    yield from _listed("Workflows", [(name, place) for name, places in sorted(found.workflows.items()) for place in places])
    if found.differences:
        yield f"\nWorks differently ({len(found.differences)})"
        for name, places in sorted(found.differences.items()):
            yield f"  {name}: {DIFFERENCES[name].text}"
            yield f"      {_places(places)}"
    if found.unread:
        yield f"\nTo check by eye ({len(found.unread)})"
        yield from (f"  {place}  {text}" for place, text in sorted(found.unread))
    yield from _by_hand(found)


def _by_hand(found: Inventory) -> Iterator[str]:
    """Yield each change with all its places."""
    by_text: dict[str, list[Place]] = defaultdict(list)
    for place, text in sorted(found.changes):
        by_text[text].append(place)
    if found.imports:
        by_text["Import from callboard.celery (in a checkout: src.celery) instead of celery."] += sorted(found.imports)
    yield f"\nTo change by hand ({sum(map(len, by_text.values()))})" if by_text else "\nNothing in the code has to be changed by hand."
    for text, places in by_text.items():
        yield f"  {text}"
        yield from (f"      {place}" for place in places)


def _listed(title: str, rows: Sequence[tuple[str, Place]]) -> Iterator[str]:
    if rows:
        yield f"\n{title} ({len(rows)})"
        yield from (f"  {text}  {place}" for text, place in rows)


def _task(name: str, options: dict[str, str]) -> str:
    return f"{name}({', '.join(f'{option}={value}' for option, value in options.items())})" if options else name


def _places(places: list[Place]) -> str:
    shown = ", ".join(map(str, sorted(set(places))[:_SHOWN]))
    rest = len(set(places)) - _SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
