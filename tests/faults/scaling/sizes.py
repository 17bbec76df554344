"""Sizes of an installation: CPU of its parts, and connections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import text

from bench.processes import cpu_seconds
from tests.faults.scaling.hosts import Installation


def cpu(hosts: Installation) -> Mapping[str, float]:
    """Return the CPU seconds so far by kind of part; of processes that were killed nothing."""
    found: defaultdict[str, float] = defaultdict(float)
    for fleet in hosts.fleets:
        for part in fleet.parts:
            found[part.name.partition("-")[0]] += cpu_seconds(part.process.pid)
    found["RabbitMQ"] = sum(cpu_seconds(node.pid) for node in hosts.cluster.nodes if node.pid is not None)
    for name, server in (("primary", hosts.servers.primary), ("standby", hosts.servers.standby)):
        if server.process is not None and server.process.poll() is None:
            found[name] = cpu_seconds(server.process.pid)
    return found


def cpu_line(before: Mapping[str, float], after: Mapping[str, float], jobs: int) -> str:
    """Say the difference per job."""
    used = {name: (after[name] - before[name]) * 1000 / max(1, jobs) for name in after}
    return f"ms of CPU per job until the first blow: {', '.join(f'{name} {ms:.2f}' for name, ms in used.items())}"


def connections_line(hosts: Installation) -> str:
    """Say how many connections both hosts have together."""
    with hosts.database.read() as session:
        to_sql = session.execute(text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'callboard'")).scalar_one()
    living = next(node for node in hosts.cluster.nodes if node.pid is not None)
    return f"connections of both hosts and the submitter: {to_sql} to PostgreSQL, {len(living.api('GET', '/api/connections'))} to RabbitMQ"
