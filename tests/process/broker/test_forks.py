"""Forked children start with Python's default signal handlers; a stopping process ends, whatever its children do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from src.broker.isolate import process_tree
from tests.harness import ROOT
from tests.harness.waiting import eventually

#: a process that handles signals as a worker does, and forks in a thread as an actor does
POOL = """
import faulthandler, multiprocessing, signal, sys, threading
from src.broker.core import signals as forks

for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, lambda *_: None)
signal.signal(signal.SIGINT, signal.SIG_IGN)
faulthandler.register(signal.SIGUSR2)
forks.reset_in_children()

def handlers(_):
    return [signal.getsignal(number) is signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)]

def act():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(handlers, range(2)))

actor = threading.Thread(target=act)
actor.start()
actor.join()
print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""

#: a child that gets SIGTERM right after the fork, when it still has the handlers of its parent
EARLY_SIGNAL = """
import os, signal, time
from src.broker.core import signals as forks

blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])  # the caller's own, which a process inherits
signal.signal(signal.SIGTERM, lambda *_: None)
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
forks.reset_in_children()
child = os.fork()
if child == 0:
    time.sleep(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), signal.pthread_sigmask(signal.SIG_BLOCK, []) - blocked)
"""

#: a worker whose actor has left a child that ignores every request to end
CHILD_THAT_STAYS = """
import multiprocessing, os, signal, sys, time
from types import SimpleNamespace
from src.broker.process import stopping
from src.broker.process.status_page import StatusPage

def stay(writer):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(writer, b"!")
    time.sleep(300)

stopping.LEEWAY_S = 0.3
reader, writer = os.pipe()
child = multiprocessing.get_context("fork").Process(target=stay, args=[writer])
child.start()
os.read(reader, 1)
print(child.pid, flush=True)
worker = SimpleNamespace(stop=lambda timeout: None)
stopping.Stopping(worker, StatusPage())
worker.stop(timeout=100)
# Here Python waits for the child.
"""


@pytest.mark.long
def test_a_pool_that_an_actor_ends_is_gone_since_its_children_do_not_handle_signals_as_the_worker_does() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", POOL], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["[[True, True, True], [True, True, True]]", "False"]


def test_a_child_does_not_swallow_a_signal_that_comes_before_its_handlers_are_reset() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY_SIGNAL], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("-15 set()\n", "")


@pytest.mark.long
def test_a_process_that_stops_does_not_wait_for_a_child_that_stays() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CHILD_THAT_STAYS], cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=60)

    assert done.returncode == 1
    child = int(done.stdout.split()[0])
    eventually(lambda: not process_tree.living([child]), what="the child is killed")
