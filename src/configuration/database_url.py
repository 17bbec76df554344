"""Database URLs, in every spelling that PostgreSQL's own programs accept."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

#: user and password, hosts, and the rest of a PostgreSQL URL; SQLAlchemy accepts several hosts in the query only
_POSTGRESQL = re.compile(r"(?:postgres|postgresql|pgsql)(?:\+\w+)?://(?:(?P<user>.*)@)?(?P<hosts>[^/?]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")


def parse(text: str) -> URL:
    """Parse the URL of a SQLite file or a PostgreSQL server; raises ValueError with the cure.

    Of several hosts, connect to the one that accepts writes, unless `target_session_attrs` says otherwise.
    """
    try:
        url = _postgresql(found) if (found := _POSTGRESQL.fullmatch(text.strip())) else make_url(text.strip())
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend not in ("sqlite", "postgresql") or (backend == "sqlite" and url.database in (None, "", ":memory:")):
        raise ValueError(
            "must be postgresql://USER:PASSWORD@HOST:5432/DATABASE, or sqlite:////ABSOLUTE/PATH; percent-encode what is special in a"
            " password (@ as %40, / as %2F)"
        )
    return url


def conninfo(url: URL) -> dict[str, str]:
    """Return the libpq connection string of a PostgreSQL URL, without the password."""
    dialect: Any = url.set(drivername="postgresql+psycopg").get_dialect()
    options: dict[str, object] = dialect().create_connect_args(url)[1]
    return {name: str(value) for name, value in options.items() if name not in ("password", "context")}


def _postgresql(found: re.Match[str]) -> URL:
    user, hosts, rest = found["user"], found["hosts"].split(","), found["rest"]
    if len(hosts) == 1:
        url = make_url(f"postgresql+psycopg://{'' if user is None else f'{user}@'}{hosts[0]}{rest}")
    else:
        split = [_HOST.fullmatch(each) for each in hosts]
        if None in split:
            raise ValueError("a host is not HOST or HOST:PORT")
        names = [each["v6"] or each["name"] or "" for each in split if each]
        numbers = [each["port"] or "" for each in split if each]
        url = make_url(f"postgresql+psycopg://{'' if user is None else f'{user}@'}{rest}")
        url = url.update_query_dict({"host": ",".join(names), **({"port": ",".join(numbers)} if any(numbers) else {})})
    if "," in conninfo(url).get("host", "") and "target_session_attrs" not in url.query:
        url = url.update_query_dict({"target_session_attrs": "read-write"})
    return url
