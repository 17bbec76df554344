"""An actor's parameters at a terminal: parsing, --help, shell completion, and following a job."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Annotated, Literal

import click
import dramatiq
import pytest
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import update

import src.actors  # first: it makes the broker
import tests.actors.web
from src.cli.shared.actor_arguments import arguments_of, call_of, read_arguments, rows, usage
from src.jobs.core.errors import InvalidArguments
from src.jobs.core.models import Job
from src.jobs.core.states import State
from src.operations.arguments.fields import changing
from src.up.errors import UpError
from src.web.forms.job_form import Form
from tests.harness import ROOT
from tests.sql.cli.conftest import Terminal

assert src.actors
assert tests.actors.web


@dramatiq.actor(queue_name="linger")
def cli_brew(
    kind: Literal["green", "black"],
    *,
    minutes: Annotated[int, Field(ge=1, le=9, description="of brewing")] = 3,
    sugar: bool = True,
    guests: list[str] | None = None,
) -> None:
    """Brew tea."""


@dramatiq.actor(queue_name="linger")
def cli_charge(card: SecretStr, *, pin: SecretStr) -> None:
    """Charge a card."""


class Smtp(BaseModel):
    host: str = "localhost"
    port: int = 25
    cc: list[str] = []
    user: str | None = None


@dramatiq.actor(queue_name="linger")
def cli_mail(to: str, smtp: Smtp = Smtp(host="mail.example.com", cc=["a@x"], user="me"), *, sizes: list[int] | None = None) -> None:  # noqa: B008
    """Send an email."""


@dramatiq.actor(queue_name="linger")
def cli_more(x: int, y: int = 2, **more: int) -> None:
    """Take more."""


def read(*words: str) -> dict[str, object]:
    return read_arguments(Form.of("cli_brew").fields, words)


def test_secrets_are_read_from_a_pipe_line_by_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    fields = Form.of("cli_charge").fields
    monkeypatch.setattr(sys, "stdin", io.StringIO("4111 2222\n1234\r\n"))
    assert read_arguments(fields, ["--card", "-", "--pin=-"]) == {"card": "4111 2222", "pin": "1234"}

    for piped in ("", "\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
        with pytest.raises(UpError, match="--card - takes a line of standard input, and there is none"):
            read_arguments(fields, ["--card", "-"])
    assert capfd.readouterr() == ("", "")


def test_words_are_read_as_their_parameters_are_declared() -> None:
    assert read("--kind", "green", "--minutes=4", "--guests", "Ada", "--guests=Bob") == {
        "kind": "green",
        "minutes": 4,
        "guests": ["Ada", "Bob"],
    }
    assert read("--sugar", "--kind", "black") == {"sugar": True, "kind": "black"}
    for no in (["--no-sugar"], ["--sugar", "no"], ["--sugar=false"], ["--sugar", "--no-sugar"]):
        assert read(*no) == {"sugar": False}, no
    order = Form.of("order").fields
    given = read_arguments(order, ["--items", '[{"name": "pen"}]', "--to.street", "Main Street", "--to.floor", "2"])
    assert given == {"items": [{"name": "pen"}], "to": {"street": "Main Street", "floor": 2}}


def test_a_field_of_a_group_leaves_the_others_their_defaults() -> None:
    fields = Form.of("cli_mail").fields
    smtp = {"host": "mail.example.com", "port": 25, "cc": ["a@x"], "user": "me"}
    assert read_arguments(fields, ["--to", "x"]) == {"to": "x"}
    assert read_arguments(fields, ["--to", "x", "--smtp.port", "2525"]) == {"to": "x", "smtp": {**smtp, "port": 2525}}
    assert read_arguments(fields, ["--smtp.user=", "--smtp.cc= b ", "--smtp.port=1"]) == {
        "smtp": {**smtp, "cc": [" b "], "user": None, "port": 1}
    }
    assert dict(rows(fields))["--smtp JSON"] == f"[default: {json.dumps(smtp)}]"
    with pytest.raises(UpError, match=r"--smtp: Give it as a whole or field by field, not both\."):
        read_arguments(fields, ["--smtp", '{"host": "a"}', "--smtp.port", "7"])


def test_a_change_of_a_field_of_a_group_leaves_the_others_as_they_are_stored() -> None:
    signature = arguments_of("cli_mail").signature
    stored = {"host": "away", "port": 7, "cc": [], "user": "you"}
    fields = changing(signature, ["x"], {"smtp": stored, "sizes": [1]})
    assert read_arguments(fields, ["--smtp.port", "8"]) == {"smtp": {**stored, "port": 8}}
    assert read_arguments(fields, ["--sizes="]) == {"sizes": None}


@pytest.mark.parametrize(
    ("words", "items"),
    [([" a "], [" a "]), (["x\ny"], ["x\ny"]), (["", "b", ""], ["", "b", ""]), (['["a"]'], ['["a"]']), ([""], None)],
)
def test_an_item_of_a_list_is_taken_as_it_is_written(words: list[str], items: list[str] | None) -> None:
    assert read(*(f"--guests={word}" for word in words)) == ({} if items is None else {"guests": items})


def test_numbers_of_a_list_are_numbers() -> None:
    assert read_arguments(Form.of("cli_mail").fields, ["--sizes", "1", "--sizes=two"]) == {"sizes": [1, "two"]}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "--args", "[1,2,3]", "--y", "5"), "args: At most 2 positional arguments, not 3."),
        (("add", "--kwargs", '{"z":7,"x":1}', "--y", "5"), "z: No such parameter"),
        (("add", "--args", "[1,2]", "--x", "9"), "--x: given twice, also in --args or --kwargs."),
    ],
)
def test_an_argument_given_in_two_ways_is_refused(terminal: Terminal, words: tuple[str, ...], told: str) -> None:
    assert told in terminal.run("submit", *words, code=1)


def test_a_parameter_is_not_given_among_further_ones_as_well() -> None:
    with pytest.raises(InvalidArguments, match=r"x: Given twice, by itself and in more\."):
        call_of(arguments_of("cli_more"), ["--x", "1", "--more", '{"x": 9}'], None, None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["green"], "Write --NAME green; the names are: kind, minutes, sugar, guests."),
        (["--minuts", "3"], "There is no argument --minuts. Did you mean --minutes?"),
        (["--minutes", "--sugar"], "--minutes needs a value: --minutes INTEGER"),
        (["--minutes", "3", "--minutes", "4"], "--minutes is given twice"),
        (["--sugar=much"], "--sugar must be yes or no, not 'much': write --sugar or --no-sugar."),
        (["--no-minutes"], "There is no argument --no-minutes."),
    ],
)
def test_an_unreadable_option_is_named_with_the_cure(words: list[str], told: str) -> None:
    with pytest.raises(UpError) as error:
        read(*words)
    assert told in str(error.value)


def test_a_secret_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(click, "prompt", lambda label, **how: "typed" if how == {"hide_input": True, "err": True} else "shown")
    assert read_arguments(Form.of("unlock").fields, ["--key", "-"]) == {"key": "typed"}


def test_help_comes_from_the_signature() -> None:
    fields = Form.of("cli_brew").fields
    assert usage(fields) == "--kind green|black [--minutes INTEGER] [--sugar / --no-sugar] [--guests TEXT]"
    assert rows(fields) == [
        ("--kind green|black", "[required]"),
        ("--minutes INTEGER", "of brewing [1<=x<=9; default: 3]"),
        ("--sugar / --no-sugar", "[default: yes]"),
        ("--guests TEXT", "Repeat it for several values."),
    ]


def test_each_actor_has_its_help_and_an_unknown_name_gets_a_suggestion(terminal: Terminal) -> None:
    told = terminal.run("submit", "create_random_user_accounts", "--help")
    assert told.startswith("Usage: ./run submit create_random_user_accounts --total INTEGER [OPTIONS]")
    assert "Create random user accounts." in told
    assert "--total INTEGER  How many. Between 50 and 500. [50<=x<=500; required]" in told
    assert "--wait" in told
    assert "There is no argument --z." in terminal.run("submit", "add", "--z", "1", code=2)
    assert "Did you mean create_random_user_accounts?" in terminal.run("submit", "create_random_accounts", "--help", code=1)
    wrong = terminal.run("submit", "create_random_user_accounts", "--total", "7", code=1)
    assert wrong.splitlines()[-2:] == [
        "✘ --total: Enter a number from 50 to 500.",
        "./run submit create_random_user_accounts --help describes each argument.",
    ]


def test_a_shell_completes_what_is_not_given_yet_and_the_choices_of_an_argument(terminal: Terminal) -> None:
    assert terminal.completed("./run submit call_http --method P") == ["POST", "PUT", "PATCH"]
    offered = terminal.completed("./run submit add --x 1 --")
    assert "--y" in offered
    assert "--x" not in offered


@pytest.mark.long
def test_a_followed_job_is_a_bar_at_a_terminal_and_lines_elsewhere(terminal: Terminal) -> None:
    words = ("submit", "add", "--x", "1", "--y", "2", "--idempotency-key", "one")
    id = terminal.run(*words)
    with terminal.database.write() as session:
        progress = {"progress_done": 3, "progress_total": 9, "progress_message": "[b]three[/b] of nine"}
        session.execute(update(Job).where(Job.id == id).values(state=State.RUNNING, attempt=1, **progress))

    code, seen = terminal.seen(*words, "--wait", "--timeout", "0.5")
    assert code == 4, seen
    assert "running" in seen
    assert "3/9" in seen
    assert "[b]three[/b]" in seen
    assert "━" in seen
    assert f"still active: ./run job {id}" in seen
    plain = terminal.run(*words, "--wait", "--timeout", "0", code=4)
    assert "running 3/9 [b]three[/b] of nine" in plain.splitlines()


def test_a_submission_loads_no_page() -> None:
    # Each would make every `./run submit` slower by a fifth. A new interpreter: the fork server has imported some.
    program = "import sys; from src.operations.jobs.requests import job_request; from src.web import forms; print(sorted(name for name in sys.modules if name.startswith('src.web.pages')))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
