"""Sixty injection strings for pages and emails, and a parser that finds any that became active."""

from __future__ import annotations

import re
from html.parser import HTMLParser

STRINGS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "</script><script>alert(1)</script>",
    "<script\x0c>alert(1)</script>",
    "<script/x>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<img/src="x"/onerror=alert(1)>',
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "`><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<math><mi//xlink:href='javascript:alert(1)'>",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='java&#x0A;script:alert(1)'>x</a>",
    "<a href=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>x</a>",
    "<form action=javascript:alert(1)><input type=submit></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<input onfocus=alert(1) autofocus>",
    "<select onfocus=alert(1) autofocus></select>",
    "<textarea onfocus=alert(1) autofocus></textarea>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<div style=\"background:url('javascript:alert(1)')\">",
    '" onmouseover="alert(1)" x="',
    "' onmouseover='alert(1)' x='",
    '" autofocus onfocus="alert(1)',
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</pre><script>alert(1)</script>",
    "</option></select><script>alert(1)</script>",
    "</noscript><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<![CDATA[x]]><script>alert(1)</script>",
    "{{ config }}{% for x in [1] %}<script>alert(1)</script>{% endfor %}",
    "<div hx-get=//evil.example hx-trigger=load>",
    "<div hx-on:load=alert(1)>",
    "<hx-partial hx-target=body><script>alert(1)</script></hx-partial>",
    "\u2028<script>alert(1)</script>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e<script>alert(1)</script>",
    "<template><script>alert(1)</script></template><xss id=x tabindex=1 onactivate=alert(1)>",
)
assert len(STRINGS) == 60

_URLS = ("href", "src", "action", "formaction", "data", "xlink:href", "srcset", "poster", "background")
_FOREIGN = ("object", "embed", "applet", "base", "frame", "template", "xss", "math", "marquee", "audio", "video")
#: attributes by which htmx acts
_REQUESTS = ("hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete", "hx-sse:connect", "hx-action")


class _Finder(HTMLParser):
    def __init__(self, *, is_page: bool) -> None:
        super().__init__()
        self.is_page = is_page
        self.active: list[str] = []
        self._noscript = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self._noscript += tag == "noscript"
        if tag in _FOREIGN or (self.is_page and tag == "style"):
            self._tell(tag, given)
        if tag == "script" and not (self.is_page and given.get("src", "").startswith("/static/") and len(given) <= 3):
            self._tell(tag, given)
        # A page's machine-readable alternative is only fetched manually.
        twin = given.get("rel") == "alternate" and re.match("/[a-z]", given.get("href", "")) is not None
        if tag == "link" and not twin and not given.get("href", "").startswith("/static/"):
            self._tell(tag, given)
        if tag == "meta" and "refresh" in given.get("http-equiv", "").lower() and ("url" in given.get("content", "") or not self._noscript):
            self._tell(tag, given)
        if tag == "iframe" and ("srcdoc" in given or not given.get("src", "").startswith("/")):
            self._tell(tag, given)
        for name, value in given.items():
            scheme = "".join(value.split()).lower()
            is_url = name in _URLS and scheme.startswith(("javascript:", "vbscript:", "data:text", "//"))
            is_style = name == "style" and (self.is_page or "url(" in scheme or "expression" in scheme)
            is_request = name in _REQUESTS and (not value.startswith("/") or value.startswith("//"))
            if name.startswith(("on", "hx-on")) or name == "srcdoc" or is_url or is_style or is_request:
                self._tell(tag, given)

    def handle_endtag(self, tag: str) -> None:
        self._noscript -= tag == "noscript"

    def _tell(self, tag: str, given: dict[str, str]) -> None:
        self.active.append(f"<{tag} {given}>"[:200])


def active(page: str, *, is_page: bool = True) -> list[str]:
    """Return active content of this HTML that Callboard has not put there. An email may have inline styles, but no scripts."""
    finder = _Finder(is_page=is_page)
    finder.feed(page)
    finder.close()
    return finder.active
