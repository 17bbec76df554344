"""Retry-After of a server, in any library's headers, sets the start of the next attempt."""

from __future__ import annotations

import email.message
from datetime import timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from src.broker.options.retries import MOST_OBEYED, retry_after
from src.sql.clock import now


def refused(headers: Any, *, by_itself: bool = False) -> Exception:
    """An exception with the headers of a response, or with headers of its own as that of urllib has."""
    error = Exception("503")
    if by_itself:
        error.headers = headers  # type: ignore[attr-defined]
    else:
        error.response = SimpleNamespace(headers=headers)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
@pytest.mark.parametrize("by_itself", [True, False])
def test_the_case_of_the_name_means_nothing(name: str, by_itself: bool) -> None:
    message = email.message.Message()
    message[name] = "120"
    for headers in ({name: "120"}, {"x": "1", name: " 120 "}, message):
        assert retry_after(refused(headers, by_itself=by_itself)) == 120_000


def test_seconds_and_dates_are_read() -> None:
    assert retry_after(refused({"retry-after": "1.5"})) == 1500
    in_ms = retry_after(refused({"retry-after": format_datetime(now() + timedelta(minutes=5), usegmt=True)}))
    assert in_ms is not None
    assert 290_000 < in_ms <= 300_000


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "Wed, 21 Oct 2015 07:28:00 GMT", "1e400", "nan"])
def test_a_past_or_unreadable_retry_after_leaves_the_actors_backoff(text: str) -> None:
    assert retry_after(refused({"Retry-After": text})) is None


def test_a_server_is_obeyed_for_a_day_and_code_for_ever() -> None:
    assert retry_after(refused({"Retry-After": "99999999999"})) == MOST_OBEYED
    own = Exception()
    own.retry_after = timedelta(days=30)  # type: ignore[attr-defined]
    assert retry_after(own) == 30 * MOST_OBEYED
    assert retry_after(Exception()) is None
    assert retry_after(refused(None)) is None
