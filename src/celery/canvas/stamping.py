"""Stamps: values that a signature and its parts carry to the running task, as `self.request.stamps`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from .signatures import Signature, linked

#: name of the list of names that are stamps
NAMES = "stamped_headers"


class StampingVisitor(ABC):
    """Returns the stamps of each signature and shape that it visits.

    Each method returns a dictionary; its `stamped_headers` names those that are stamps, by default all.
    """

    @abstractmethod
    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        """Return the stamps of a task."""

    def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any]:
        return {}

    def on_group_end(self, group: Any, **headers: Any) -> None:
        return None

    def on_chain_start(self, chain: Any, **headers: Any) -> dict[str, Any]:
        return {}

    def on_chain_end(self, chain: Any, **headers: Any) -> None:
        return None

    def on_chord_header_start(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return self.on_group_start(sig.header, **headers)

    def on_chord_header_end(self, sig: Any, **headers: Any) -> None:
        self.on_group_end(sig.header, **headers)

    def on_chord_body(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {}

    def on_callback(self, callback: Any, **headers: Any) -> dict[str, Any]:
        return {}

    def on_errback(self, errback: Any, **headers: Any) -> dict[str, Any]:
        return {}


class _Silent(StampingVisitor):
    """Adds no stamps."""

    def on_signature(self, sig: Any, **headers: Any) -> dict[str, Any]:
        return {}


def stamp(signature: Signature, visitor: StampingVisitor | None, is_appended: bool, headers: Mapping[str, Any]) -> None:
    """Stamp a signature, its parts and its links. `is_appended`: add to a stamp of the same name instead of replacing it."""
    visit = visitor or _Silent()
    visits: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "chain": (visit.on_chain_start, visit.on_chain_end),
        "group": (visit.on_group_start, visit.on_group_end),
        "chord": (visit.on_chord_header_start, visit.on_chord_header_end),
    }
    start, end = visits.get(signature.kind or "", (visit.on_signature, None))
    whole = _merged(headers, start(signature, **headers))
    for key, visited in (("link", visit.on_callback), ("link_error", visit.on_errback)):
        signature.options.update({key: links} if (links := linked(signature.options, key)) else {})
        for each in links:
            each.stamp(visitor, is_appended, **_merged(headers, visited(each, **headers)))
    if end is None:
        _set(signature, is_appended, whole)
        return
    parts: Any = getattr(signature, "tasks")  # noqa: B009 - only shapes have parts
    for part in parts:
        part.stamp(visitor, is_appended, **whole)
    end(signature, **whole)
    body = signature.kwargs.get("body")
    if body is not None:
        body.stamp(visitor, is_appended, **_merged(whole, visit.on_chord_body(signature, **whole)))


def _merged(headers: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the stamps with those that a visitor has returned."""
    stamps = {name: each[name] for each in (headers, found or {}) for name in each.get(NAMES, each) if name in each and name != NAMES}
    return {**stamps, NAMES: list(stamps)} if stamps else {}


def _set(signature: Signature, is_appended: bool, stamps: Mapping[str, Any]) -> None:
    options = signature.options
    for name in stamps.get(NAMES, ()):
        options[name] = [*_listed(options[name]), *_listed(stamps[name])] if is_appended and name in options else stamps[name]
    if stamps:
        options[NAMES] = list(dict.fromkeys([*options.get(NAMES, ()), *stamps[NAMES]]))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
