"""Fixtures of every tier: a real RabbitMQ node, a real PostgreSQL, a fresh migrated database on either store.

broker_node    session   the run's RabbitMQ: .amqp_url .management_url .user .password .ctl(*args) .api(method, path, body)
vhost          function  the AMQP URL of a fresh virtual host on that node
postgres       session   the run's PostgreSQL: .url(database) .execute(statement)
database_url   function  a fresh migrated database; the test runs once per store
database       function  the same, opened and made this process's database (tests/sql: one that is emptied after each test)
open_store     session   open_store("sqlite", "jobs"): a context with a fresh database
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import dramatiq
import hypothesis
import pytest
import structlog

# A developer's own settings must not reach the tests, nor the tests his data folder: before any setting is read.
for _name in [name for name in os.environ if name.startswith("CALLBOARD_")]:
    del os.environ[_name]
# Thousands of tests leave objects that live on, which frequent collections go through again and again: a twelfth of all CPU.
gc.set_threshold(50_000, 20, 10)
# Keep bytecode also where the environment says not to: a run starts hundreds of processes, each of which would compile every module.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# In memory: whether a disk keeps its promises is not what these tests ask, and waiting for it takes half of their time.
if "TMPDIR" not in os.environ and os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 4 << 30:
    os.environ["TMPDIR"] = "/dev/shm"
    tempfile.tempdir = None
os.environ["CALLBOARD_DATA_DIR"] = tempfile.mkdtemp(prefix="callboard-tests-")

from src.jobs.options import message_options  # noqa: E402
from src.migrations import migrate  # noqa: E402
from src.settings import Settings, get_settings  # noqa: E402
from src.sql.database import Database  # noqa: E402  (after the environment is clean)
from tests.harness import fork_server  # noqa: E402
from tests.harness.ordering import order  # noqa: E402
from tests.harness.services import BrokerNode, Postgres, Shared, random_name  # noqa: E402
from tests.harness.stores import OpenStore, choose, on_the_other_store, using  # noqa: E402

Settings.model_config["env_file"] = None
#: the configuration that `src.logs` makes at its import; structlog's own default would set tracebacks in colours and boxes: 50 ms of CPU each
LOGS = structlog.get_config()
pytest_plugins = ["tests.harness.figures", "tests.harness.processes", "tests.harness.statements"]
SHARED = pytest.StashKey[Shared]()
#: this process's data folder, made at its start
FOLDER = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out tests marked `long`, and run each test on one store")
    parser.addoption(
        "--slow", action="store_true", help="also run what takes minutes: load, fresh root file systems, both stores everywhere"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = order(items)
    if config.getoption("--slow"):
        return
    quick = config.getoption("--quick")
    marks = {"slow", "long"} if quick else {"slow"}
    left_out = {item for item in items if marks & set(item.keywords)} | on_the_other_store(items, about_sql=quick)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Take back what a command, an application or a worker has set up for the logs of its process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = [one for one in handlers if one in root.handlers]
    root.setLevel(level)
    structlog.configure(**LOGS)


@pytest.fixture(autouse=True)
def _options_as_they_were() -> Iterator[None]:
    """Put the options of middleware back after a test with a broker of its own: each new broker replaces those that the process knows."""
    broker, known = dramatiq.broker.global_broker, (message_options._declared, message_options._of_actors)
    yield
    if dramatiq.broker.global_broker is broker:  # else the process has got a new broker, whose options stay
        message_options.declare(*known)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose(metafunc, "database_url")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach RabbitMQ's complaints to a failure: the node's folder is gone when the report is read."""
    report = yield
    node = getattr(item, "funcargs", {}).get("broker_node")
    if report.failed and isinstance(node, BrokerNode):
        report.sections.append(("the complaints of RabbitMQ", node.complaints()))
    return report


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SHARED] = Shared()
    config.stash[FOLDER] = os.environ["CALLBOARD_DATA_DIR"]
    # The same examples in every run, so that only a change makes a test fail; --slow looks for new ones.
    hypothesis.settings.register_profile("ordinary", derandomize=True, deadline=None, max_examples=20)
    hypothesis.settings.register_profile("slow", deadline=None, max_examples=500)
    hypothesis.settings.load_profile("slow" if config.getoption("--slow") else "ordinary")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Start RabbitMQ as soon as a test needs it: on another core, while the rest is collected."""
    option = item.config.option
    if not (option.collectonly or option.keyword or option.markexpr) and "broker_node" in getattr(item, "fixturenames", ()):
        item.config.stash[SHARED].start_node()


def pytest_fork_begin(config: pytest.Config) -> None:
    config.stash[FOLDER] = os.environ["CALLBOARD_DATA_DIR"] = tempfile.mkdtemp(prefix="callboard-tests-")
    get_settings.cache_clear()
    config.stash[SHARED].leave()


def pytest_fork_end(config: pytest.Config) -> None:
    fork_server.close()
    # Not what the variable says by now: a command that a test calls in this process may have set it to a folder of the user's.
    shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    pytest_fork_end(config)
    config.stash[SHARED].close()


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest) -> Shared:
    return request.config.stash[SHARED]


@pytest.fixture(scope="session")
def broker_node(shared: Shared) -> BrokerNode:
    return shared.node()


@pytest.fixture
def vhost(broker_node: BrokerNode) -> Iterator[str]:
    name = random_name("test")
    yield broker_node.create_vhost(name)
    broker_node.delete_vhost(name)


@pytest.fixture(scope="session")
def postgres(shared: Shared) -> Postgres:
    return shared.postgres()


@pytest.fixture(scope="session")
def _migrated_sqlite(shared: Shared) -> Path:
    def make() -> str:
        path = shared.folder / "template.db"
        migrate(f"sqlite:///{path}")
        return str(path)

    return Path(shared.once("template-sqlite", make))


@pytest.fixture(scope="session")
def _migrated_postgres(shared: Shared, postgres: Postgres) -> str:
    def make() -> str:
        name = random_name("template")
        postgres.execute(f"CREATE DATABASE {name}")
        migrate(postgres.url(name))
        return name

    return str(shared.once("template-postgres", make))


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh, migrated database: a copy of a template, so it costs milliseconds."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("_migrated_sqlite")
        shutil.copyfile(template, tmp_path / "callboard.db")
        yield f"sqlite:///{tmp_path / 'callboard.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = random_name("test")
    server.copy(request.getfixturevalue("_migrated_postgres"), name)
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The fresh database, opened and made this process's own; CALLBOARD_DATABASE_URL names it for child processes."""
    opened = Database(database_url)
    with using(opened, monkeypatch):
        yield opened
        monkeypatch.undo()  # the test's own changes are undone first: undone later, they would bring back this database's address
    opened.engine.dispose()


@pytest.fixture(scope="session")
def open_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OpenStore:
    @contextmanager
    def open_one(store: str, name: str) -> Iterator[Database]:
        if store == "sqlite":
            path = tmp_path_factory.mktemp(name) / "callboard.db"
            shutil.copyfile(request.getfixturevalue("_migrated_sqlite"), path)
            opened = Database(f"sqlite:///{path}")
        else:
            server, name = request.getfixturevalue("postgres"), random_name(name)
            server.copy(request.getfixturevalue("_migrated_postgres"), name)
            opened = Database(server.url(name))
        yield opened
        opened.engine.dispose()

    return open_one
