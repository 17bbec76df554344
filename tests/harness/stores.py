"""The two stores as tests choose and use them; the fixtures are in tests/conftest.py and tests/sql/conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, column, delete, exists, func, insert, inspect, literal, select, table, text, union_all

from src.settings import get_settings
from src.sql.columns import Base
from src.sql.database import Database, use_database
from tests.harness.ordering import tier_of

STORES = ("sqlite", "postgresql")
#: fixtures whose stores `choose` chooses
CHOSEN = ("store", "database_url")

#: the store of tests that are not about SQL, by tier; the slow tier uses the other one. `both_stores` marks tests that are about SQL.
USUAL = {"sql": "sqlite", "process": "postgresql", "faults": "postgresql", "browser": "sqlite"}

#: type of the fixture open_store
OpenStore = Callable[[str, str], AbstractContextManager[Database]]


def only_on(store: str, *, by: str = "store") -> pytest.MarkDecorator:
    """Run the test on one store only; give the reason beside the mark.

    `by` names the fixture that selects the store if it is neither `store` nor `database_url`.
    """
    return pytest.mark.only_on(store) if by in CHOSEN else pytest.mark.parametrize(by, [store], indirect=True)


def choose(metafunc: pytest.Metafunc, fixture: str) -> None:
    """Parametrize a test with its stores for this fixture: the one of `only_on`, or its tier's, unless the test does so itself."""
    given = (mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    is_chosen = any(fixture in (names.replace(" ", "").split(",") if isinstance(names, str) else names) for names in given)
    if fixture in metafunc.fixturenames and not is_chosen:
        only = metafunc.definition.get_closest_marker("only_on")
        metafunc.parametrize(fixture, only.args if only else _stores_of(metafunc.definition), indirect=True)


def _stores_of(item: pytest.Item) -> Sequence[str]:
    """Return the usual store of the item's tier, or both."""
    usual = USUAL.get(tier_of(item))
    if usual is None or item.get_closest_marker("both_stores") is not None or item.config.getoption("--slow"):
        return STORES
    return (usual,)


def on_the_other_store(items: Sequence[pytest.Item], *, about_sql: bool = False) -> set[pytest.Item]:
    """Return tests that also run on the usual store of their tier; those that are about SQL only on request."""
    ids = {item.nodeid for item in items}
    found = set()
    for item in items:
        usual = USUAL.get(tier_of(item))
        if usual is None or (item.get_closest_marker("both_stores") is not None and not about_sql):
            continue
        other = next(store for store in STORES if store != usual)
        if other in item.nodeid and item.nodeid.replace(other, usual) in ids:
            found.add(item)
    return found


@contextmanager
def using(database: Database, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Iterator[Database]:
    """Make it this process's database and, by its URL in the environment, that of child processes."""
    # With the test's own monkeypatch, which undoes changes in reverse order: the test's later changes are undone first.
    monkeypatch.setenv("CALLBOARD_DATABASE_URL", database.url.render_as_string(hide_password=False))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    use_database(database)
    try:
        yield database
    finally:
        use_database(None)
        get_settings.cache_clear()


class Emptied:
    """A migrated database that many tests use in turn.

    `empty` restores the rows that migrations inserted, and restarts sequences at 1, as in a new database.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        names = set(inspect(database.engine).get_table_names())
        self._tables = [one for one in reversed(Base.metadata.sorted_tables) if one.name in names]
        self._others = [table(name) for name in ("job_texts", "awaited") if name in names and name not in Base.metadata.tables]
        with database.engine.connect() as connection:
            version = table("callboard_version", column("version_num"))
            self._kept: dict[Any, list[dict[str, Any]]] = {
                one: rows for one in [version, *self._tables] if (rows := self._rows(connection, one))
            }
            self._sequences = {} if database.is_sqlite else self._find_sequences(connection)
        self._emptied = [*self._others, *(one for one in self._tables if one not in self._kept)]
        asked = [select(literal(number)).where(exists(select(text("1")).select_from(one))) for number, one in enumerate(self._emptied)]
        # As text: to look up a statement of forty parts among the compiled ones takes longer than to run it.
        self._asked = str(union_all(*asked).compile(database.engine, compile_kwargs={"literal_binds": True}))

    def empty(self) -> None:
        """Delete every row that a test has left, in the order of their references."""
        with self.database.engine.begin() as connection:
            filled = self._filled(connection)
            for one in filled:
                connection.execute(delete(one))
            if self.database.is_sqlite:
                connection.execute(text("DELETE FROM sqlite_sequence"))
            elif begun := [self._sequences[one.name] for one in filled if one.name in self._sequences]:
                connection.execute(select(*[func.setval(name, 1, False) for name in begun]))
            for one, rows in self._kept.items():
                if self._rows(connection, one) != rows:
                    connection.execute(delete(one))
                    connection.execute(insert(one), rows)

    def _filled(self, connection: Connection) -> list[Any]:
        """Return the tables with rows: one query is cheaper than forty deletes."""
        filled = set(connection.exec_driver_sql(self._asked).scalars())
        return [one for number, one in enumerate(self._emptied) if number in filled]

    def _find_sequences(self, connection: Connection) -> dict[str, str]:
        """Return the sequence of each table that has one."""
        names = [(one.name, one.autoincrement_column.name) for one in self._tables if one.autoincrement_column is not None]
        found = {name: func.pg_get_serial_sequence(name, number) for name, number in names}
        row = connection.execute(select(*[each.label(name) for name, each in found.items()])).one()
        return {name: sequence for name, sequence in row._mapping.items() if sequence is not None}

    @staticmethod
    def _rows(connection: Connection, one: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(select(*[column(c.name, c.type) for c in one.columns]).select_from(one)).mappings()]
