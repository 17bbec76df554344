"""No password of a setting is shown: not in its masked form, and not in the error of a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from src.configuration import setting_checks
from src.configuration.kept_secrets import masked
from src.settings import Settings

WORD = "geheim"
TEXTS = st.text("ab@:/?#&=;% +,[]%4", max_size=6)
USERS = TEXTS.map(lambda text: text.replace("?", ""))  # after a ? there is no login
PASSWORDS = st.builds(lambda before, after: f"{before}{WORD}{after}", TEXTS, TEXTS) | TEXTS.map(lambda text: f"{WORD}{text}{WORD}")
ENCODED = st.sampled_from([str, lambda text: quote(text, safe=""), lambda text: quote(text, safe="@:&=;,")])
CHECKS: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "broker_url": (setting_checks.broker_urls, ["amqp", "pyamqps"]),
    "management_url": (setting_checks.web_addresses, ["http", "https"]),
    "management_public_url": (setting_checks.web_address, ["https"]),
    "smtp_url": (setting_checks.mail_server, ["smtp", "smtp+starttls", "smtps"]),
    "database_url": (setting_checks.database_url, ["postgresql", "postgres+psycopg"]),
    "trace_url": (setting_checks.trace_address, ["https"]),
}
LISTS = {"broker_url", "management_url"}


def shown(name: str, url: str) -> str:
    """The text that a user sees of a setting: its masked form, or the error that refuses it."""
    try:
        CHECKS[name][0](url)
    except ValueError as error:
        return str(error)
    return masked(name, url)


@pytest.mark.parametrize("name", CHECKS)
@given(data=st.data(), user=USERS, password=PASSWORDS, encode=ENCODED)
def test_a_password_is_not_shown(name: str, data: st.DataObject, user: str, password: str, encode: Callable[[str], str]) -> None:
    end = "/{trace_id}" if name == "trace_url" else data.draw(st.sampled_from(["", "/", "/v", "/v@w", "?timeout=3", "/v?x=y@z"]))
    url = f"{data.draw(st.sampled_from(CHECKS[name][1]))}://{encode(user)}:{encode(password)}@host:567{end}"
    if name in LISTS and data.draw(st.booleans()):
        url = f"{url};{url}" if data.draw(st.booleans()) else f"{url} ; {CHECKS[name][1][0]}://a:b@c"
    assert WORD not in shown(name, url)


@given(password=PASSWORDS, encode=ENCODED, parameter=st.sampled_from(["password", "sslpassword", "pass%77ord", "SSLPassword"]))
@example(password=f"a#{WORD}", encode=str, parameter="password")
@example(password=f"a@{WORD}", encode=str, parameter="password")
@example(password=f"a;b://{WORD}", encode=str, parameter="password")
def test_a_password_among_the_parameters_is_not_shown(password: str, encode: Callable[[str], str], parameter: str) -> None:
    given = encode(password).replace("&", "%26")
    for url in (f"postgresql://u@h/db?{parameter}={given}", f"postgresql://u:p@h/db?sslmode=require&{parameter}={given}&user=x"):
        assert WORD not in shown("database_url", url)
    assert WORD not in shown("smtp_url", f"smtp://host?{parameter}={given}")
    assert WORD not in shown("broker_url", f"amqp://host?{parameter}={given}")


@pytest.mark.parametrize(
    ("name", "url", "wanted"),
    [
        ("smtp_url", "smtp+starttls://jobs@example.com:geheim@mail.example.com:587", "smtp+starttls://jobs@example.com:•••@mail.example.com:587"),
        ("broker_url", "amqp://shop@corp:geheim@rabbit/v", "amqp://shop@corp:•••@rabbit/v"),
        ("management_url", "http://a b:geheim@one:1;http://c@d:geheim@two:2", "http://a b:•••@one:1;http://c@d:•••@two:2"),
        ("smtp_url", "smtp://me@[::1]:25", "smtp://me@[::1]:25"),
        ("broker_url", "amqp://h:5672/", "amqp://h:5672/"),
    ],
)  # fmt: skip
def test_the_rest_of_a_url_is_shown(name: str, url: str, wanted: str) -> None:
    assert shown(name, url) == wanted


def test_each_setting_that_is_a_url_is_tried() -> None:
    assert {name for name in Settings.model_fields if name.endswith("_url")} == {*CHECKS, "public_url"}  # which refuses passwords
