"""Parts of URLs in settings: hosts, files and switches."""

from __future__ import annotations

import ipaddress
import os
import re

ENCODE = "percent-encode what is special in a password (@ as %40, / as %2F, # as %23)"
#: words of a switch
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def is_host(text: str) -> bool:
    """True for a name or an address, without a port."""
    try:
        return bool(_NAME.fullmatch(text)) or bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def readable_file(name: str, file: str) -> str:
    """Return the path of a file that this process can read; raises ValueError naming the parameter."""
    if not os.access(file, os.R_OK) or os.path.isdir(file):
        raise ValueError(f"has {name}={file:.200}, which cannot be read as a file here")
    return file


def shown(name: str, query: str) -> str:
    """The name of a wrong parameter, for a message. With an @ the query is the rest of a password that has an unencoded `?`."""
    return "…" if "@" in query else f"{name:.40}"
