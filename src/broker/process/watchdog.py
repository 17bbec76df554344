"""The watchdog: a tiny process beside each worker process that detects its hang or death.

It runs this file alone, on a bare interpreter (`python -I -S`), which costs little. It shares only one page of memory
with the worker: the worker's pulse, the attempts in its threads, and the count of its own checks. If the pulse stops, because an actor holds the
interpreter in C, it kills the worker, and the supervisor starts another. When a worker has died, it starts the death
report, so that its jobs need not wait for the lease to expire.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import signal
import struct
import sys
import time
from contextlib import suppress

#: the page: pulse (a count), worker id, signed off; the watchdog's own count; (job seq, attempt) per thread, zeros for an idle one
HEADER, CHECKS, SLOT = struct.Struct("qqq"), struct.Struct("q"), struct.Struct("qq")
CHECKS_AT, SLOTS_AT = HEADER.size, HEADER.size + CHECKS.size
#: seconds between two checks
CHECK_S = 0.5
#: seconds in which a death is reported; by then the lease has expired
REPORT_S = 600.0
#: seconds for a worker that has signed off to exit
SIGNED_OFF_S = 30.0
#: seconds for the killed worker to dump its threads' stacks before it dies
DUMP_S = 0.3
#: Linux 6.15 and later: query a pidfd for its process's exit status (PIDFD_GET_INFO with PIDFD_INFO_EXIT)
PIDFD_GET_INFO, PIDFD_INFO_EXIT, INFO_SIZE, EXIT_CODE_AT = 0xC040FF0B, 8, 64, 60


def main() -> None:
    """Arguments: file descriptor of the page, process id of the worker, seconds of silence (0: any), command of the death report."""
    descriptor, pid, limit_s, *command = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # stopping is the worker's affair; the watchdog ends with it
    try:
        worker = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError as error:
        say("no_watchdog", worker=pid, detail=str(error))  # a kernel without pidfds; the lease still protects the jobs
        return
    if os.getppid() != pid:
        return  # it died before we checked, and its number may have been reused
    page = mmap.mmap(descriptor, 0)
    with open(f"/proc/{pid}/stat") as stat:
        why = watch(page, worker, stat.fileno(), pid, limit_s)
        status = exit_status(worker, stat.fileno())
    _pulse, worker_id, signed_off = HEADER.unpack_from(page)
    if signed_off or not worker_id:
        return
    import json  # imported late, as all that only a death needs: this process waits for days
    import subprocess

    how = why or ending(status)
    say("worker_died", worker=pid, how=how)
    report = {"worker_id": worker_id, "how": how, "started": started(page)}
    for pause_s in (0.2, 0.5, 1.0, 2.0, 0.0):
        try:
            subprocess.run(command, input=json.dumps(report).encode(), check=False, timeout=REPORT_S)
            return
        except OSError as error:  # the system may be out of processes; once the lease has expired a relay takes the jobs over
            say("worker_died", worker=pid, detail=f"its death cannot be reported: {error}")
            time.sleep(pause_s)
        except subprocess.TimeoutExpired:
            return


def watch(page: mmap.mmap, worker: int, stat: int, pid: int, limit_s: float) -> str:
    """Wait until the worker has ended; return the reason if the watchdog killed it."""
    ended = select.poll()
    ended.register(worker, select.POLLIN)
    before, silent_s, checked_at, checks = -1, 0.0, time.monotonic(), 0
    while not ended.poll(CHECK_S * 1000):
        checks += 1
        CHECKS.pack_into(page, CHECKS_AT, checks)  # the worker replaces a watchdog that hangs
        present = time.monotonic()
        pulse, _worker_id, signed_off = HEADER.unpack_from(page)
        # A suspended process is suspended on purpose.
        if pulse != before or state(stat) in "Tt":
            before, silent_s = pulse, 0.0
        else:
            silent_s += min(present - checked_at, 2 * CHECK_S)  # time in which the watchdog itself was stopped does not count
        checked_at = present
        if signed_off:  # its pulse has stopped and it holds no job
            if silent_s >= SIGNED_OFF_S:
                say("worker_does_not_end", worker=pid)
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(worker, signal.SIGKILL)
                return ""
            continue
        if limit_s and silent_s >= limit_s:
            why = f"was killed by signal {signal.SIGKILL:d} of its watchdog: an actor held the interpreter for {silent_s:.0f} s"
            say("worker_hangs", worker=pid, why=why, cure="isolated=True for actors that hold the interpreter in C; see the threads below")
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(worker, signal.SIGUSR2)  # faulthandler shows every thread, without the interpreter
                ended.poll(DUMP_S * 1000)
                signal.pidfd_send_signal(worker, signal.SIGKILL)
            ended.poll()
            return why
    return ""


def exit_status(worker: int, stat: int) -> int | None:
    """Return the wait status of a process that another one reaps: from its pidfd, or read while it is a zombie."""
    seen = None
    with suppress(OSError, ValueError, IndexError):
        seen = int(os.pread(stat, 4096, 0).rpartition(b")")[2].split()[49])
    for _ in range(40):
        info = bytearray(INFO_SIZE)
        struct.pack_into("Q", info, 0, PIDFD_INFO_EXIT)
        try:
            fcntl.ioctl(worker, PIDFD_GET_INFO, info)
            if struct.unpack_from("Q", info)[0] & PIDFD_INFO_EXIT:
                return int(struct.unpack_from("i", info, EXIT_CODE_AT)[0])
        except OSError:
            break  # an older kernel
        time.sleep(0.05)  # not reaped yet
    return seen


def ending(status: int | None) -> str:
    """Describe a wait status in words."""
    if not status:
        return "ended without a word" if status is None else "ended without signing off"
    if os.WIFSIGNALED(status):
        return f"was killed by signal {os.WTERMSIG(status)}"
    return f"exited with code {os.WEXITSTATUS(status)}"


def started(page: mmap.mmap) -> list[tuple[int, int]]:
    """Return the (job seq, attempt) that were in threads."""
    slots = [SLOT.unpack_from(page, at) for at in range(SLOTS_AT, len(page) - SLOT.size + 1, SLOT.size)]
    return [(seq, attempt) for seq, attempt in slots if seq]


def state(stat: int) -> str:
    """Return the kernel's state code of the process."""
    try:
        return os.pread(stat, 4096, 0).rpartition(b")")[2].split()[0].decode()
    except (OSError, IndexError):
        return "X"


def say(event: str, **fields: object) -> None:
    """Write a log line in the workers' format."""
    import json

    with suppress(OSError):
        print(json.dumps({"event": event, "level": "error", "logger": "callboard.watchdog", **fields}), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
