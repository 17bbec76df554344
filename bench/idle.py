"""`.venv/bin/python -m bench.idle [--seconds 60]`: memory and CPU of one idle `./run up`, by process.

Memory is PSS: shared pages count once in the sum. CPU is a share of one core over the given time, after a minute of rest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.baselines import ROOT
from src.broker.isolate.process_tree import descendants
from src.up.data.data_folder import Folder
from src.up.data.process_identity import command_line

#: seconds between the start and the measurement
REST_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="duration of the CPU measurement (60)")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="callboard-idle-") as data:
        verb = [sys.executable, "-m", "src"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLBOARD_")}
        subprocess.run([*verb, "up", "--detach", "--port", "0", "--data", data], cwd=ROOT, env=environment, check=True)
        try:
            time.sleep(REST_S)
            supervisor = Folder(Path(data)).read_state().supervisor
            assert supervisor is not None
            _measure(sorted({supervisor.pid} | descendants([supervisor.pid])), seconds)
        finally:
            subprocess.run([*verb, "down", "--data", data], cwd=ROOT, env=environment, check=True)


def _measure(pids: list[int], seconds: int) -> None:
    before = {pid: _cpu_s(pid) for pid in pids}
    time.sleep(seconds)
    total_mb = total_cpu = 0.0
    for pid in pids:
        mb, cpu = _pss_mb(pid), 100 * (_cpu_s(pid) - before[pid]) / seconds
        total_mb, total_cpu = total_mb + mb, total_cpu + cpu
        print(f"{pid:8} {mb:7.1f} MB {cpu:6.2f} % of a core   {command_line(pid)[:70]}")
    print(f"{'all':>8} {total_mb:7.1f} MB {total_cpu:6.2f} % of a core   load {os.getloadavg()[0]:.1f}")


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
