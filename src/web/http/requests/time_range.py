"""The time range of a request, for every page that shows one: parsed from the URL, and kept across links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask, g, request, url_for

from ....jobs.core.errors import JobsError
from ....operations.format import time_ranges
from ....operations.format.time_ranges import TimeRange
from ....sql.clock import now
from .. import cookies

#: as in the addresses that Flask builds
_UNQUOTED = "!$'()*,/:;?@"
_CREATED = re.compile(r"(?<!\S)created:\S+\s*")
#: parameters that do not outlive a change of the range
_REPLACED = ("range", "from", "until", "period", "after", "format")


def current_range(default: str = time_ranges.DEFAULT) -> TimeRange:
    """The range of this request; the default one if the URL has none, or a wrong one (`range_problem`).

    A page with another `default` names it in its first call.
    """
    if "time_range" not in g:
        given, g.range_problem = request.args.to_dict(), ""
        given.setdefault("range", given.get("period", ""))  # the overview's parameter of earlier releases
        try:
            g.time_range = time_ranges.parse(given, now(), cookies.zone().key, default)
        except JobsError as error:
            g.time_range, g.range_problem = time_ranges.parse({}, now(), "UTC", default), str(error)
    chosen: TimeRange = g.time_range
    return chosen


def range_problem() -> str:
    """The error of the URL's range; empty: none."""
    current_range()
    problem: str = g.range_problem
    return problem


def range_parameters() -> dict[str, str]:
    """The range's URL parameters, for links to other pages."""
    return current_range().parameters


def narrowed(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the jobs list with a chosen range as a term of the query, in place of its own term for it."""
    found, chosen = dict(parameters), current_range()
    if chosen.is_chosen:
        found["q"] = f"{_CREATED.sub('', found.get('q', '')).strip()} created:{chosen.in_query}".strip()
    return found


def other_parameters() -> list[tuple[str, str]]:
    """The request's URL parameters but those of the range, for a form that changes it."""
    return [(name, value) for name, value in request.args.items(multi=True) if name not in _REPLACED]


def address_with(**parameters: str) -> str:
    """The address of this page with another range."""
    if "address_without_range" not in g:
        kept: dict[str, Any] = {}
        for name, value in other_parameters():
            kept.setdefault(name, []).append(value)
        g.address_without_range = url_for(request.endpoint or "overview.show", **{**kept, **(request.view_args or {})})
    without: str = g.address_without_range
    key = tuple(parameters.items())
    built: dict[tuple[tuple[str, str], ...], str] = g.setdefault("addresses_with", {})  # each chart links to the same columns
    if key not in built:
        built[key] = f"{without}{'&' if '?' in without else '?'}{urlencode(key, safe=_UNQUOTED)}" if key else without
    return built[key]


def field_time(instant: datetime) -> str:
    """The instant as the value of a browser's field, in the zone of the page."""
    return instant.astimezone(cookies.zone()).strftime("%Y-%m-%dT%H:%M")


def init(app: Flask) -> None:
    """Register the functions for templates."""
    app.jinja_env.filters["field_time"] = field_time
    app.jinja_env.globals.update(
        current_range=current_range,
        range_problem=range_problem,
        range_parameters=range_parameters,
        other_parameters=other_parameters,
        address_with=address_with,
        named_ranges=list(time_ranges.RANGES),
    )
