"""Console extensions: a team's own renderers, tabs and links for its actors, declared in its modules of actors.

    from src.console import Markup, actor_tab, job_tab, link, renderer    # installed: callboard.console

Text is escaped; `Markup` is inserted as it is, on a page that runs no inline script. A call that raises, or takes
longer than a second, is shown as failed, and the rest of the page is not affected (src/web/render/extensions.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any, TypeVar
from urllib.parse import quote

from markupsafe import Markup

__all__ = ["JobView", "Link", "Markup", "Tab", "actor_tab", "job_tab", "link", "links", "renderer", "renderer_of", "tabs"]

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class JobView:
    """The job that is shown. `arguments` are by parameter name, with secrets masked."""

    id: str
    actor: str
    queue: str
    state: str
    arguments: Mapping[str, Any]
    result: Any
    error: str | None
    submitted_by: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of its own, beside a job's or an actor's. `name` is its address."""

    name: str
    label: str
    actors: frozenset[str]
    function: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Link:
    """An address with the names of arguments in braces."""

    address: str
    label: str
    actors: frozenset[str]

    def filled(self, values: Mapping[str, Any]) -> tuple[str, str] | None:
        """The label and address with these values; None if one is missing or is neither a text nor a number."""
        names = _names(self.address) | _names(self.label)
        found = {name: _text(values[name]) for name in names if isinstance(values.get(name), str | int) and values[name] != ""}
        if found.keys() != names:
            return None
        return self.label.format_map(found), self.address.format_map({name: quote(value, safe="") for name, value in found.items()})


_renderers: dict[tuple[str, str | None], Callable[..., Any]] = {}
_tabs: dict[tuple[str, str], Tab] = {}
_links: dict[tuple[str, str], Link] = {}


def renderer(*actors: str, argument: str | None = None) -> Callable[[Function], Function]:
    """Show the results of these actors, or one argument, by `function(value, job)`, which returns text or Markup."""
    if not actors:
        raise ValueError("Name the actors whose results or arguments are rendered.")

    def decorate(function: Function) -> Function:
        for actor in actors:
            _renderers[actor, argument] = function
        return function

    return decorate


def job_tab(label: str, *actors: str) -> Callable[[Function], Function]:
    """Add a tab to the jobs of these actors, or of all: `function(job)` returns text or Markup."""
    return _tab("job", label, actors)


def actor_tab(label: str, *actors: str) -> Callable[[Function], Function]:
    """Add a tab to these actors, or to all: `function(name)` returns text or Markup."""
    return _tab("actor", label, actors)


def link(address: str, *actors: str, label: str) -> None:
    """Link the jobs of these actors, or of all, to e.g. `https://shop/orders/{order}`: each name is an argument's.

    A job without such an argument has no such link; `job_id` is the job's own id. Raises ValueError for an address that
    is not http:// or https://.
    """
    if not re.match(r"https?://[^\s{}]", address):
        raise ValueError(f"{address!r} is not a link: it must begin with https:// or http:// and a host.")
    _names(address), _names(label)
    _links[address, label] = Link(address, label, frozenset(actors))


def renderer_of(actor: str, argument: str | None = None) -> Callable[..., Any] | None:
    """The renderer of an actor's results, or of an argument."""
    return _renderers.get((actor, argument))


def tabs(kind: str, actor: str) -> list[Tab]:
    """The tabs of a job or an actor, in the order of their declaration."""
    return [tab for (each, _), tab in _tabs.items() if each == kind and (not tab.actors or actor in tab.actors)]


def links(actor: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The labels and addresses of a job's links."""
    found = (each.filled(values) for each in _links.values() if not each.actors or actor in each.actors)
    return [each for each in found if each is not None]


def _tab(kind: str, label: str, actors: tuple[str, ...]) -> Callable[[Function], Function]:
    name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not name:
        raise ValueError(f"{label!r} has no letter or digit, so the tab has no address. Use another label.")

    def decorate(function: Function) -> Function:
        _tabs[kind, name] = Tab(name, label, frozenset(actors), function)
        return function

    return decorate


def _text(value: str | int) -> str:
    """The value as text that an address can hold: half of a surrogate pair, which JSON may name, becomes a question mark."""
    return str(value).encode("utf-8", "replace").decode()


def _names(template: str) -> frozenset[str]:
    """The names in braces. Raises ValueError for anything but a plain name: `{order.__class__}` would reach into objects."""
    found = [each for each in Formatter().parse(template) if each[1] is not None]
    if any(form or conversion for _, _, form, conversion in found):
        raise ValueError(f"{template!r} formats an argument: only its name may stand in braces.")
    names = frozenset(name for _, name, _, _ in found if name is not None)
    if wrong := [name for name in names if not name.isidentifier()]:
        raise ValueError(f"{{{wrong[0]}}} in {template!r} is not the name of an argument.")
    return names
