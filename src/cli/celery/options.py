"""Options of Celery's commands that have no counterpart, as options of click: each is named when it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ...up.errors import UpError
from .commands_table import COMMANDS, OPTIONS, Effect, Row

Command = TypeVar("Command", bound=Callable[..., Any])


def without_counterpart(command: str) -> Callable[[Command], Command]:
    """Decorator: add the options of this command that are named and ignored, or refused."""

    def extended(function: Command) -> Command:
        for spelled, row in reversed(OPTIONS[command].items()):
            function = _option(command, spelled.split(), row)(function)
        return function

    return extended


def refuse(name: str) -> UpError:
    """The error for a command, or an action, that has no counterpart."""
    return UpError(f"celery {name} is not available here. Instead: {COMMANDS[name].text}.")


def _option(command: str, names: list[str], row: Row) -> Callable[[Command], Command]:
    def given(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if not value or context.resilient_parsing:  # `--pidfile=` means none
            return
        if row.effect is Effect.REFUSED:
            raise UpError(f"{names[0]} of celery {command} is not available here. Instead: {row.text}.")
        click.echo(f"· {names[0]} has no effect: {row.text}", err=True)

    kind: dict[str, Any] = {"metavar": "TEXT"} if row.value else {"is_flag": True}
    return click.option(*names, callback=given, expose_value=False, help=f"{row.effect.capitalize()}: {row.text}.", **kind)
