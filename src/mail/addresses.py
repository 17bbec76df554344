"""Mail addresses as users write them, checked before they reach a header or an SMTP command."""

from __future__ import annotations

import re
from email import policy
from email.errors import HeaderParseError
from email.headerregistry import Address

from ..formats.domain_names import in_ascii
from .errors import LetterError

#: forbidden in headers: a line break would allow header injection
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.IGNORECASE)
#: characters of an address, by RFC 5321
LONGEST = 254
#: maximum characters of the name before an address
NAME_LENGTH = 500


def parse_address(text: str, field: str) -> Address:
    """Parse one address, `ada@example.com` or `Ada <ada@example.com>`; raises LetterError naming `field`."""
    if not isinstance(text, str) or CONTROL.search(text):
        raise LetterError(f"{field}: an address must be one line of text, not {text!a:.80}", field=field)
    try:
        header = policy.default.header_factory("to", text)
        found, defects = header.addresses, header.defects
    except (IndexError, ValueError, HeaderParseError):  # Python's parser raises these on some malformed texts
        found, defects = (), ()
    if len(found) != 1 or defects or not found[0].username or not found[0].domain:
        raise LetterError(f"{field}: {text!r:.80} is not an email address; write ada@example.com or Ada <ada@example.com>", field=field)
    address: Address = found[0]
    if not address.username.isascii():
        raise LetterError(f"{field}: {address.username!r:.80} must be ASCII before the @", field=field)
    domain = _ascii_domain(address.domain, text, field)
    if len(address.username) + len(domain) + 1 > LONGEST:
        raise LetterError(f"{field}: an address has at most {LONGEST} characters", field=field)
    if len(address.display_name) > NAME_LENGTH:  # in one word it would not fit into a line of a mail
        raise LetterError(f"{field}: a name has at most {NAME_LENGTH} characters", field=field)
    return Address(address.display_name, address.username, domain)


def _ascii_domain(domain: str, text: str, field: str) -> str:
    plain = in_ascii(domain)
    if plain is None or not _DOMAIN.fullmatch(plain):
        cure = "" if domain.isascii() else "; write it in ASCII, as it is registered: xn--…"
        raise LetterError(f"{field}: {domain!r:.80} in {text!r:.80} is not a domain name{cure}", field=field)
    return plain
