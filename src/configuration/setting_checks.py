"""Validation of settings: each check returns the value in its final form, or raises ValueError with the cure."""

from __future__ import annotations

import difflib
import ipaddress
import logging
import os
import re
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator

from ..formats.quantities import parse_units
from . import broker_url
from .url_checks import ENCODE, NO, YES, is_host, readable_file, shown

_RATE = re.compile(
    r"\s*0*[1-9]\d{0,8}\s*(?:/|per\b)\s*(?:[1-9]\d{0,5})?\s*(?:s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)\s*", re.IGNORECASE
)
#: an address, or one in angle brackets after a name, which may be quoted
_MAIL = re.compile(r'(?:"[^"<>\x00-\x1f]*"|[^<>@,;"\x00-\x1f]*)\s*<[^@\s<>,;"]+@[^@\s<>,;"]+>|[^@\s<>,;"]+@[^@\s<>,;"]+')
_NOT_QUOTED_COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
_DECIMAL = re.compile(r"\d{1,9}(\.\d+)?")
_EHLO = re.compile(r"[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.IPv]{2,64}\]")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)")
_UNITS = {
    f"{prefix}{infix}{suffix}": (base**power)
    for infix, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate(("", "k", "m", "g", "t"))
    for suffix in ("", "b")
}
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _time_in(unit: str, value: object) -> object:
    """A number of `unit`, or a text with other units, such as `1h30m`."""
    if not isinstance(value, str) or not value:
        return value
    try:
        return float(value)
    except ValueError:
        seconds = parse_units(value.lower())
    if seconds is None:
        raise ValueError(f"must be a number of {unit}, or a time such as 500ms, 30s, 5m, 1h30m or 7d; {value!r:.40} is none")
    return seconds / _SECONDS[unit]


_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
Seconds = Annotated[float, BeforeValidator(partial(_time_in, "seconds"))]
Minutes = Annotated[float, BeforeValidator(partial(_time_in, "minutes"))]
Hours = Annotated[float, BeforeValidator(partial(_time_in, "hours"))]
Days = Annotated[float, BeforeValidator(partial(_time_in, "days"))]


def broker_urls(text: str) -> str:
    if not list_of(text, ";"):
        raise ValueError("must name at least one RabbitMQ, e.g. amqp://USER:PASSWORD@HOST:5672/VHOST")
    for url in list_of(text, ";"):
        broker_url.parse(url)
    return text


def database_url(text: str) -> str:
    if text:
        from .database_url import parse  # importing SQLAlchemy takes a third of a second, which `./run status` does not need

        url = parse(text)
        if url.get_backend_name() == "sqlite" and url.database and not os.path.isabs(url.database):
            # Each connection opens the file again: after a job's chdir() it would be another one.
            return url.set(database=os.path.abspath(url.database)).render_as_string()
    return text


def schema(text: str) -> str:
    """The name of a schema that SQL needs not quote."""
    if text and not _SCHEMA.fullmatch(text):
        raise ValueError("must be lower-case letters, digits and underscores, e.g. callboard, and not begin with pg_")
    return text


def web_address(text: str) -> str:
    _reachable(text, ("http", "https"), "must be http://HOST:PORT or https://HOST")
    return text


def public_address(text: str) -> str:
    """An address that pages and emails show."""
    right = "must be http://HOST:PORT or https://HOST"
    _reachable(text, ("http", "https"), right)
    if "@" in urlsplit(text).netloc or urlsplit(text).query:
        raise ValueError(f"{right}, without user, password or query: emails show it")
    return text


def trace_address(text: str) -> str:
    if text and not re.fullmatch(r"https?://.*\{trace_id\}.*", text, re.IGNORECASE):
        raise ValueError("must be http:// or https:// with {trace_id} in it, e.g. http://127.0.0.1:16686/trace/{trace_id}")
    return text


def web_addresses(text: str) -> str:
    for each in list_of(text, ";"):
        web_address(each)
    return text


