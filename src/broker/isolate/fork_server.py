"""Fork server: a process beside each worker that runs isolated actors; forks a child process for each of their attempts.

It has imported the actors, has no threads and runs no jobs, so it can fork a child in a few milliseconds. A child is
warm and clean, runs one attempt, and is killed together with everything it has started. The fork server is the parent
of every child and adopts their orphans; when its worker dies, all die.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from ...logs import configure_logs, get_logger
from ..core import signals
from ..core.connections import pauses
from ..core.log_throttle import LogThrottle
from . import child, process_tree, random_numbers
from .child import live, load
from .frames import ended, used_by

log = get_logger(__name__)

#: requests of a worker: a new child (with the socket for its frames), the end of one
START, END = b"S", b"E"


class ForkServer:
    """The children of one worker, by the number that the worker gave them."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._children: dict[int, tuple[int, socket.socket]] = {}  # number -> (pid, our copy of the child's end)
        self._refused: dict[int, socket.socket] = {}  # children that the system had no process for: retried with growing pauses
        self._causes = LogThrottle()
        self._pauses = pauses()
        self._retry_at = float("inf")
        self._random = random_numbers.generators()

    def serve(self) -> None:
        """Create and end children until the worker is gone, then end them all."""
        try:
            self._serve()
        finally:
            self._end_all()

    def _serve(self) -> None:
        wakeup, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(written)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        for descriptor in (self._worker.fileno(), wakeup):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll(self._patience_ms()):
                if descriptor == wakeup:
                    with suppress(BlockingIOError):
                        os.read(wakeup, 4096)
                    self._reap()
                elif not self._listen():
                    return
            self._try_again()

    def _listen(self) -> bool:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._worker, 64, 1)
        except ConnectionResetError:
            return False
        if not packet:
            return False
        number = int(packet[1:])
        if packet[:1] == START and not descriptors:
            log.warning("child_cannot_start", detail="no file descriptor is left")  # its end is closed by that: the worker asks again
        elif packet[:1] == START:
            end = socket.socket(fileno=descriptors[0])
            end.set_inheritable(False)  # processes that an actor starts must not keep it open
            self._start(number, end)
        elif number in self._refused:
            self._refused.pop(number).close()
        elif number in self._children:
            process_tree.kill(self._children[number][0])
            self._reap()
        return True

    def _start(self, number: int, end: socket.socket) -> None:
        """Create a child; if the system is out of processes, retry later. Its worker waits for it, and no other child is affected."""
        try:
            self._make(number, end)
        except OSError as error:
            self._refused[number] = end
            self._retry_at = min(self._retry_at, time.monotonic() + next(self._pauses))
            if times := self._causes.count(str(error)):
                log.warning("child_cannot_start", detail=str(error), times=times)

    def _try_again(self) -> None:
        if time.monotonic() < self._retry_at:
            return
        self._retry_at = float("inf")
        refused, self._refused = self._refused, {}
        for number, end in refused.items():
            self._start(number, end)
        if not self._refused:
            self._pauses, self._causes = pauses(), LogThrottle()

    def _patience_ms(self) -> float | None:
        return None if self._retry_at == float("inf") else max(0.0, self._retry_at - time.monotonic()) * 1000

    def _make(self, number: int, end: socket.socket) -> None:
        if threading.active_count() > 1:
            # A module of actors has started threads: a fork would copy their locks, but not the threads.
            pid = _start_cold(end)
        else:
            server = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._become_child(server, end)
        self._children[number] = (pid, end)

    def _become_child(self, server: int, end: socket.socket) -> None:
        try:
            self._worker.close()
            for other in (*(other for _, other in self._children.values()), *self._refused.values()):
                other.close()
            random_numbers.reseed(self._random)
            live(end, server)
        except BaseException:
            log.exception("child_failed")
        finally:
            os._exit(1)

    def _reap(self) -> None:
        """Report the ends of children, and kill what a dead child has left running."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            number = next((number for number, (one, _) in self._children.items() if one == pid), None)
            if number is None:
                continue
            self._end_orphans()  # before its end is reported: an ended attempt leaves no process running
            _, end = self._children.pop(number)
            with suppress(OSError):
                end.setblocking(False)
                end.send(ended(status, used_by(usage)))
            end.close()

    def _end_orphans(self) -> None:
        children = {pid for pid, _ in self._children.values()}
        while True:
            orphans = process_tree.living(pid for pid in process_tree.children(os.getpid()) if pid not in children)
            if not orphans:
                return
            for pid in orphans:
                process_tree.kill(pid)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _end_all(self) -> None:
        for pid, _ in self._children.values():
            process_tree.kill(pid)
        deadline = time.monotonic() + process_tree.PATIENCE_S
        while self._children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.005)
        self._end_orphans()  # a child that noticed by itself may have been faster, and left its own children behind


def _start_cold(end: socket.socket) -> int:
    end.set_inheritable(True)
    process = subprocess.Popen(
        [sys.executable, "-c", f"from {child.__name__} import main; main()", str(end.fileno()), *sys.argv[2:]], pass_fds=[end.fileno()]
    )
    process.returncode = 0  # reaped here, not by the Popen object
    return process.pid


def may_fork() -> bool:
    """True if this process can be forked safely: no other thread may hold a lock, and no connection would be shared."""
    return threading.active_count() == 1 and not any(kind == "socket" for _, kind in _descriptors())


def fork(end: socket.socket, ours: socket.socket, modules: Sequence[str]) -> int:
    """Fork this process, a worker without threads yet, into its fork server, and return the process id. Raises OSError.

    Sharing the worker's memory costs 0.03 s of CPU and a few MB; importing the actors again, 1.1 s and 60 MB.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        ours.close()
        for descriptor, kind in _descriptors():
            if kind == "pipe":
                os.close(descriptor)  # Dramatiq's main process waits for the end of its workers' output
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        # Not through Dramatiq's pipe, which ends with its worker.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        serve(end, modules)
    except BaseException:
        log.exception("fork_server_failed")
    finally:
        os._exit(0)


def _descriptors() -> list[tuple[int, str]]:
    """Return each descriptor but the standard three, with its kind: "socket", "pipe", or the path of a file."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with suppress(OSError):  # that of the listing itself is closed by now
                found.append((int(name), os.readlink(f"/proc/self/fd/{name}").split(":[")[0]))
    return found


def main() -> None:
    """Start cold. Arguments: file descriptor of the worker's end, modules of actors."""
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])


def serve(worker: socket.socket, modules: Sequence[str]) -> None:
    """Import the actors, then create and end children until the worker is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker decides when it ends
    load(modules)
    configure_logs()
    process_tree.adopt_orphans()
    signals.reset_in_children()
    faulthandler.enable(file=2)  # a child that dies of a segmentation fault shows where
    if threading.active_count() > 1:
        names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        log.warning(
            "children_start_cold", threads=names, cure="start threads when they are needed, not when a module of actors is imported"
        )
    gc.collect()
    gc.freeze()  # a garbage collection in a child must not touch, and so copy, every page it shares
    ForkServer(worker).serve()
