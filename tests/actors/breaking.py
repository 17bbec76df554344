"""Actors that break the worker process they run in; the worker loads them by CALLBOARD_ACTORS."""

from __future__ import annotations

import ctypes
import multiprocessing
import threading
import time
from pathlib import Path

import dramatiq

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


@dramatiq.actor(queue_name=QUEUE, max_retries=0)
def use_pool() -> list[int]:
    """Use processes as the standard library offers them."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2])
