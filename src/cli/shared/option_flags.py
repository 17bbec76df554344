"""Job options as command-line options, made from their declarations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ...jobs.options.job_options import JobOption, Place, options_at
from ...jobs.options.option_kinds import OneOf, Whole

Command = TypeVar("Command", bound=Callable[..., Any])


def job_options(place: Place) -> Callable[[Command], Command]:
    """Decorator: add an option for each job option that can be set in this place, in the order of their declaration."""

    def extended(command: Command) -> Command:
        for option in reversed(options_at(place)):
            command = click.option(f"--{option.name.replace('_', '-')}", type=_type(option), help=_help(option))(command)
        return command

    return extended


def _help(option: JobOption) -> str:
    return option.help if isinstance(option.kind, Whole) else f"{option.help} {option.kind.notation}".strip()  # click shows the bounds


def _type(option: JobOption) -> click.ParamType[Any]:
    match option.kind:
        case Whole(least, most):
            return click.IntRange(least, most)
        case OneOf(words):
            return click.Choice(list(map(str, words)))
    return click.STRING
