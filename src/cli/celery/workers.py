"""Destinations of `celery inspect` and `celery control`: workers by their name, or by the host in Celery's form `name@host`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import click

#: exit code without a worker: Celery's
UNAVAILABLE = 69


def _several(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


destination_option: Callable[[Any], Any] = click.option(
    "--destination", "-d", multiple=True, callback=_several, help="Only these workers: host:pid, or all of a host as name@host."
)


def require(nodes: Collection[object]) -> None:
    """Exit as Celery does if no worker is meant, or none lives."""
    if not nodes:
        click.echo("Error: No nodes replied within time constraint", err=True)
        raise SystemExit(UNAVAILABLE)
