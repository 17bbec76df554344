"""Actors that break the worker process they run in; the worker loads them by CALLBOARD_ACTORS."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import re
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import dramatiq

from src.settings import get_settings

QUEUE = "breaking"


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def end_thread(name: str, trace: str) -> None:
    """End one of the worker's own threads, the first time it runs."""
    if not Path(trace).exists():
        Path(trace).touch()
        [ident] = [thread.ident for thread in threading.enumerate() if thread.name == name]
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident or 0), ctypes.py_object(SystemExit))


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def freeze_committer(trace: str) -> None:
    """Have the committer wait for ever, the first time it runs."""
    if not Path(trace).exists():
        Path(trace).touch()
        boot = dramatiq.get_broker()._boot  # type: ignore[attr-defined]
        boot.process.committer._settle_all = lambda _finished: time.sleep(3600)


class _Ends(SystemExit):
    """End the thread in which it is raised."""

    def __init__(self) -> None:
        _hit()


class _Stands(BaseException):
    """Stand still in the thread in which it is raised."""

    def __init__(self) -> None:
        _hit()
        while True:
            time.sleep(60)


class _Loops(BaseException):
    """Loop in the thread in which it is raised."""

    def __init__(self) -> None:
        _hit()
        while True:
            pass


BLOWS = {"ended": _Ends, "frozen": _Stands, "looped": _Loops}
_struck = [""]


def _hit() -> None:
    """Note when the blow reaches its thread: one that waits in C is struck when it wakes up."""
    Path(f"{_struck[0]}.hit").touch()


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def strike(name: str, how: str, trace: str) -> None:
    """End one of the worker's own threads, have it stand still or loop; the first time it runs. Writes the process id to `trace`."""
    if not Path(trace).exists():
        echo_blow.send("a publisher starts with the first message")
        _strike(name, how, trace)


def _strike(name: str, how: str, trace: str) -> None:
    deadline = time.monotonic() + 5
    while not (found := [one for one in threading.enumerate() if name in (one.name, type(one).__name__)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    others = [one for one in found if one is not threading.current_thread()]
    _struck[0] = trace
    Path(trace).write_text(str(os.getpid() if others else -1))
    if others:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(others[0].ident or 0), ctypes.py_object(BLOWS[how]))


def _strike_chore(name: str, how: str, trace: str) -> None:
    """Replace what a chore of this scheduler does, bring its next run ahead, and shorten the five minutes or two hours it may take."""
    from src.scheduling.clock import Clock
    from src.scheduling.housekeeping import Chore

    living = gc.get_objects()
    [chore] = [one for one in living if isinstance(one, Chore) and one.name == name]
    [clock] = [one for one in living if isinstance(one, Clock)]
    _struck[0] = trace
    chore._may_take_s = get_settings().stuck_after
    chore._turns.run = BLOWS[how]  # type: ignore[method-assign, assignment]
    clock.modify_job(name, next_run_time=datetime.now(UTC))
    clock.wakeup()
    Path(trace).write_text(str(os.getpid()))


def _follow_orders(folder: str) -> None:
    """Strike the thread or chore named in this process's file, since no job runs here; without a blow, only submit a job."""
    path = Path(folder, f"orders-{os.getpid()}")
    while True:
        if path.exists():
            kind, name, how, trace = path.read_text().splitlines()
            path.unlink()
            if kind != "chore":
                echo_blow.send("a publisher starts with the first message")
            if how:
                (_strike_chore if kind == "chore" else _strike)(name, how, trace)
        time.sleep(0.1)


def _await_orders() -> None:
    threading.Thread(target=_follow_orders, args=(os.environ["BREAKING_ORDERS"],), name="orders", daemon=True).start()


if "BREAKING_ORDERS" in os.environ and "dramatiq" not in sys.argv[0]:
    _await_orders()
    os.register_at_fork(after_in_child=_await_orders)


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def hold_interpreter(trace: str) -> None:
    """Hold the interpreter in C, the first time it runs."""
    if not Path(trace).exists():
        Path(trace).write_text(str(os.getpid()))
        re.match(r"(a+)+$", "a" * 64 + "b")


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def use_pool() -> list[int]:
    """Use processes as the standard library offers them."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2])


@dramatiq.actor(queue_name=QUEUE, max_retries=3)
def echo_blow(word: str) -> str:
    """Return the word."""
    return word
