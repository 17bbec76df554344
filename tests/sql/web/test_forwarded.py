"""Behind a proxy each client has its own address and scheme; forwarding headers count only from the named proxies."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from src.audit import queries
from src.audit.queries import Wanted
from src.operations.people.users import ensure_admin
from src.settings import WrongSettings, get_settings
from src.sql.database import read
from src.web import create_app
from src.web.auth.throttle import PER_NAME
from tests.harness.site import Site

PROXY, INNER, STRANGER = "10.1.2.3", "10.1.9.9", "203.0.113.9"
ANN, BOB = "198.51.100.1", "2001:db8::2"


@pytest.fixture
def behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("CALLBOARD_PROXY_ADDRESSES", "10.1.0.0/16, ::1")
    get_settings.cache_clear()
    return Site(site.database, create_app())


def sign_in(site: Site, password: str, *, peer: str, forwarded: str, scheme: str = "https") -> TestResponse:
    visit = site.stranger()
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": scheme, "Referer": "https://localhost/sign-in"}
    form = visit.client.get("/sign-in", headers=headers, environ_overrides={"REMOTE_ADDR": peer}, buffered=True)
    token = form.text.partition('name="form-csrf_token" value="')[2].partition('"')[0]
    data = {"csrf_token": token, "name": "admin", "password": password}
    return visit.client.post("/sign-in", data=data, headers=headers, environ_overrides={"REMOTE_ADDR": peer})


def last_address() -> str | None:
    with read() as session:
        return queries.page(session, Wanted(outcome=None)).lines[0].address


@pytest.mark.long
@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (PROXY, ANN, ANN),
        (PROXY, f"{ANN}:4711", ANN),
        (PROXY, f"[{BOB}]:4711", BOB),
        (f"::ffff:{PROXY}", BOB, BOB),
        (PROXY, f"1.1.1.1, {ANN}", ANN),  # the client's own value comes first
        (PROXY, f"1.1.1.1, {ANN}, {INNER}", ANN),
        (PROXY, "", PROXY),
        (PROXY, "not an address", PROXY),
        (PROXY, f"{INNER}, not an address", PROXY),
        (STRANGER, ANN, STRANGER),
    ],
)
def test_the_address_is_that_of_the_nearest_client_behind_known_proxies(behind: Site, peer: str, forwarded: str, address: str) -> None:
    password = ensure_admin() or ""
    assert sign_in(behind, password, peer=peer, forwarded=forwarded).status_code == 303
    assert last_address() == address


def test_wrong_passwords_of_one_client_lock_no_other_out(behind: Site) -> None:
    password = ensure_admin() or ""
    for _ in range(PER_NAME):
        assert sign_in(behind, "wrong", peer=PROXY, forwarded=ANN).status_code == 422
    assert sign_in(behind, password, peer=PROXY, forwarded=ANN).status_code == 429
    assert sign_in(behind, password, peer=PROXY, forwarded=BOB).status_code == 303


@pytest.mark.parametrize(
    ("peer", "scheme", "is_secure"),
    [(PROXY, "https", True), (PROXY, "http, https", True), (PROXY, "http", False), (STRANGER, "https", False)],
)
def test_the_cookie_is_secure_behind_https(behind: Site, peer: str, scheme: str, is_secure: bool) -> None:
    password = ensure_admin() or ""
    answer = sign_in(behind, password, peer=peer, forwarded=ANN, scheme=scheme)
    assert ("; Secure" in answer.headers["Set-Cookie"]) is is_secure


def test_without_the_setting_the_headers_say_nothing(site: Site) -> None:
    password = ensure_admin() or ""
    answer = sign_in(site, password, peer=PROXY, forwarded=ANN)
    assert "Secure" not in answer.headers["Set-Cookie"]
    assert last_address() == PROXY


def test_a_setting_that_is_no_network_stops_the_start_and_names_the_cure(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_PROXY_ADDRESSES", "proxy.example")
    get_settings.cache_clear()
    with pytest.raises(WrongSettings, match=r"CALLBOARD_PROXY_ADDRESSES must be addresses or networks.*'proxy\.example'"):
        create_app()
