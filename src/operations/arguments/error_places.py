"""Mapping of validation errors to form inputs."""

from __future__ import annotations

from collections.abc import Sequence

from ...jobs.core.errors import InvalidArguments
from .field import Field, Kind


def at_places(fields: Sequence[Field], error: InvalidArguments) -> dict[str, str]:
    """Map errors to the innermost input that the form has, else to the parameter."""
    found: dict[str, str] = {}
    tops = {each.name: each for each in fields}
    for name, text in error.errors.items():
        top = tops.get(name)
        inner = {place: said for place, said in error.places.items() if place.startswith(name + ".") and _has(top, place)}
        found.update(inner or {name: text})
    return found


def _has(each: Field | None, place: str) -> bool:
    if each is None or each.kind not in (Kind.GROUP, Kind.ROWS):
        return False
    part = place[len(each.name) + 1 :].split(".")[0]
    if each.kind is Kind.ROWS:
        within = each.row(int(part)) if part.isdecimal() else None
    else:
        within = next((child for child in each.children if child.own_name == part), None)
    return within is not None and (within.name == place or _has(within, place))
