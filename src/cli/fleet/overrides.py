"""pause, resume, pauses, limit, limits, breakers, reset-breaker: overrides at a terminal.

TARGET is `all`, `queue:NAME` or `actor:NAME`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ... import COMMAND
from ...operations.format.terminal_text import one_line, visible
from ...up.errors import UpError
from ..shared.calls import operator, writing
from ..shared.data_folder import data_option


@click.command()
@click.argument("target")
@click.option("--for", "how_long", help="Duration: 90 (seconds), 10m, 2h.")
@click.option("--until", help=f"End time, e.g. 2030-12-31T18:00:00Z. Without --for and --until: until {COMMAND} resume.")
@click.option("--reason", help="Shown on every job that the pause delays.")
@data_option
def pause(*, target: str, how_long: str | None, until: str | None, reason: str | None, data: Path | None) -> None:
    """Pause TARGET (all, queue:NAME, actor:NAME); running jobs finish."""
    with writing(data) as session:
        from ...operations.fleet import override_requests

        if how_long and until:
            raise UpError("Give either --for or --until, not both.")
        chosen = override_requests.read_target(target)
        end = override_requests.pause(session, chosen, how_long=how_long or None, until=until or None, reason=reason, by=operator())
    click.echo(f"{chosen} paused{_until(end)}")


@click.command()
@click.argument("target")
@data_option
def resume(*, target: str, data: Path | None) -> None:
    """End the pause of TARGET."""
    with writing(data) as session:
        from ...operations.fleet import override_requests

        chosen = override_requests.read_target(target)
        waited = override_requests.resume(session, chosen)
    click.echo(f"{chosen} resumed; {waited} waiting")


@click.command()
@data_option
def pauses(*, data: Path | None) -> None:
    """List the active pauses."""
    with writing(data) as session:
        from ...jobs.limits import overrides
        from ...sql.clock import now

        for each in overrides.load(session).pauses(now()):
            told = f"{each.target}{_until(each.until)}  by {each.set_by or 'unknown'}  {one_line(each.reason or '')}"
            click.echo(visible(told.rstrip()))


@click.command()
@click.argument("target")
@click.option("--rate", help="Rate limit of starts: 10/m, or 100/h;10/m; none: no limit; code: remove the override.")
@click.option("--concurrency", help="Maximum number of running jobs, e.g. 3; none: no limit; code: remove the override.")
@data_option
def limit(*, target: str, rate: str | None, concurrency: str | None, data: Path | None) -> None:
    """Override the limits of TARGET without a deploy, and show the effective ones."""
    with writing(data) as session:
        from ...jobs.limits import overrides
        from ...operations.fleet import override_requests

        chosen = override_requests.require(session, override_requests.read_target(target))
        for setting, text in ((overrides.RATE_LIMIT, rate), (overrides.CONCURRENCY, concurrency)):
            if text == "code":
                override_requests.follow_code(session, chosen, setting)
            elif text is not None:
                override_requests.override(session, chosen, setting, _limit(setting, text), by=operator())
        for each in override_requests.panel(session, chosen).limits:
            click.echo(visible(_in_words(each)))


@click.command()
@data_option
def limits(*, data: Path | None) -> None:
    """List the limits with code value and override."""
    with writing(data) as session:
        from ...operations.fleet import override_requests

        for each in override_requests.listed_limits(session):
            click.echo(visible(_in_words(each)))


@click.command()
@data_option
def breakers(*, data: Path | None) -> None:
    """List the circuit breakers, open ones first."""
    with writing(data) as session:
        from ...operations.fleet import override_requests

        for each in override_requests.listed_breakers(session):
            state = "closed" if each.opened_at is None else f"open since {each.opened_at:%Y-%m-%d %H:%M:%S}Z"
            click.echo(f"{each.actor}  {state}  {each.words}")


@click.command("reset-breaker")
@click.argument("actor")
@data_option
def reset_breaker(*, actor: str, data: Path | None) -> None:
    """Reset the circuit breaker of ACTOR."""
    with writing(data) as session:
        from ...jobs.limits import breakers
        from ...operations.fleet import override_requests

        override_requests.require(session, override_requests.read_target(f"actor:{actor}"))
        waited = breakers.reset(session, actor)
    click.echo(f"{actor} resumed; {waited} waiting")


def _limit(setting: str, text: str) -> Any:
    if text == "none":
        return None
    if setting == "rate_limit":
        return text
    if not text.isdecimal() or len(text) > 9:
        raise UpError(f"--concurrency: {text!r} is not a number, none or code.")
    return int(text)


def _in_words(limit: Any) -> str:
    def value(each: Any) -> str:
        return "none" if each is None else str(each)

    said = f"{value(limit.code)} (from code)" if limit.target.scope == "actor" else ""
    if limit.override is not None:
        said += f"{', ' if said else ''}overridden: {value(limit.override.value)} (by {limit.override.set_by or 'unknown'})"
    return f"{limit.target}  {limit.setting}  {said or 'none'}{', per key' if limit.per_key else ''}"


def _until(instant: datetime | None) -> str:
    return "" if instant is None else f" until {instant:%Y-%m-%d %H:%M:%S}Z"