def mail_server(text: str) -> str:
    right = f"must be smtp://, smtp+starttls:// or smtps://, then USER:PASSWORD@HOST:PORT; {ENCODE}"
    _reachable(text, ("smtp", "smtp+starttls", "smtps"), right)
    parts = urlsplit(text.strip())
    if parts.path not in ("", "/"):
        raise ValueError(right)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name == "ca":
            readable_file(name, value)
        elif not _is_mail_option(parts.scheme, name, value):
            options = "?timeout=SECONDS, ca=FILE, verify=no, ehlo=NAME and, for smtp://, tls=off"
            is_known = name in ("timeout", "verify", "tls", "ehlo")  # else the value may be a password
            given = f"{name}={value:.40}" if is_known else shown(name, parts.query)
            raise ValueError(f"has {given} after the `?`, where {options} may stand")
    return text


def _is_mail_option(scheme: str, name: str, value: str) -> bool:
    match name:
        case "timeout":
            return bool(_DECIMAL.fullmatch(value)) and 0 < float(value) <= 3_600
        case "verify":
            return value in (*YES, *NO)
        case "tls":
            return value == "auto" or (value == "off" and scheme == "smtp")
        case "ehlo":
            return bool(_EHLO.fullmatch(value))
    return False


def size(value: object) -> object:
    """The bytes of a size with its unit; whole numbers are bytes."""
    text = str(value).strip()
    found = _SIZE.fullmatch(text.lower())
    if not found or float(found[1]) >= 1e12:
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
    if text and not _RATE.fullmatch(text):
        raise ValueError("must be one number of requests in a time, e.g. 600/m or 10/s")
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
        if not is_host(each):
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
    plain = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not is_host(plain):
        raise ValueError("must be an address of this machine, e.g. 127.0.0.1 or 0.0.0.0, without a scheme or port")
    return plain


def addresses(text: str) -> str:
    for each in addresses_of(text):
        if not _MAIL.fullmatch(each):
            raise ValueError(f"must be mail addresses, comma separated; {each!r:.60} is none")
    return text


def addresses_of(text: str) -> list[str]:
    """Split at commas, except those within a quoted name."""
    return [each.strip() for each in _NOT_QUOTED_COMMA.split(text) if each.strip()]


def sender(text: str) -> str:
    if not _MAIL.fullmatch(text):
        raise ValueError("must be one mail address, e.g. jobs@example.com or Callboard <jobs@example.com>")
    return text


def modules(text: str) -> str:
    """Modules, and folders with a `/`."""
    for each in list_of(text, ","):
        if each.endswith(".py"):
            name = each.removesuffix(".py").strip("./").replace("/", ".")
            raise ValueError(f"names the file {each:.100}: write its module, {name:.100}, or its folder with a `/`")
        if "/" not in each and not _MODULE.fullmatch(each):
            raise ValueError(
                f"must be modules such as shop.tasks, or folders with a `/` such as ./tasks, separated by commas; {each!r:.60} is none"
            )
    return text


def queues(text: str) -> str:
    for each in list_of(text, ","):
        if ";" in each or any(character.isspace() for character in each):
            raise ValueError(f"must be names of queues, separated by commas; {each!r:.60} is none")
    return text


def list_of(text: str, separator: str) -> list[str]:
    """Split a setting that lists several values."""
    return [part.strip() for part in text.split(separator) if part.strip()]


def _reachable(text: str, schemes: tuple[str, ...], right: str) -> None:
    if not text:
        return
    try:
        parts = urlsplit(text.strip())
        fits = parts.scheme in schemes and is_host(parts.hostname or "") and parts.port != 0 and not parts.fragment
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(right)


def key(text: str) -> str:
    """Check that a key is long enough not to be guessed, or empty."""
    if text and (len(text) < 12 or len(set(text)) < 5):
        raise ValueError("is too easy to guess: give at least 12 characters at random, e.g. of `openssl rand -base64 32`, or none")
    return text
