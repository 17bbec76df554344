"""Doctor: check the machine and the configuration, and name the fix for each problem."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from .. import COMMAND, IS_CHECKOUT, migrations
from ..backup import health as backups
from ..broker.recover import broker_health, management
from ..configuration.database_url import parse
from ..configuration.setting_sources import RUNNING_FIELDS
from ..formats.quantities import counted
from ..jobs.alerts.models import AlertKind
from ..jobs.leases import heartbeats, workers
from ..jobs.leases.heartbeats import Role
from ..settings import Settings
from ..sql import database
from ..sql.clock import now
from ..sql.engines import postgresql_engine
from . import packages
from .checks import readiness, web_answers
from .data import configuration, ports
from .data.data_folder import LEAST_DISK, Folder
from .errors import UpError
from .parts import launch

#: timeout of RabbitMQ in seconds
BROKER_WAIT_S = 10.0
#: backups run every hour
BACKUP_WITHIN = timedelta(hours=3)
#: maximum names per line
MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One check; `cure` is the command that fixes it, or advice."""

    ok: bool
    what: str
    cure: str = ""


def examine(data: Path | None) -> list[Finding]:
    """Check everything that `./run up` needs; never raises: an error is a finding."""
    findings = [Finding(True, f"Python {platform.python_version()} in {sys.prefix}")]
    try:
        if data is not None:
            os.environ["CALLBOARD_DATA_DIR"] = str(Path(os.environ.get("CALLBOARD_CALLED_FROM", "."), data))
        own = Folder(configuration.read_settings().data_dir).variables()
        os.environ.update(own)
        settings = configuration.read_settings()
        if own:  # as the demo's folder: services that are configured are those of another installation
            settings = settings.model_copy()
            settings.model_fields_set.difference_update(RUNNING_FIELDS)
        findings += [
            Finding(False, complaint, "Correct the name in .env or the environment.") for complaint in configuration.unknown_variables()
        ]
    except UpError as error:
        what, _, cure = str(error).partition("\n")
        return [*findings, Finding(False, what, cure)]
    findings.append(Finding(True, f"the settings are readable ({COMMAND} config shows them)"))
    _join(settings)
    for look in (_packages, _machine, _folder, _database, _broker, _nodes, _fleet, _backups, _web):
        findings += _carefully(look, settings)
    return findings


def _packages(settings: Settings) -> Iterator[Finding]:
    if "broker_url" not in settings.model_fields_set:
        launcher = packages.rabbitmq_launcher()
        cure = "" if launcher else packages.install_line([packages.RABBITMQ])
        yield Finding(launcher is not None, f"RabbitMQ: {launcher.resolve() if launcher else 'not installed'}", cure)
    poorer = [package for package in packages.REPORTS if not package.present()]
    if poorer:
        yield Finding(True, "reports have no PDFs, or charts without text", packages.install_line(poorer))
    missing = [package for package in packages.needed_for("test", own_broker=False) if not package.present() and package not in poorer]
    if missing and IS_CHECKOUT:
        names = ", ".join(package.name for package in missing)
        yield Finding(True, f"only {COMMAND} test needs more packages: {names}", packages.install_line(missing))


def _machine(_settings: Settings) -> Iterator[Finding]:
    problem, _, cure = (launch.shared_memory_problem() or "").partition("\n")
    yield Finding(not problem, problem or "processes can share memory", cure)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = Folder(settings.data_dir)
    if not folder.path.exists():
        yield Finding(True, f"the first {COMMAND} up creates the data folder {folder.path}")
        return
    usable = os.access(folder.path, os.R_OK | os.W_OK | os.X_OK)
    yield Finding(
        usable,
        f"the data folder {folder.path} is {'' if usable else 'not '}writable",
        "" if usable else f"sudo chown -R $(id -un) {shlex.quote(str(folder.path))}",
    )
    free = shutil.disk_usage(folder.path).free
    yield Finding(
        free >= LEAST_DISK,
        f"{free // 1_000_000} MB of disk space free",
        "" if free >= LEAST_DISK else f"free space: df -h {shlex.quote(str(folder.path))}",
    )
    if usable:
        state = folder.read_state()
        if state.parts and not state.supervised:
            yield Finding(
                False,
                f"the supervisor ({COMMAND} up) was killed; its processes stop when their jobs have finished",
                f"{COMMAND} up  takes over,  {COMMAND} down  ends them",
            )
        elif state.phase == "failed":
            yield Finding(False, f"the last start failed: {state.error}", "")


def _database(settings: Settings) -> Iterator[Finding]:
    url = parse(settings.effective_database_url)
    shown = configuration.masked("database_url", url.render_as_string(hide_password=True))
    if url.get_backend_name() == "sqlite":
        if "database_url" in settings.model_fields_set or Path(str(url.database)).exists():
            yield Finding(True, f"database {shown} (SQLite: single host)")
        return
    engine = postgresql_engine(url, 1, 0)
    try:
        with engine.connect() as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
            is_writable = connection.execute(text("SHOW transaction_read_only")).scalar_one() == "off"
        cure = "" if is_writable else "Name the server that takes writes in CALLBOARD_DATABASE_URL, or all of them."
        yield Finding(is_writable, f"database {shown} (PostgreSQL {version}{'' if is_writable else ', read-only'})", cure)
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield Finding(False, f"database {shown}: {cause}", "Start it, or correct CALLBOARD_DATABASE_URL.")
    finally:
        engine.dispose()


