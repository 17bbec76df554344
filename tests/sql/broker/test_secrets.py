"""The value of a secret argument is stored nowhere, whatever its actor does with it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections import deque
from threading import Thread
from typing import Annotated, Any

import pytest
import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Secret, SecretBytes, SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from src.broker.options.errors import InvalidOption
from src.jobs import State, current_job
from src.jobs.attempts.masking import MASK, Masking
from tests.harness.attempts import Attempts, declared, terminal

SECRET = 'pl"ant/ed s3cret\\é'
DEFAULT = SecretStr(SECRET)
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASC\n-----END KEY-----"


class Account(BaseModel):
    user: str
    pin: str


class Marked(BaseModel):
    word: Annotated[str, Field(json_schema_extra={"writeOnly": True})]
    key: SecretStr


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SecretStr]


class Login(BaseModel):
    user: str
    password: SecretStr


def _kept(attempts: Attempts) -> str:
    """All that the tables hold, as text, escapes of JSON undone."""
    with attempts.database.engine.connect() as connection:
        rows = [list(row) for name in ("jobs", "attempts", "log_lines") for row in connection.execute(text(f"SELECT * FROM {name}"))]
    raw = "\n".join(str(value) for row in rows for value in row)
    return raw + raw.encode().decode("unicode_escape", "replace")


def _leaked(attempts: Attempts, written: io.StringIO, secret: str) -> list[str]:
    seen = _kept(attempts) + written.getvalue()
    forms = [secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], *(line for line in secret.split("\n") if "-" not in line)]
    return [form for form in forms if form in seen]


def test_whatever_an_actor_says_returns_or_raises(attempts: Attempts) -> None:
    def blab(key: SecretStr, login: Login, fails: bool = False) -> Any:
        plain, password = key.get_secret_value(), login.password.get_secret_value()
        print("printed", plain, repr(password))
        print("in ", end="")
        for letter in plain:
            print(letter, end="")
        print(f"{'x' * 7_990}{plain}{'y' * 9_000}{plain}")
        sys.stderr.write(json.dumps({"key": plain}) + "\n")
        sys.stdout.buffer.write(f"bytes {plain}\n".encode())
        logging.getLogger("team").warning("logged %s", plain, extra={"key": plain})
        structlog.stdlib.get_logger("team").warning("structured", key=plain, nested={"key": [plain]})
        try:
            raise KeyError(plain)
        except KeyError:
            logging.getLogger("team").exception("caught")
        current_job.progress(1, 2, f"{'z' * 990}{plain}{'z' * 990}")
        if fails:
            raise ValueError(f"{'w' * 900}{plain}{'w' * 2_000}") from RuntimeError(f"because of {password}")
        return {"user": login.user, plain: [plain, {"url": f"https://u:{password}@host/"}]}

    def noted(message: Any, told: Any) -> Any:
        return told

    given = {"key": SECRET, "login": {"user": "ann", "password": SECRET}}
    with terminal() as written, declared(blab, on_success="noted", on_failure="noted") as blabber, declared(noted):
        done = attempts.run(blabber.message(**given))
        failed = attempts.run(blabber.message(**given, fails=True))
        for job, state in ((done, State.SUCCEEDED), (failed, State.DEAD)):
            assert job.state is state, job.reason
            attempts.run(attempts.next(job, "callback").id)
        assert done.result["user"] == "ann"  # values not declared secret are kept
        assert done.result[MASK][0] == MASK
        assert MASK in str(failed.error)
        assert "ValueError" in str(failed.attempts[0].traceback)
        assert attempts.log(done)[0] == ("stdout", f"printed {MASK} '{MASK}'")
    assert _leaked(attempts, written, SECRET) == []


@pytest.mark.parametrize(
    ("hint", "given", "secret"),
    [
        (SecretStr, PEM, PEM),
        (SecretBytes, "by-tes", "by-tes"),
        (Annotated[str, Field(json_schema_extra={"writeOnly": True})], "plain-hint", "plain-hint"),
        (Annotated[int, Field(json_schema_extra={"writeOnly": True})], 47114711, "47114711"),
        (dict[str, SecretStr], {"a": "in-a-dict"}, "in-a-dict"),
        (list[Login], [{"user": "ann", "password": "in-a-list"}], "in-a-list"),
        (SecretStr | None, "maybe-one", "maybe-one"),
        (Secret[int], 58225822, "58225822"),
        (Secret[Account], {"user": "ann", "pin": "in-a-secret-model"}, "in-a-secret-model"),
        (Marked, {"word": "marked-one", "key": "declared-one"}, "marked-one"),
        (Marked, {"word": "marked-two", "key": "declared-two"}, "declared-two"),
        (Open, {"more": "beside-the-fields"}, "beside-the-fields"),
        (deque[SecretStr], ["in-a-deque"], "in-a-deque"),
        (dict[SecretStr, int], {"as-a-key": 1}, "as-a-key"),
    ],
    ids=[
        "lines",
        "bytes",
        "text",
        "number",
        "dict",
        "models",
        "optional",
        "hidden number",
        "hidden model",
        "marked field",
        "beside marked",
        "extra",
        "deque",
        "key",
    ],
)
def test_whatever_its_type(attempts: Attempts, hint: Any, given: Any, secret: str) -> None:
    def blab(key: Any) -> Any:
        for line in secret.split("\n"):
            print(line)
        print([secret])
        return [secret, int(secret) if secret.isdigit() else None]

    blab.__annotations__["key"] = hint
    with terminal() as written, declared(blab) as blabber:
        job = attempts.run(blabber.message(given))
    assert (job.state, job.result[0]) == (State.SUCCEEDED, MASK)
    assert job.result[1] in (None, MASK)
    assert _leaked(attempts, written, secret) == []


def test_a_converter_that_fails_with_it_says_nothing_either(attempts: Attempts) -> None:
    def fail(value: Any) -> Any:
        raise ValueError(f"{SECRET} is too short")

    def take(key: Any) -> None: ...

    take.__annotations__["key"] = Annotated[SecretStr, BeforeValidator(fail)]

    with terminal() as written, declared(take) as taker:
        job = attempts.run(taker.message(SECRET))
    assert (job.state, MASK in str(job.reason)) == (State.HELD, True)
    assert _leaked(attempts, written, SECRET) == []


def test_a_hint_that_cannot_be_read_is_refused_instead_of_being_ordinary() -> None:
    def take(key: Missing[SecretStr]) -> None: ...  # type: ignore[name-defined]  # noqa: F821 - as if imported under TYPE_CHECKING

    with pytest.raises(InvalidOption, match="would not be a secret"), declared(take):
        pass


def test_a_default_of_the_code_is_masked_too(attempts: Attempts) -> None:
    def blab(key: SecretStr = DEFAULT) -> str:
        print(key.get_secret_value())
        return key.get_secret_value()

    with terminal() as written, declared(blab) as blabber:
        assert attempts.run(blabber.message()).result == MASK
    assert _leaked(attempts, written, SECRET) == []


def test_threads_that_the_actor_starts_are_covered_in_the_log_of_the_worker(attempts: Attempts) -> None:
    def blab(key: SecretStr, short: SecretStr) -> None:
        plain = key.get_secret_value()

        def speak() -> None:
            print("printed", plain, "and", short.get_secret_value())
            logging.getLogger("team").warning("logged %s", plain)
            structlog.stdlib.get_logger("team").warning("structured", key=plain)

        thread = Thread(target=speak)
        thread.start()
        thread.join()

    with terminal() as written, declared(blab) as blabber:
        attempts.run(blabber.message(SECRET, "and"))
    assert f"printed {MASK} and and" in written.getvalue()  # a short secret would hide words of other jobs
    assert _leaked(attempts, written, SECRET) == []


def test_the_next_attempt_in_this_thread_has_secrets_of_its_own(attempts: Attempts) -> None:
    def first(key: SecretStr) -> str:
        return key.get_secret_value()

    def second(word: str) -> str:
        print(word)
        return word

    with declared(first) as one, declared(second) as other:
        assert attempts.run(one.message("ordinary")).result == MASK
        assert attempts.run(other.message("ordinary")).result == "ordinary"


def test_short_secrets_are_covered_where_they_stand_alone() -> None:
    masking = Masking(["42", "a b"])

    assert masking.text("42 of 4200, a42, a b, %61") == f"{MASK} of 4200, a42, {MASK}, %61"
    assert masking.value({"n": 42, "m": 420, "t": True, "a b": ["a+b", "a%20b"]}) == {"n": MASK, "m": 420, "t": True, MASK: [MASK, MASK]}
    assert Masking([]).text("as it is") == "as it is"


def test_an_error_of_the_database_does_not_say_what_was_to_be_stored(attempts: Attempts) -> None:
    with attempts.database.engine.connect() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("INSERT INTO jobs (id) VALUES (:id)"), {"id": SECRET})
    assert "INSERT INTO jobs" in str(failed.value)
    assert "parameters hidden" in str(failed.value)
