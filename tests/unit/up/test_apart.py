"""A call apart returns what its function returns, in a process of its own."""

from __future__ import annotations

import os
import signal
import time

import pytest

from src.up.errors import UpError
from src.up.parts.apart import Apart


def test_the_result_and_a_refusal_come_back() -> None:
    def refuse() -> None:
        raise UpError("no")

    assert Apart(lambda: [1, None, "ü"]).result() == [1, None, "ü"]
    assert Apart(os.getpid).result() != os.getpid()
    with pytest.raises(UpError, match=r"^no$"):
        Apart(refuse).result()


def test_a_call_that_dies_is_an_error() -> None:
    with pytest.raises(UpError, match="has died"):
        Apart(lambda: os.kill(os.getpid(), signal.SIGKILL)).result()


def test_a_call_that_is_not_over_can_be_abandoned() -> None:
    call = Apart(lambda: time.sleep(60))
    assert not call.is_over(0.01)
    call.abandon()