def _broker(settings: Settings) -> Iterator[Finding]:
    if "broker_url" not in settings.model_fields_set:
        return
    missing = readiness.broker_missing(settings.broker_urls)
    yield Finding(
        missing is None,
        missing or f"broker {configuration.masked('broker_url', settings.broker_url)}",
        "Start it, or correct CALLBOARD_BROKER_URL." if missing and "CALLBOARD_BROKER_URL" not in missing else "",
    )


def _join(settings: Settings) -> None:
    """Use RabbitMQ and database of the running Callboard, unless others are configured."""
    state = Folder(settings.data_dir).read_state()
    for name in ("broker_url", "management_url", "database_url"):
        if state.alive and getattr(state, name) and name not in settings.model_fields_set:
            os.environ[f"CALLBOARD_{name.upper()}"] = getattr(state, name)
    configuration.read_settings()


def _nodes(settings: Settings) -> Iterator[Finding]:
    """Check RabbitMQ's nodes, alarms and policies, if RabbitMQ is reachable."""
    if "broker_url" not in settings.model_fields_set and not Folder(settings.data_dir).read_state().alive:
        return
    seen = management.overview(within_s=0, wait_s=BROKER_WAIT_S)
    if not seen.is_known:
        yield Finding(False, f"RabbitMQ did not respond within {BROKER_WAIT_S:g} s", "Check its log.")
    for each in broker_health.of(seen, []):
        if each.kind is not AlertKind.BROKER_AWAY or "broker_url" not in settings.model_fields_set:  # else reported already
            yield Finding(False, each.text, _CURES[each.kind])
    if seen.nodes and all(node.is_running and not node.alarms for node in seen.nodes):
        yield Finding(True, f"RabbitMQ {seen.version}: {counted(len(seen.nodes), 'node')}, no alarm")
    bare = sorted(name for name, each in seen.queues.items() if each.policy == "" and not name.startswith("amq."))
    if bare:
        listed = ", ".join(bare[:MOST_NAMED]) + (" and others" if len(bare) > MOST_NAMED else "")
        yield Finding(
            False, f"no policy limits the length of the queues {listed}", "rabbitmqctl import_definitions rabbitmq/definitions.json"
        )


_CURES = {
    AlertKind.BROKER_ALARM: "Free memory or disk space on the node: rabbitmq-diagnostics alarms",
    AlertKind.NODE_AWAY: "Start it, or take it out of CALLBOARD_BROKER_URL and CALLBOARD_MANAGEMENT_URL.",
    AlertKind.BROKER_AWAY: "Start it, or correct CALLBOARD_BROKER_URL.",
}


def _fleet(settings: Settings) -> Iterator[Finding]:
    """Check workers, schedulers and relays, if any is running or should be."""
    if not _is_migrated():
        return
    with database.read() as session:
        alive, beats = workers.alive(session), heartbeats.alive(session)
        silent = [each for role in Role for each in heartbeats.silent(session, role)]
    if not alive and not beats and not Folder(settings.data_dir).read_state().alive:
        return  # never started, or stopped
    for what, number, cure in (
        ("worker", len(alive), f"{COMMAND} worker, or {COMMAND} up for everything"),
        ("scheduler", sum(each.role == Role.SCHEDULER for each in beats), f"{COMMAND} scheduler, or {COMMAND} up for everything"),
        ("relay", sum(each.role == Role.RELAY for each in beats), "It is a thread of every worker and scheduler: restart one of them."),
    ):
        yield Finding(number > 0, f"{counted(number, what)} with a heartbeat", "" if number else cure)
    for each in silent:
        seconds = (now() - each.heartbeat_at).total_seconds()
        yield Finding(
            False, f"the {each.role} {each.name} has sent no heartbeat for {seconds:.0f} s", f"Kill process {each.pid} on {each.host}."
        )


def _backups(_settings: Settings) -> Iterator[Finding]:
    if not _is_migrated():
        return
    with database.read() as session:
        problem = backups.problem(session, within=BACKUP_WITHIN)
        last = backups.last_success(session)
    if problem:
        yield Finding(False, problem, f"{COMMAND} jobs actor:back_up")
    elif last is not None:
        yield Finding(True, f"the last backup succeeded {last:%Y-%m-%d %H:%M} UTC")


def _is_migrated() -> bool:
    """True if the database has its tables. Checks skip an unreachable database: `_database` reports it."""
    try:
        if not database.get_database().exists():
            return False
        with database.read() as session:
            return migrations.missing(session.connection()) is None
    except SQLAlchemyError:
        return False


def _web(settings: Settings) -> Iterator[Finding]:
    state = Folder(settings.data_dir).read_state()
    if state.alive:
        missing = web_answers.web_missing(state.url)
        yield Finding(missing is None, missing or f"web serves {state.url}", f"{COMMAND} logs web" if missing else "")
    elif "port" in settings.model_fields_set and settings.port and not ports.is_free(settings.port):
        yield Finding(
            False,
            f"port {settings.port} is in use by process {ports.holder(settings.port) or '?'}",
            f"{COMMAND} up --port 0  picks a free one",
        )


def _carefully(look: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    try:
        return list(look(settings))
    except (UpError, OSError, SQLAlchemyError, ImportError) as error:
        what, _, cure = str(error).partition("\n")
        return [Finding(False, what, cure)]
