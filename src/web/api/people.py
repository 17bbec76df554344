"""/api/v1/users and /api/v1/tokens: users and tokens with their role and actors. Administrators only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from ...jobs.core.errors import InvalidArguments, NotAllowed
from ...operations.format.instants import write_instant
from ...operations.format.request_values import Until, ahead, read
from ...operations.people import permissions, tokens, users
from ...operations.people.models import ApiToken, User
from ...operations.people.roles import Role
from ...operations.people.tokens import create_token
from ...operations.people.users import UnknownUser, UserError
from ...sql import database
from ..auth import allow, visitor
from ..auth.pages import link_for
from ..http.json_bodies import answer, read_json
from .requests.blueprint import blueprint

_ACTORS = "limit to these actors: names, or prefixes followed by a star; null: all"


class RightsBody(BaseModel):
    """Role and actors of a user or token."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["viewer", "submitter", "operator", "admin"] = Field(description="the role")
    actors: list[Annotated[str, Field(pattern=f"^({permissions.PATTERN.pattern})$")]] | None = Field(
        None, min_length=1, description=_ACTORS
    )

    def patterns(self) -> permissions.Patterns | None:
        """The actor patterns as stored."""
        return None if self.actors is None else permissions.read_patterns(" ".join(self.actors))


class UserBody(RightsBody):
    """Body that creates a user."""

    name: str = Field(description="user name for sign-in", pattern=f"^{users.NAME.pattern}$")


class TokenBody(RightsBody):
    """Body that creates a token."""

    name: str = Field(min_length=1, max_length=150, description="what the token is for")
    expires: Until | None = Field(None, description="expiry: a time, or a duration from now; null: never")


@blueprint.get("/users")
@allow(Role.ADMIN)
def list_users() -> Response:
    """List the users by name."""
    with database.read() as session:
        return answer({"users": [_user(each) for each in users.listed(session)]})


@blueprint.post("/users")
@allow(Role.ADMIN, action="user.create")
def create_user() -> Response:
    """Create a user; only this response shows the one-time sign-in link."""
    body = read(UserBody, read_json(), example='{"name": "ada", "role": "operator"}')
    with database.write() as session:
        key = _done(lambda: users.invite(session, body.name, body.role, body.patterns()))
        user = users.named(session, body.name)
        return answer({**_user(user), "link": _link(key)}, 201)


@blueprint.patch("/users/<int:id>")
@allow(Role.ADMIN, action="user.rights")
def change_user(id: int) -> Response:
    """Change a user's role or actors."""
    body = read(RightsBody, read_json(), example='{"role": "viewer", "actors": ["reports_*"]}')
    with database.write() as session:
        _refuse_oneself(session, id)
        return answer(_user(_done(lambda: users.change_rights(session, id, body.role, body.patterns()))))


@blueprint.post("/users/<int:id>/<any(disable, enable, 'new-link'):verb>")
@allow(Role.ADMIN, action="user.{verb}")
def act_on_user(id: int, verb: str) -> Response:
    """Disable or enable a user, or reset the password and return a one-time link."""
    with database.write() as session:
        if verb == "new-link":
            user, key = _done(lambda: users.reset(session, id))
            return answer({**_user(user), "link": _link(key)})
        if verb == "disable":
            _refuse_oneself(session, id)
        act = users.disable if verb == "disable" else users.enable
        return answer(_user(_done(lambda: act(session, id))))


@blueprint.get("/tokens")
@allow(Role.ADMIN)
def list_tokens() -> Response:
    """List the tokens, newest first."""
    with database.read() as session:
        return answer({"tokens": [_token(each) for each in tokens.listed(session)]})


@blueprint.post("/tokens")
@allow(Role.ADMIN, action="token.create")
def create_api_token() -> Response:
    """Create a token; only this response shows it."""
    body = read(TokenBody, read_json(), example='{"name": "ci", "role": "submitter", "expires": "90d"}')
    expires_at, actors = ahead("expires", body.expires), body.patterns()
    secret = _done(lambda: create_token(body.name, body.role, actors=actors, expires_at=expires_at))
    with database.read() as session:
        known = tokens.find(session, secret)
        assert known is not None
        found = session.get(ApiToken, known.id)
        assert found is not None
        return answer({**_token(found), "token": secret}, 201)


@blueprint.delete("/tokens/<int:id>")
@allow(Role.ADMIN, action="token.revoke")
def revoke_api_token(id: int) -> Response:
    """Revoke a token."""
    if visitor().key == f"token {id}":
        raise NotAllowed("a token cannot revoke itself: use another administrator's token, or the page")
    with database.write() as session:
        if not tokens.revoke(session, min(id, 2**31 - 1)):
            raise NotFound(f"There is no token {id}.")
    return Response(status=204)


def _done(act: Any) -> Any:
    """Call the function; turn its error into a problem that names the field."""
    try:
        return act()
    except UnknownUser as error:
        raise NotFound(str(error)) from None
    except UserError as error:
        raise InvalidArguments(str(error), errors={error.field: str(error)}) from None
    except ValueError as error:
        raise InvalidArguments(str(error), errors={}) from None


def _refuse_oneself(session: Session, id: int) -> None:
    own = visitor().key == f"user {id}"
    if visitor().key.startswith("token "):
        token = session.get(ApiToken, int(visitor().key.removeprefix("token ")))
        own = token is not None and token.user_id == id
    if own:
        raise NotAllowed("you cannot disable yourself or change your own role: ask another administrator")


def _link(key: str) -> str:
    return link_for(key)


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "role": user.role.value,
        "actors": user.actors,
        "created_at": write_instant(user.created_at),
        "disabled_at": write_instant(user.disabled_at),
    }


def _token(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "role": token.role.value,
        "actors": token.actors,
        "user_id": token.user_id,
        "created_at": write_instant(token.created_at),
        "expires_at": write_instant(token.expires_at),
        "revoked_at": write_instant(token.revoked_at),
        "last_used_at": write_instant(token.last_used_at),
    }
