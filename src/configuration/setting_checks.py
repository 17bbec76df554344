"""Validation of settings: each check returns the value in its final form, or raises ValueError with the cure."""

from __future__ import annotations

import difflib
import ipaddress
import logging
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import ZoneInfo, available_timezones

#: schemes of AMQP URLs, also those of other clients
_AMQP = {"amqp": "amqp", "pyamqp": "amqp", "librabbitmq": "amqp", "rabbitmq": "amqp", "amqps": "amqps", "pyamqps": "amqps"}
_AMQP_PORTS = {"amqp": 5672, "amqps": 5671}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%A-Za-z0-9]*")
_RATE = re.compile(r"\s*\d+\s*(?:/|per\b)\s*\d*\s*[a-z]+\s*", re.IGNORECASE)
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)")
_UNITS = {
    f"{prefix}{infix}{suffix}": (base**power)
    for infix, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate(("", "k", "m", "g", "t"))
    for suffix in ("", "b")
}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ENCODE = "percent-encode what is special in a password (@ as %40, / as %2F, # as %23)"


def broker_url(text: str) -> str:
    """Normalise one AMQP URL, also one written for Celery: `pyamqp://`, `//` for the virtual host `/`, a virtual host with a slash."""
    right = f"must be amqp://USER:PASSWORD@HOST:5672/VHOST or amqps://…, several separated by `;`; {_ENCODE}"
    try:
        parts = urlsplit(text.strip())
        scheme, host, port = _AMQP[parts.scheme], parts.hostname or "127.0.0.1", parts.port
    except KeyError:
        raise ValueError(f"{right}. Jobs travel through RabbitMQ, not through what {text.strip().partition(':')[0]!r:.40} names") from None
    except ValueError:
        raise ValueError(right) from None
    if not _HOST.fullmatch(host) or parts.fragment:
        raise ValueError(right)
    user = unquote(parts.username or "guest")
    if parts.password is None and user != "guest":
        raise ValueError(f"names the user {user!r} without a password: write amqp://{quote(user, safe='')}:PASSWORD@{host}/VHOST")
    password = "guest" if parts.password is None else unquote(parts.password)
    vhost = unquote(parts.path[1:]) or "/"
    place = f"[{host}]" if ":" in host else host
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{login}@{place}:{port or _AMQP_PORTS[scheme]}/{quote(vhost, safe='')}{query}"


def broker_urls(text: str) -> str:
    if not list_of(text, ";"):
        raise ValueError("must name at least one RabbitMQ, e.g. amqp://USER:PASSWORD@HOST:5672/VHOST")
    for url in list_of(text, ";"):
        broker_url(url)
    return text


def database_url(text: str) -> str:
    if text:
        from .database_url import parse  # importing SQLAlchemy takes a third of a second, which `./run status` does not need

        parse(text)
    return text


def schema(text: str) -> str:
    """The name of a schema that SQL needs not quote."""
    if text and not _SCHEMA.fullmatch(text):
        raise ValueError("must be lower-case letters, digits and underscores, e.g. callboard, and not begin with pg_")
    return text


def web_address(text: str) -> str:
    _reachable(text, ("http", "https"), "must be http://HOST:PORT or https://HOST")
    return text


def web_addresses(text: str) -> str:
    for each in list_of(text, ";"):
        web_address(each)
    return text


def mail_server(text: str) -> str:
    schemes = ("smtp", "smtp+starttls", "smtps")
    _reachable(text, schemes, f"must be smtp://, smtp+starttls:// or smtps://, then USER:PASSWORD@HOST:PORT; {_ENCODE}")
    return text


def size(value: object) -> object:
    """The bytes of a size with its unit; whole numbers are bytes."""
    text = str(value).strip()
    found = _SIZE.fullmatch(text.lower())
    if not found:
        raise ValueError(f"must be a size such as 512MB or 2GiB, or 0 for none; {text!r:.40} is none")
    return int(float(found[1]) * _UNITS[found[2]])


def zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError):
        known = available_timezones()
        meant = [name for name in sorted(known) if text and name.rpartition("/")[2].lower() == text.strip().lower()]
        meant = meant or difflib.get_close_matches(text, known, n=1)
        hint = f"did you mean {meant[0]}?" if meant else "e.g. Europe/Berlin or UTC"
        raise ValueError(f"must be the IANA name of a time zone: {hint}") from None
    return text


def level(text: str) -> str:
    name = text.strip().upper()
    if name not in logging.getLevelNamesMapping():
        raise ValueError("must be DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return name


def rate(text: str) -> str:
    if text.strip() and not all(_RATE.fullmatch(each) for each in list_of(text, ";")):
        raise ValueError("must be a number of requests in a time, e.g. 600/m or 100/h;10/m")
    return text


def networks(text: str) -> str:
    for each in list_of(text, ","):
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise ValueError(f"must be addresses or networks, comma separated, e.g. 10.0.0.5,10.1.0.0/16; {each!r:.60} is none") from None
    return text


def hosts(text: str) -> str:
    """Host names, addresses and networks."""
    for each in list_of(text, ","):
        if "/" in each or not _HOST.fullmatch(each):
            try:
                ipaddress.ip_network(each, strict=False)
            except ValueError:
                right = "must be host names, addresses or networks, comma separated, e.g. 10.0.0.0/8,wiki.intern"
                raise ValueError(f"{right}; {each!r:.60} is none") from None
    return text


def at_home(path: Path) -> Path:
    """The path with `~` as the home folder, which no shell replaces in an env file."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"names a home folder that cannot be found: {str(path)!r:.100}") from None


def folder(text: str) -> str:
    """A folder that exists: templates in a misspelled one would never be used."""
    path = str(at_home(Path(text))) if text else ""
    if path and not os.path.isdir(path):
        raise ValueError(f"must be an existing folder; {text!r:.100} is none")
    return path


def header(text: str) -> str:
    if text and not _HEADER.fullmatch(text):
        raise ValueError("must be the name of a header, e.g. X-Remote-User")
    return text


def host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be an address of this machine, e.g. 127.0.0.1 or 0.0.0.0, without a scheme or port")
    return text


def addresses(text: str) -> str:
    for each in list_of(text, ","):
        if not re.fullmatch(r"[^@]*[^@\s<>]@[^@\s<>]+>?", each):
            raise ValueError(f"must be mail addresses, comma separated; {each!r:.60} is none")
    return text


def list_of(text: str, separator: str) -> list[str]:
    """Split a setting that lists several values."""
    return [part.strip() for part in text.split(separator) if part.strip()]


def _reachable(text: str, schemes: tuple[str, ...], right: str) -> None:
    if not text:
        return
    try:
        parts = urlsplit(text.strip())
        fits = parts.scheme in schemes and bool(_HOST.fullmatch(parts.hostname or "")) and (parts.port or 1) > 0 and not parts.fragment
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(right)


def key(text: str) -> str:
    """Check that a key is long enough not to be guessed, or empty."""
    if text and (len(text) < 12 or len(set(text)) < 5):
        raise ValueError("is too easy to guess: give at least 12 characters at random, e.g. of `openssl rand -base64 32`, or none")
    return text
