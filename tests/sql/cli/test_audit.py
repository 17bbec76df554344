"""Commands at a terminal are audited."""

from __future__ import annotations

import getpass
import re

import click
import pytest
from sqlalchemy import select

from src.__main__ import cli
from src.audit import AuditEntry, Via
from src.cli import ACTIONS
from tests.sql.cli.conftest import Terminal


def _verbs(group: click.Group, before: str = "") -> set[str]:
    context = click.Context(group)
    found = set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found |= _verbs(command, f"{before}{name} ") if isinstance(command, click.Group) else {f"{before}{name}"}
    return found


def test_of_every_verb_it_is_said_whether_it_is_an_action() -> None:
    assert _verbs(cli) == set(ACTIONS)


@pytest.mark.parametrize("name", ["workers", "alerts", "errors", "dead-letters", "workflow", "schedule"])
def test_the_help_of_a_group_names_its_verbs(name: str) -> None:
    group = cli.get_command(click.Context(cli), name)
    assert isinstance(group, click.Group)

    assert set(group.list_commands(click.Context(group))) - set(re.findall(r"[a-z-]+", group.help or "")) == set()


@pytest.mark.long
def test_verbs_that_change_something_write_a_line_and_those_that_look_none(terminal: Terminal) -> None:
    id = terminal.run("submit", "add", "--x", "1", "--y", "2")
    terminal.run("cancel", id[:13])
    terminal.run("job", id)
    terminal.run("pause", "actor:add", "--reason", "deploy")
    terminal.run("pauses")
    terminal.run("token", "create", "ci", "--role", "viewer")
    terminal.run("release", id, code=1)

    with terminal.database.read() as session:
        written = session.execute(select(AuditEntry).order_by(AuditEntry.seq)).scalars().all()
    assert [(line.action, line.subject) for line in written] == [
        ("job.submit", id),
        ("job.cancel", id),
        ("target.pause", "actor:add"),
        ("token.create", "ci"),
    ]
    assert {(line.who, line.via) for line in written} == {(getpass.getuser(), Via.COMMAND)}
