"""Actors that misbehave, and their neighbours; loaded by real worker commands through CALLBOARD_ACTORS.

A sleep here is a job's work or its hang; tests never wait by sleeping.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dramatiq
import structlog
from dramatiq.middleware import Shutdown
from sqlalchemy import text

from src.jobs import current_job

FOLDER = "ISOLATION_FOLDER"
HARD = 5_000
log = logging.getLogger("tests.actors")
structured = structlog.stdlib.get_logger("tests.actors.structured")


def note(name: str, line: object) -> None:
    """Append a line to a file of the test, in one write."""
    with open(Path(os.environ[FOLDER]) / name, "ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


@dramatiq.actor(queue_name="good", max_retries=0)
def neighbour(number: int) -> int:
    time.sleep(0.03)
    note("neighbours", number)
    return number


# --- hard limits


@dramatiq.actor(queue_name="bad", max_retries=0, hard_time_limit=HARD)
def sleep_in_c() -> None:
    note("pids", os.getpid())
    libc = ctypes.PyDLL(None)  # PyDLL: the interpreter is held all the while
    while True:
        libc.sleep(600)


@dramatiq.actor(queue_name="bad", max_retries=0, hard_time_limit=HARD)
def backtrack() -> None:
    note("pids", os.getpid())
    re.match(r"(a|aa)+$", "a" * 200 + "b")


@dramatiq.actor(queue_name="bad", max_retries=0, hard_time_limit=HARD)
def loop_for_ever() -> None:
    note("pids", os.getpid())
    while True:
        pass


@dramatiq.actor(queue_name="bad", max_retries=0, hard_time_limit=HARD, time_limit=1_000)
def swallow_everything() -> None:
    note("pids", os.getpid())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:  # noqa: BLE001 - that is the point
            pass


@dramatiq.actor(queue_name="bad", max_retries=0, hard_time_limit=HARD)
def have_grandchildren() -> None:
    note("pids", os.getpid())
    _start_grandchildren()
    time.sleep(600)


def _start_grandchildren() -> None:
    child = "import os, time, sys; open(sys.argv[1], 'ab', 0).write(b'%d\\n' % os.getpid()); time.sleep(600)"
    file = str(Path(os.environ[FOLDER]) / "pids")
    subprocess.Popen([sys.executable, "-c", child, file])
    subprocess.Popen([sys.executable, "-c", child, file], start_new_session=True)
    subprocess.Popen([sys.executable, "-c", child, file], start_new_session=True, env={})
    if os.fork() == 0:  # the classic daemon: a session of its own, its parent gone
        os.setsid()
        if os.fork() == 0:
            note("pids", os.getpid())
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        os._exit(0)


# --- isolated, well behaved or not


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
def work_apart(number: int) -> dict[str, int]:
    print("printed apart")
    log.warning("logged apart %d", number)
    current_job.progress(number, number, "done apart")
    neighbour.send(number)
    return {"pid": os.getpid(), "number": number}


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
async def work_apart_async(number: int) -> int:
    await asyncio.sleep(0.01)
    print("printed by a coroutine")
    return number + 1


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True, transactional=True)
def write_apart(end: str) -> str:
    current_job.session.execute(text("INSERT INTO effects (job_id) VALUES (:id)"), {"id": current_job.id})
    print("written")
    if end == "fail":
        raise RuntimeError("after the write")
    if end == "die":
        os._exit(7)
    return end


@dramatiq.actor(queue_name="cells", max_retries=1, min_backoff=100, max_backoff=100, isolated=True)
def die_apart(how: str) -> int:
    note("attempts", current_job.attempt)
    if current_job.attempt == 1:
        if how == "exit":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGSEGV)
    return int(current_job.attempt)


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
def leave_children() -> str:
    _start_grandchildren()
    noted = Path(os.environ[FOLDER]) / "pids"
    while not noted.exists() or len(noted.read_text().split()) < 4:
        time.sleep(0.05)
    return "gone without them"


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
def sleep_apart() -> None:
    note("started", current_job.id)
    time.sleep(600)


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
def ignore_cancel_apart() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    note("started", current_job.id)
    time.sleep(600)


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True, notify_shutdown=True)
def tidy_up_apart() -> str:
    note("started", current_job.id)
    try:
        time.sleep(600)
    except Shutdown:
        note("told", current_job.id)
    return "tidy"


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True, on_success="note_result")
def call_back_apart() -> str:
    return "x" * 300_000  # many packets


@dramatiq.actor(queue_name="good", max_retries=0)
def note_result(_message: dict[str, object], result: str) -> None:
    note("results", len(result))


# --- in threads


@dramatiq.actor(queue_name="threads", max_retries=0)
def loop_in_a_thread() -> None:
    note("started", current_job.id)
    while True:
        time.sleep(0.01)


@dramatiq.actor(queue_name="threads", max_retries=0)
async def wait_in_a_coroutine() -> None:
    note("started", current_job.id)
    try:
        await asyncio.sleep(600)
    finally:
        note("ended", current_job.id)


@dramatiq.actor(queue_name="threads", max_retries=0, time_limit=float("inf"))
def wait_for_a_while(seconds: float) -> str:
    note("started", f"{current_job.id} {current_job.attempt}")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
    return "whole"


@dramatiq.actor(queue_name="threads", max_retries=0, notify_shutdown=True)
def tidy_up() -> str:
    note("started", current_job.id)
    try:
        while True:
            time.sleep(0.02)
    except Shutdown:
        note("told", current_job.id)
    return "tidy"


@dramatiq.actor(queue_name="storm", max_retries=1_000, min_backoff=300, max_backoff=600)
def stumble(number: int) -> None:
    """Never ends by itself: each job is retried again and again, and every fourth runs for a second first."""
    note("starts", f"{time.time():.6f} {current_job.id}")
    for _ in range(0 if number % 4 else 50):
        time.sleep(0.02)
    raise RuntimeError("again")


@dramatiq.actor(queue_name="poison", max_retries=5)
def kill_the_worker() -> None:
    note("poisoned", current_job.attempt)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor(queue_name="poison", max_retries=5)
def hold_the_interpreter() -> None:
    note("held", current_job.attempt)
    if current_job.attempt == 1:
        ctypes.PyDLL(None).sleep(600)


# --- logs


@dramatiq.actor(queue_name="logs", max_retries=0)
def talk(pause: float) -> str:
    print("first, printed")
    log.info("second, logged with %s", "arguments")
    structured.warning("third", answer=42)
    sys.stderr.write("fourth, to stderr\n")
    print("fifth,", "in", end=" ")
    print("parts \x00 \ud800 é")
    try:
        raise ValueError("sixth's trouble")
    except ValueError:
        log.exception("sixth")
    time.sleep(pause)
    print("last, without an end", end="")
    return "said"


@dramatiq.actor(queue_name="logs", max_retries=0)
def chatter(lines: int) -> None:
    for number in range(lines):
        print(number)


@dramatiq.actor(queue_name="logs", max_retries=0)
def shout(number: int, times: int) -> None:
    """Long lines and short ones, printed and logged."""
    letter = chr(ord("a") + number)
    for time_ in range(times):
        print(f"<{letter * 30_000}>")
        print("<", letter, ">", sep="")
        structured.info(f"logged {time_}", long=letter * 9_000)
    print("last, without an end", end="")


@dramatiq.actor(queue_name="logs", max_retries=0)
def talk_and_fail() -> None:
    print("before the failure")
    raise RuntimeError("failed")


@dramatiq.actor(queue_name="logs", max_retries=0)
async def talk_in_a_coroutine() -> None:
    print("from a coroutine")
    await asyncio.sleep(0)


@dramatiq.actor(queue_name="logs", max_retries=0)
def tell_the_time(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        print(f"{time.time():.6f}")
        time.sleep(0.37)


@dramatiq.actor(queue_name="logs", max_retries=0)
def speak_and_fail(other: str) -> None:
    """Say something by each way there is, of another job, and fail."""
    logging.getLogger("some.package").warning("package of %s", "spoken")
    structured.info("structured of spoken")
    structured.info("other of spoken", job_id=other)
    raise RuntimeError("failed")


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
def speak_in_a_cell() -> None:
    """The same from a process of its own, and from a thread of that."""
    logging.getLogger("some.package").warning("package of apart")
    thread = threading.Thread(target=structured.info, args=["structured of apart"])
    thread.start()
    thread.join()


@dramatiq.actor(queue_name="logs", max_retries=0, time_limit=300)
def speak_until_stopped() -> None:
    """Run into the time limit, of which another thread tells."""
    while True:
        time.sleep(0.01)


# --- where is it?


def _wait_in_here(path: str) -> None:
    print("here")
    while not Path(path).exists():
        time.sleep(0.02)


@dramatiq.actor(queue_name="logs", max_retries=0)
def stay_until(path: str) -> None:
    """Run until there is a file."""
    _wait_in_here(path)


@dramatiq.actor(queue_name="cells", max_retries=0, isolated=True)
def stay_apart_until(path: str) -> None:
    """The same in a process of its own."""
    _wait_in_here(path)


@dramatiq.actor(queue_name="logs", max_retries=0)
async def stay_as_a_coroutine_until(path: str) -> None:
    """The same as a coroutine."""
    print("here")
    while not Path(path).exists():
        await asyncio.sleep(0.02)


# --- seed row D11


@dramatiq.actor(queue_name="good", max_retries=0, time_limit=30 * 60 * 1000)
def half_an_hour_at_most(x: int) -> int:
    """Like a Celery task with a task_time_limit of 30 minutes."""
    return x * x


@dramatiq.actor(queue_name="good", max_retries=0, time_limit=500)
def half_a_second_at_most() -> None:
    while True:
        time.sleep(0.01)
