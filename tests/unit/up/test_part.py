"""A supervised process: restarted alone, with growing pauses."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from src.up.parts import part as part_module
from src.up.parts.part import Part, ending
from tests.harness.waiting import eventually


@pytest.fixture
def launched() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def launcher(launched: list[subprocess.Popen[bytes]], code: str) -> Callable[[], subprocess.Popen[bytes]]:
    def launch() -> subprocess.Popen[bytes]:
        launched.append(subprocess.Popen([sys.executable, "-c", code], start_new_session=True))
        return launched[-1]

    return launch


def test_a_killed_part_is_started_again_and_counted(launched: list[subprocess.Popen[bytes]]) -> None:
    part = Part("worker", "worker-1", launcher(launched, "import time; time.sleep(60)"))
    part.start()
    os.kill(part.record.pid, 9)

    eventually(part.look, what="the death is noticed")
    assert part.record.state == "restarting"
    assert ending(part.exit_code) == "killed by signal 9 (SIGKILL)"

    eventually(part.look, what="it is started again")
    assert part.record.state == "running"
    assert part.record.restarts == 1
    assert part.record.pid == launched[1].pid


def test_the_pause_grows_with_each_death(launched: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_module, "FIRST_PAUSE", 0.05)
    part = Part("worker", "worker-1", launcher(launched, "raise SystemExit(3)"))
    part.start()

    eventually(lambda: (part.look(), part.restarts == 3)[1])

    assert part._pause >= 0.2
    assert ending(part.exit_code) == "exit code 3"


def test_processes_of_a_killed_leaders_group_are_asked_to_end(launched: list[subprocess.Popen[bytes]]) -> None:
    # As a dramatiq master, which is killed and leaves its worker process.
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"
    part = Part("worker", "worker-1", launcher(launched, code))
    part.start()
    leader = part.record.pid
    eventually(lambda: len(group(leader)) == 2)

    os.kill(leader, 9)
    eventually(part.look)

    eventually(lambda: group(leader) == [], what="the orphan has ended")


def test_a_part_that_the_system_refuses_to_start_is_tried_again_more_slowly(
    launched: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_module, "FIRST_PAUSE", 0.05)
    launch, refusals = launcher(launched, "import time; time.sleep(60)"), [errno.EAGAIN, errno.EAGAIN, errno.ENOMEM, errno.EMFILE]

    def refuse() -> subprocess.Popen[bytes]:
        if refusals:
            raise OSError(refusals.pop(), "refused")
        return launch()

    part = Part("worker", "worker-1", refuse)
    part.start()
    assert "refused" in part.problem

    eventually(lambda: (part.look(), part.running)[1])

    assert (part.problem, part.restarts, len(refusals)) == ("", 1, 0)
    assert part._pause >= 0.4


def test_a_refusal_that_does_not_pass_ends_the_first_start_only(launched: list[subprocess.Popen[bytes]]) -> None:
    refusal = OSError(errno.ENOENT, "no such program")

    def refuse() -> subprocess.Popen[bytes]:
        raise refusal

    with pytest.raises(OSError, match="no such program"):
        Part("worker", "worker-1", refuse).start()

    part = Part("worker", "worker-1", launcher(launched, "pass"))
    part.start()
    eventually(part.look, what="it has ended")
    part._launch = refuse  # as when an upgrade replaces the files
    eventually(part.look, what="it was tried")
    assert "no such program" in part.problem


def test_a_part_that_was_asked_to_stop_and_does_not_is_killed_with_its_group_and_replaced(
    launched: list[subprocess.Popen[bytes]],
) -> None:
    deaf = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; "
    code = f"{deaf} import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {deaf + 'import time; time.sleep(60)'!r}]); print(flush=True); time.sleep(60)"
    part = Part("worker", "worker-1", launcher(launched, code), grace=0.3)
    part.start()
    leader = part.record.pid
    eventually(lambda: len(group(leader)) == 2 and all(map(is_deaf, group(leader))))

    part.ask_to_stop()

    eventually(lambda: (part.look(), part.record.pid not in (0, leader))[1], what="it is replaced")
    assert group(leader) == []


def test_processes_that_outlive_a_dead_part_are_killed(launched: list[subprocess.Popen[bytes]]) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); import time; time.sleep(60)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {deaf!r}]); time.sleep(60)"
    part = Part("worker", "worker-1", launcher(launched, code), grace=0.3)
    part.start()
    leader = part.record.pid
    eventually(lambda: any(map(is_deaf, group(leader))))

    os.kill(leader, 9)

    eventually(lambda: (part.look(), group(leader) == [])[1], what="the orphan has ended")


def is_deaf(pid: int) -> bool:
    """True if the process ignores SIGTERM."""
    ignored = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (15 - 1) & 1)


def group(leader: int) -> list[int]:
    """The living members of a process group, by the kernel's table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if fields[0] != "Z" and int(fields[2]) == leader:
            found.append(int(entry.name))
    return found
