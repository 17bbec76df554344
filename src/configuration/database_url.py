"""Database URLs, in every spelling that PostgreSQL's own programs accept."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from .url_checks import NO, YES, shown

#: user and password, hosts, and the rest of a PostgreSQL URL; SQLAlchemy accepts several hosts in the query only
_POSTGRESQL = re.compile(
    r"(?:postgres|postgresql|pgsql|psql|postgis)(?:\+\w+)?://(?:(?P<user>[^/?]*)@)?(?P<hosts>[^/?]*)(?P<rest>.*)", re.DOTALL | re.IGNORECASE
)
_SQLITE = re.compile(r"sqlite(\+\w+)?(?=://)", re.IGNORECASE)
#: values of libpq's parameters that it would refuse only when it connects, without the name of the setting
_VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
_NUMBERS = {"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"}
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")


def parse(text: str) -> URL:
    """Parse the URL of a SQLite file or a PostgreSQL server; raises ValueError with the cure.

    Of several hosts, connect to the one that accepts writes, unless `target_session_attrs` says otherwise.
    """
    try:
        url = _postgresql(found) if (found := _POSTGRESQL.fullmatch(text.strip())) else make_url(_SQLITE.sub("sqlite", text.strip()))
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend == "sqlite" and (url.query or str(url.database).startswith("file:")):
        raise ValueError("must be sqlite:////ABSOLUTE/PATH, without anything after the path")
    if backend == "postgresql":
        return _with_known_parameters(url)
    if backend not in ("sqlite", "postgresql") or (backend == "sqlite" and url.database in (None, "", ":memory:")):
        raise ValueError(
            "must be postgresql://USER:PASSWORD@HOST:5432/DATABASE, or sqlite:////ABSOLUTE/PATH; percent-encode what is special in a"
            " password (@ as %40, / as %2F)"
        )
    return url


def _with_known_parameters(url: URL) -> URL:
    """Check what stands after the `?`, and translate `ssl=` of other drivers; raises ValueError naming the parameter."""
    from psycopg import pq  # costs 30 ms, which SQLite need not pay

    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    for name, value in url.query.items():
        given = str(value)
        if name == "ssl" and "sslmode" not in url.query:
            mode = "require" if given.lower() in YES else "disable" if given.lower() in NO else given
            return _with_known_parameters(url.difference_update_query(["ssl"]).update_query_dict({"sslmode": mode}))
        if name in ("schema", "currentSchema", "search_path"):
            raise ValueError(f"has the parameter {name}, which PostgreSQL does not know: name the schema in CALLBOARD_DATABASE_SCHEMA")
        if name not in known:
            raise ValueError(f"has the parameter {shown(name, str(dict(url.query)))}, which PostgreSQL does not know: take it out")
        if name in _VALUES and given not in _VALUES[name]:
            raise ValueError(f"has {name}={given:.40}, which must be one of {', '.join(_VALUES[name])}")
        if name in _NUMBERS and not given.isdecimal():
            raise ValueError(f"has {name}={given:.40}, which must be a whole number")
    ports = [each for each in str(conninfo(url).get("port", "")).split(",") if each]
    if url.port == 0 or not all(each.isdecimal() and 0 < int(each[:6]) < 65_536 for each in ports):
        raise ValueError("names a port that is none: it must be a number from 1 to 65535")
    return url


def conninfo(url: URL) -> dict[str, str]:
    """Return the libpq connection string of a PostgreSQL URL, without the password."""
    dialect: Any = url.set(drivername="postgresql+psycopg").get_dialect()
    options: dict[str, object] = dialect().create_connect_args(url)[1]
    return {name: str(value) for name, value in options.items() if name not in ("password", "context")}


def _postgresql(found: re.Match[str]) -> URL:
    user, hosts, rest = found["user"], found["hosts"].split(","), found["rest"]
    if user and "@" in user:
        raise ValueError("an @ of the password is not encoded")
    if len(hosts) == 1:
        hosts = [unquote(hosts[0])] if "%" in hosts[0] and ":" not in hosts[0] else hosts
    if len(hosts) == 1 and hosts[0].startswith("/"):  # a socket's folder, encoded as libpq reads it
        url = make_url(f"postgresql+psycopg://{'' if user is None else f'{user}@'}{rest}").update_query_dict({"host": hosts[0]})
    elif len(hosts) == 1:
        if any(character.isspace() for character in hosts[0]) or ";" in hosts[0]:
            raise ValueError("a host is not HOST or HOST:PORT")
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
