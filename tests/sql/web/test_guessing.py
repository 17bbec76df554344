"""Guesses of passwords, tokens and links: counted before they are checked, so that parallel ones gain nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from src.operations.people import users
from src.operations.people.roles import Role
from src.operations.people.users import ensure_admin
from src.sql.database import write
from src.web.auth import throttle
from src.web.auth.throttle import PER_ADDRESS, PER_NAME
from tests.harness.site import Site

pytestmark = pytest.mark.both_stores

GUESSES = 40


@pytest.fixture(autouse=True)
def no_keys_refused() -> Iterator[None]:
    throttle._refused.clear()
    yield
    throttle._refused.clear()


def at_once(guess: Callable[[int], int]) -> Counter[int]:
    """The statuses of as many guesses at the same time."""
    with ThreadPoolExecutor(GUESSES) as pool:
        return Counter(pool.map(guess, range(GUESSES)))


@pytest.mark.long
def test_of_forty_passwords_at_once_five_are_judged(site: Site) -> None:
    ensure_admin()
    visits = [site.stranger() for _ in range(GUESSES)]
    forms = [visit.hidden("/sign-in") for visit in visits]

    def guess(number: int) -> int:
        answer = visits[number].client.post("/sign-in", data={**forms[number], "name": "admin", "password": f"wrong {number}"})
        return answer.status_code

    assert at_once(guess) == {422: PER_NAME, 429: GUESSES - PER_NAME}


def test_of_many_names_at_once_an_address_has_thirty(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "check_password", lambda *_: None)  # the slow hash is not meant here
    visits = [site.stranger() for _ in range(GUESSES)]
    forms = [visit.hidden("/sign-in") for visit in visits]

    def guess(number: int) -> int:
        return visits[number].client.post("/sign-in", data={**forms[number], "name": f"user{number}", "password": "wrong"}).status_code

    assert at_once(guess) == {422: PER_ADDRESS, 429: GUESSES - PER_ADDRESS}


@pytest.mark.long
def test_of_forty_present_passwords_at_once_five_are_judged(site: Site) -> None:
    password = ensure_admin()
    browser = site.stranger()
    browser.fill_in("/sign-in", name="admin", password=password)
    token = browser.hidden("/account", action="/account/password")
    cookie = browser.client.get_cookie(site.app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    judged: list[str] = []
    said = []

    def guess(number: int) -> int:
        other = site.stranger().client
        other.set_cookie(cookie.key, cookie.value)
        answer = other.post("/account/password", data={**token, "old": f"wrong {number}", "new": "n" * 20, "again": "n" * 20})
        said.append("This is not your current password." in answer.text)
        judged.append(throttle.TOO_MANY if throttle.TOO_MANY in answer.text else "")
        return answer.status_code

    assert at_once(guess) == {422: GUESSES}
    assert sum(said) == PER_NAME
    assert judged.count(throttle.TOO_MANY) == GUESSES - PER_NAME


def test_the_addresses_of_one_ipv6_network_are_one_client(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "check_password", lambda *_: None)
    hidden = (browser := site.stranger()).hidden("/sign-in")

    def guess(address: str) -> int:
        form = {**hidden, "name": "admin", "password": "wrong"}
        return browser.client.post("/sign-in", data=form, environ_overrides={"REMOTE_ADDR": address}).status_code

    assert [guess(f"2001:db8:0:7:{number:x}::1") for number in range(PER_NAME + 1)] == [422] * PER_NAME + [429]
    assert guess("2001:db8:0:8::1") == 422
    assert [guess(f"::ffff:192.0.2.{number}") for number in range(PER_NAME + 1)] == [422] * (PER_NAME + 1)
    program = {"headers": {"Authorization": "Bearer cb_wrong"}}
    for number in range(PER_ADDRESS):
        browser.client.get("/api/v1/jobs", **program, environ_overrides={"REMOTE_ADDR": f"2001:db8:1::{number:x}"})
    assert "Retry-After" in browser.client.get("/api/v1/jobs", **program, environ_overrides={"REMOTE_ADDR": "2001:db8:1::ffff"}).headers


def test_guesses_from_many_addresses_are_limited_and_do_not_lock_the_user_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "PER_NAME_ELSEWHERE", 7)
    password = ensure_admin()
    home = {"REMOTE_ADDR": "198.51.100.1"}
    hidden = (browser := site.stranger()).hidden("/sign-in")

    def sign_in(given: str | None, **environ: str) -> int:
        form = {**hidden, "name": "admin", "password": given}
        return browser.client.post("/sign-in", data=form, environ_overrides=environ).status_code

    browser.client.post("/sign-in", data={**hidden, "name": "admin", "password": password}, environ_overrides=home)
    hidden = (browser := site.stranger()).hidden("/sign-in")
    assert [sign_in("wrong", REMOTE_ADDR=f"192.0.2.{number}") for number in range(8)] == [422] * 7 + [429]
    assert sign_in(password, REMOTE_ADDR="192.0.2.99") == 429
    assert sign_in(password, **home) == 303


def test_right_passwords_count_for_nothing(site: Site) -> None:
    password = ensure_admin()
    for _ in range(PER_NAME + 1):
        assert site.stranger().fill_in("/sign-in", name="admin", password=password).status_code == 303


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/metrics", "/sign-in/link?t=wrong"])
def test_wrong_tokens_and_links_must_wait_and_valid_ones_never(site: Site, path: str) -> None:
    program = site.program(Role.VIEWER)
    visits = [site.stranger() for _ in range(GUESSES)]
    statuses: list[int] = []

    def guess(number: int) -> int:
        answer = visits[number].client.get(path, headers={} if "link" in path else {"Authorization": f"Bearer cb_{number}"})
        statuses.append(answer.status_code)
        return int("Retry-After" in answer.headers)

    assert at_once(guess) == {0: PER_ADDRESS, 1: GUESSES - PER_ADDRESS}
    assert set(statuses) == ({303, 429} if "link" in path else {401})
    assert program.get("/api/v1/jobs").status_code == 200


def test_a_user_without_a_password_takes_as_long_as_any(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with write() as session:
        users.invite(session, "invited", "viewer", None)
    ensure_admin()
    verified: list[str] = []
    real = users._hasher

    class Counting:
        def verify(self, hashed: str, password: str) -> bool:
            verified.append(hashed)
            return real.verify(hashed, password)

        def hash(self, password: str) -> str:
            return real.hash(password)

    monkeypatch.setattr(users, "_hasher", Counting())
    for name in ("admin", "invited", "stranger"):
        site.stranger().fill_in("/sign-in", name=name, password="wrong")
    assert len(verified) == 3
    assert all(hashed.startswith("$argon2id$") for hashed in verified)
