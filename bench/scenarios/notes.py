"""Lines of many processes in one file: the start and the durable end of each numbered job."""

from __future__ import annotations

import os
import time

#: the file's name
FILE = "BENCH_NOTES"
#: milliseconds that each job works
WORK = "BENCH_WORK_MS"

_file: tuple[int, int] | None = None  # process id, descriptor


def note(kind: str, number: object) -> None:
    """Write one line with the present time. O_APPEND: lines never mix."""
    global _file
    if _file is None or _file[0] != os.getpid():
        _file = os.getpid(), os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_file[1], f"{kind} {number} {time.time():.6f}\n".encode())


def work(number: int) -> int:
    """The job: note its start, and wait as for another service. Its result is its number."""
    note("start", number)
    time.sleep(float(os.environ.get(WORK, "0")) / 1000)
    return number
