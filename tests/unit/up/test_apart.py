"""A call apart returns what its function returns, in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from src.up.errors import UpError
from src.up.parts.apart import Apart, named


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


def test_a_function_can_be_called_by_its_name() -> None:
    assert Apart(partial(named, "formats.quantities:span", [90])).result() == "1 min 30 s"
    with pytest.raises(UpError, match="has died"):
        Apart(partial(named, "formats.quantities:nothing", [])).result()
