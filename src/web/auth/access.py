"""Authentication and authorisation of every request, for pages and API, before the view runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, AnyStr, TypeVar

from flask import Flask, current_app, g, request, stream_with_context, url_for
from flask import session as cookie
from werkzeug.exceptions import Unauthorized

from ... import COMMAND
from ...operations.people import caller, row_filters, sessions, tokens
from ...operations.people.caller import Caller, Forbidden
from ...operations.people.models import User
from ...operations.people.roles import Role
from ...sql import database
from . import address_rules, audit_hooks, proxy, throttle

View = TypeVar("View", bound=Callable[..., Any])

_RULE = "callboard_rule"
_OPEN = "open to all"
#: where the signed cookie keeps the browser's session key
SESSION_KEY = "key"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def allow(role: Role, *, action: str | None = None) -> Callable[[View], View]:
    """Rule: allow callers with this role or a higher one.

    `action`: audit action, e.g. "job.{action}" with URL parameters; None: method and URL rule.
    """

    def decorate(view: View) -> View:
        setattr(view, _RULE, role)
        if action is not None:
            setattr(view, audit_hooks.ACTION, action)
        return view

    return decorate


def open_to_all(view: View) -> View:
    """Rule: allow everyone, signed in or not."""
    setattr(view, _RULE, _OPEN)
    return view


def rule_of(app: Flask, endpoint: str) -> Role | str | None:
    """The rule of an endpoint; None: no rule, so every request is rejected."""
    if endpoint == "static":
        return _OPEN
    return getattr(app.view_functions[endpoint], _RULE, None)


def role_of(view: Callable[..., Any]) -> Role:
    """The role that a view requires; every route of the API has one."""
    found: Role = getattr(view, _RULE)
    return found


def visitor() -> Caller:
    """The caller of this request; only in views that are not open to all."""
    found: Caller = g.visitor
    return found


def renew(key: str) -> None:
    """Give this browser the session of the key.

    The old cookie's content goes, CSRF secret included: it may come from an attacker (session fixation).
    """
    cookie.clear()
    cookie[SESSION_KEY] = key
    cookie.permanent = True


def init(app: Flask) -> None:
    """Install the check that runs before every request."""
    row_filters.listen()
    proxy.init(app)
    app.before_request(_check)
    app.teardown_request(_leave)
    audit_hooks.init(app)


def streamed(parts: Iterator[AnyStr]) -> Iterator[AnyStr]:
    """Yield the parts of a body in the context of the request and for its caller, who has left when the body is sent."""
    by = caller.current()

    def bound() -> Iterator[AnyStr]:
        while True:
            caller.become(by)
            try:
                part = next(parts, None)
            finally:
                caller.become(None)  # between two parts the thread may serve others
            if part is None:
                return
            yield part

    return stream_with_context(bound())


def _leave(_error: BaseException | None) -> None:
    caller.become(None)


def _check() -> None:
    caller.become(None)
    if request.endpoint is None:
        rule: Role | str | None = Role.VIEWER  # unknown URL: anonymous clients must not learn which URLs exist
    else:
        rule = rule_of(current_app, request.endpoint)
    if rule == _OPEN:
        return
    g.visitor = _identify()
    caller.become(g.visitor)
    if g.visitor is None:
        raise Unauthorized(_how_to_sign_in())
    if not isinstance(rule, Role) or not g.visitor.role.includes(rule):
        needed = f"role {rule} or higher" if isinstance(rule, Role) else "another permission"
        raise Forbidden(f"This requires {needed}; you are signed in as {g.visitor.name} with role {g.visitor.role}.")
    address_rules.check()
    if request.method not in SAFE_METHODS:
        audit_hooks.begin()


def _how_to_sign_in() -> str:
    begin = "This token is not valid: unknown, revoked or expired." if _bearer() else "Send `Authorization: Bearer TOKEN`."
    return f"{begin} Create a token with  {COMMAND} token create NAME --role viewer  or on {url_for('account.show', _external=True)}"


def _bearer() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _identify() -> Caller | None:
    if (token := _bearer()) is not None:
        return _program(token)
    # A session cookie allows only reads of the API: without a CSRF token, another site could make the browser write.
    if request.blueprint == "api" and request.method not in SAFE_METHODS:
        return None
    user = proxy.user()
    if user is None and (key := cookie.get(SESSION_KEY)):
        user = _browser(key)
    return Caller(user.name, user.role, f"user {user.id}", _patterns(user.actors)) if user else None


def _browser(key: str) -> User | None:
    with database.read() as session:
        found = sessions.find(session, key)
    if found is None:
        return None
    if sessions.needs_noting(found):
        with database.write() as session:
            sessions.note_use(session, found)
    return found.user


def _program(text: str) -> Caller | None:
    with database.read() as session:
        token = tokens.find(session, text)
    if token is None:
        if wait_s := throttle.refuse_key(request.remote_addr or "unknown"):
            raise _TooManyTokens(wait_s)
        return None
    if tokens.needs_noting(token):
        with database.write() as session:
            tokens.note_use(session, token.id)
    return Caller(token.name, token.role, f"token {token.id}", _patterns(token.actors))


class _TooManyTokens(Unauthorized):
    """A 401 like that of any invalid token, with Retry-After."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many invalid tokens from this address. Try again in {wait_s} s.")
        self._wait_s = wait_s

    def get_headers(self, *args: Any, **named: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **named), ("Retry-After", str(self._wait_s))]


def _patterns(actors: list[str] | None) -> tuple[str, ...] | None:
    return None if actors is None else tuple(actors)
