"""AMQP URLs, also as other clients write them, in the form that pika reads."""

from __future__ import annotations

import ast
import ssl
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from .url_checks import ENCODE, NO, YES, is_host, readable_file, shown

#: schemes, also those of other clients
_SCHEMES = {"amqp": "amqp", "pyamqp": "amqp", "librabbitmq": "amqp", "rabbitmq": "amqp", "amqps": "amqps", "pyamqps": "amqps"}
_PORTS = {"amqp": 5672, "amqps": 5671}
#: parameters that reach pika as they are, with their bounds
_NUMBERS = {"channel_max": (1, 65_535), "frame_max": (4_096, 131_072), "blocked_connection_timeout": (0, 86_400)}
#: TLS files, as RabbitMQ's own clients name them and as pika's `ssl_options` do
_FILES = {"cacertfile": "ca_certs", "certfile": "certfile", "keyfile": "keyfile"}
#: parameters of other clients that Callboard decides itself
_OWN = {
    "heartbeat", "connection_attempts", "retry_delay", "socket_timeout", "stack_timeout", "tcp_options", "client_properties", "locale", "login_method",
    "connection_timeout", "connect_timeout", "read_timeout", "write_timeout", "transport", "auth_mechanism", "fail_if_no_peer_cert",
}  # fmt: skip


def parse(text: str) -> str:
    """Normalise one AMQP URL, also one written for Celery: `pyamqp://`, `//` for the virtual host `/`, a virtual host with a slash.

    Raises ValueError with the cure.
    """
    right = f"must be amqp://USER:PASSWORD@HOST:5672/VHOST or amqps://…, several separated by `;`; {ENCODE}"
    try:
        parts = urlsplit(text.strip())
        scheme, host, port = _SCHEMES[parts.scheme], parts.hostname or "127.0.0.1", parts.port
    except KeyError:
        other, is_url, _ = text.strip().partition("://")
        hint = f". Jobs travel through RabbitMQ, not through what {other!r:.40} names" if is_url else ""
        raise ValueError(right + hint) from None
    except ValueError:
        raise ValueError(right) from None
    if not is_host(host) or parts.fragment or port == 0:
        raise ValueError(right)
    user = unquote(parts.username or "guest")
    if parts.password is None and user != "guest":
        raise ValueError(f"names the user {user!r} without a password: write amqp://{quote(user, safe='')}:PASSWORD@{host}/VHOST")
    password = "guest" if parts.password is None else unquote(parts.password)
    vhost = unquote(parts.path[1:]) or "/"
    scheme, query = _query(parts.query, scheme)
    place = f"[{host}]" if ":" in host else host
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"{scheme}://{login}@{place}:{port or _PORTS[scheme]}/{quote(vhost, safe='')}{query}"


def _query(text: str, scheme: str) -> tuple[str, str]:
    """Return the scheme and the query for pika; raises ValueError naming the wrong parameter."""
    kept: dict[str, str] = {}
    tls: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in _FILES:
            tls[_FILES[name]] = readable_file(name, value)
        elif name == "server_name_indication":
            tls["server_hostname"] = value
        elif name in ("ssl", "tls") and value.lower() in (*YES, *NO):
            scheme = "amqps" if value.lower() in YES else scheme
        elif name == "verify" and value == "verify_none":
            raise ValueError("has verify=verify_none, but certificates are always verified: name their authority with cacertfile=FILE")
        elif name in _NUMBERS:
            least, most = _NUMBERS[name]
            if not (value.isdecimal() and least <= int(value[:9]) <= most):
                raise ValueError(f"has {name}={value:.40}, which must be a whole number from {least} to {most}")
            kept[name] = value
        elif name == "ssl_options":
            kept[name] = _tls_options(value)
        elif name not in _OWN and (name, value) != ("verify", "verify_peer"):
            raise ValueError(f"has the unknown parameter {shown(name, text)!r}: take it out")
    if tls:
        if ("certfile" in tls) != ("keyfile" in tls):
            raise ValueError("has one of certfile and keyfile, and needs both")
        tls.setdefault("ca_certs", ssl.get_default_verify_paths().cafile or "")
        scheme, kept["ssl_options"] = "amqps", repr(tls)
    return scheme, f"?{urlencode(kept)}" if kept else ""


def _tls_options(text: str) -> str:
    try:
        options = ast.literal_eval(text) or {}
        files = {name: str(options[name]) for name in ("ca_certs", "cafile", "certfile", "keyfile") if name in options}
    except (ValueError, SyntaxError, TypeError):
        raise ValueError(
            "has ssl_options that are not a Python dictionary, e.g. {'ca_certs': '/etc/ssl/ca.pem'}, percent-encoded"
        ) from None
    for name, file in files.items():
        readable_file(name, file)
    return text
