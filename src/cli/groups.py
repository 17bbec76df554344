"""Groups of commands that suggest the right name for a misspelled one."""

from __future__ import annotations

import difflib

import click

#: words of other programs
_MEANT = {
    "ps": "status",
    "start": "up",
    "stop": "down",
    "run": "submit",
    "call": "submit",
    "send": "submit",
    "show": "job",
    "log": "logs",
    "beat": "scheduler",
}


class Suggesting(click.Group):
    """Refuse an unknown command in one line, with the one that was probably meant."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name == "help" and "help" not in self.list_commands(ctx):
            name = "--help"
        if name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, [name, *args[1:]])
        known = self.list_commands(ctx)
        meant = [each for each in (_MEANT.get(name.lower()),) if each in known]
        near = meant or difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.6)
        hint = f"Did you mean {near[0]}?" if near else f"{ctx.command_path} --help lists them."
        raise NoSuchVerb(f"There is no command {name!r}. {hint}")


class NoSuchVerb(click.ClickException):
    """An unknown command; in one line, without the usage."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"✘ {self.format_message()}", err=True)
