"""Template filters: times, durations, numbers, JSON."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Flask, g
from markupsafe import Markup, escape

from ... import ACTOR_MODULES, COMMAND, IS_CHECKOUT
from ...formats.quantities import counted, number, rate, span
from ...jobs import State
from ...operations.arguments.field import every, takes_files
from ...operations.format.json_documents import printable
from ...operations.jobs import option_bodies
from ...operations.jobs.documents import job_documents, job_forecast
from ...operations.jobs.documents.job_timeline import Wait
from ...operations.people import permissions
from ...operations.people.roles import Role
from ...settings import get_settings
from ...sql.clock import now
from ..http import cookies
from ..http.requests import request_spans, uploads
from ..http.responses import headers
from . import json_texts
from .graphics import timelines
from .jobs import job_forecasts, job_results, job_run_times, job_snippets, reason_links, tracebacks

#: arguments of a job shown on its page
MOST_ARGUMENTS = 100
#: characters at the end of a short id: the random part of a time-ordered id
SHORT_ID = 8


def init(app: Flask) -> None:
    """Register the filters and globals."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        instant=instant,
        clock=clock,
        time=time,
        short=short,
        span=span,
        number=number,
        counted=counted,
        bytes=size,
        rate=rate,
        about=timelines.about,
        sentence=sentence,
        json=json_texts.pretty,
        line=json_texts.line,
        marked=tracebacks.marked,
        iso=lambda value: value.isoformat(),
    )
    app.jinja_env.tests["instant"] = lambda value: isinstance(value, datetime)
    app.jinja_env.globals.update(
        command=COMMAND,
        is_checkout=IS_CHECKOUT,
        actor_modules=ACTOR_MODULES,
        State=State,
        Role=Role,
        arguments_of=arguments_of,
        shown_arguments=shown_arguments,
        symbol=symbol,
        zone=zone_name,
        theme=cookies.theme,
        now=now,
        beginning=json_texts.beginning,
        beginning_of_file=job_results.beginning,
        management_url=management_url,
        copies=job_snippets.copies,
        queue_link=job_snippets.queue_link,
        depths=tracebacks.depths,
        tracebacks_in_place=tracebacks.in_place,
        draw_timeline=timelines.draw,
        kind_words=timelines.words,
        waits=frozenset(Wait),
        waiting_link=reason_links.link,
        trace_of=request_spans.trace_of,
        options_of=option_bodies.set_options,
        run_times=job_run_times.of,
        settings=get_settings,
        every=every,
        takes_files=takes_files,
        submit_role=permissions.submit_role,
        view_role=permissions.view_role,
        files_of=uploads.files_of,
        forecast_of=job_forecasts.forecast_of,
        forecast_place=job_forecast.place,
        forecast_hit_rate=job_forecast.hit_rate,
        instant_of=datetime.fromisoformat,
    )
    app.context_processor(lambda: {"visitor": g.get("visitor")})


def instant(value: datetime) -> str:
    """Date and time in the display zone."""
    return _local(value).strftime("%d %b %Y %H:%M:%S")


def time(value: datetime) -> Markup:
    """The `<time>` of an instant, with its date and zone as title."""
    local = _local(value)
    title = f"{local.strftime('%d %b %Y %H:%M:%S')} {zone_name()}"
    return Markup(f'<time datetime="{value.isoformat()}" title="{escape(title)}">{_clock(local)}</time>')


def short(id: str) -> Markup:
    """The begin and the end of an id."""
    return Markup(f'<code class="id">{escape(id[:8])}<span class="mid">…</span>{escape(id[-4:])}</code>')


def symbol(name: str) -> Markup:
    """A symbol of icons.svg."""
    return _symbol(name, headers.asset("icons.svg"))


@lru_cache(256)
def _symbol(name: str, address: str) -> Markup:
    return Markup(f'<svg class="icon" aria-hidden="true"><use href="{escape(address)}#{escape(name)}"/></svg>')


def clock(value: datetime) -> str:
    """Time of day if today, else with the date."""
    return _clock(_local(value))


def _clock(local: datetime) -> str:
    today = _local(now()).date()
    if local.date() == today:
        return local.strftime("%H:%M:%S")
    return local.strftime("%d %b %H:%M" if local.year == today.year else "%d %b %Y")


def size(value: int) -> str:
    """A size in a readable unit."""
    if value < 1000:
        return f"{value} B"
    if value < 1_000_000:
        return f"{value / 1000:.0f} kB"
    return f"{value / 1_000_000:.1f} MB" if value < 1_000_000_000 else f"{value / 1_000_000_000:.1f} GB"


def sentence(text: str) -> str:
    """A text with a capital first letter and a full stop."""
    return (text[:1].upper() + text[1:]).rstrip(".") + "." if text else ""


def arguments_of(job: job_documents.Called) -> list[tuple[str, Any]]:
    """Arguments by parameter name, secrets masked."""
    args, kwargs = job_documents.arguments(job)
    positional = list(zip(job_documents.names(job), args, strict=True)) if isinstance(args, list) else [("args", args)]
    named = list(kwargs.items()) if isinstance(kwargs, dict) else [("kwargs", kwargs)]
    return [(printable(name), value) for name, value in (*positional, *named)]


class ShownArguments(NamedTuple):
    """Arguments on a page: name, value, and the text that shows it."""

    rows: list[tuple[str, Any, str]]
    is_cut: bool


def shown_arguments(job: job_documents.Called) -> ShownArguments:
    """The arguments for the page of a job: of all together a beginning, and of each at least a line."""
    arguments = arguments_of(job)
    rows, left, is_cut = [], json_texts.BEGINNING, len(arguments) > MOST_ARGUMENTS
    for name, value in arguments[:MOST_ARGUMENTS]:
        shown = json_texts.beginning(value, max(left, json_texts.LINE_LENGTH))
        rows.append((json_texts.line(name), value, shown.text))
        left, is_cut = left - len(shown.text), is_cut or shown.is_cut
    return ShownArguments(rows, is_cut)


def zone_name() -> str:
    """The display time zone."""
    return cookies.zone().key


def management_url() -> str:
    """The URL of the RabbitMQ management UI; empty: unknown."""
    return get_settings().management_link


def _local(value: datetime) -> datetime:
    try:
        return value.astimezone(cookies.zone())
    except OverflowError:  # at the end of the year 9999, which a job's `expires` from Python may have
        return value
