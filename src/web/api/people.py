"""/api/v1/users and /api/v1/tokens: users and tokens with their role and actors. Administrators only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Response
from pydantic import Field
from sqlalchemy.orm import Session
from typing_extensions import TypedDict
from werkzeug.exceptions import NotFound

from ...jobs.core.errors import InvalidArguments, NotAllowed
from ...operations.format.request_values import RequestBody, Until, ahead, example
from ...operations.people import permissions, tokens, users
from ...operations.people.models import ApiToken
from ...operations.people.people_documents import LIMITED, TokenDocument, UserDocument, token_document, user_document
from ...operations.people.roles import Patterns, Role
from ...operations.people.tokens import create_token
from ...operations.people.users import UnknownUser, UserError
from ...sql import database
from ..auth import allow, visitor
from ..auth.pages import link_for
from ..http.json_bodies import Answer, answer
from .requests.routes import Routes, Tag

api = Routes(Tag.ADMIN)
VERBS = {"disable": "Disable a user: ends their sessions and tokens", "enable": "Enable a disabled user"}


class RightsBody(RequestBody):
    """Role and actors of a user or token."""

    model_config = example({"role": "viewer", "actors": ["reports_*"]})

    role: Literal["viewer", "submitter", "operator", "admin"] = Field(description="the role")
    actors: list[Annotated[str, Field(pattern=f"^({permissions.PATTERN.pattern})$")]] | None = Field(
        None, min_length=1, description=LIMITED
    )

    def patterns(self) -> Patterns | None:
        """The actor patterns as stored."""
        return None if self.actors is None else permissions.read_patterns(" ".join(self.actors))


class UserBody(RightsBody):
    """Body that creates a user."""

    model_config = example({"name": "ada", "role": "operator"})

    # Pydantic's expressions take 14 MB for as many repetitions of \w, so the length is a limit of its own.
    name: str = Field(description="user name for sign-in", pattern=f"^{users.NAME_CHARACTER}+$", max_length=users.LONGEST_NAME)


class TokenBody(RightsBody):
    """Body that creates a token."""

    model_config = example({"name": "ci", "role": "submitter", "expires": "90d"})

    name: str = Field(min_length=1, max_length=150, description="what the token is for")
    expires: Until | None = Field(None, description="expiry: a time, or a duration from now; null: never")


class UserWithLink(UserDocument):
    """A user with the one-time sign-in link, which is shown only once."""

    link: Annotated[str, Field(json_schema_extra={"format": "uri"})]


class Users(TypedDict):
    """The users by name, disabled ones last."""

    users: list[UserDocument]


class NewToken(TokenDocument):
    """A token with its text, which is shown only once."""

    token: str


class Tokens(TypedDict):
    """The tokens, newest first."""

    tokens: list[TokenDocument]


Id = Annotated[int, Field(ge=1, le=2**31 - 1)]


@api.get("/users")
@allow(Role.ADMIN)
def list_users() -> Answer[Users]:
    """List the users by name."""
    with database.read() as session:
        return answer({"users": [user_document(each) for each in users.listed(session)]})


@api.post("/users", status=201, errors=(422,))
@allow(Role.ADMIN, action="user.create")
def create_user(body: UserBody) -> Answer[UserWithLink]:
    """Create a user; only this response shows the one-time sign-in link."""
    with database.write() as session:
        key = _done(lambda: users.invite(session, body.name, body.role, body.patterns()))
        user = users.named(session, body.name)
        return answer({**user_document(user), "link": link_for(key)}, 201)


@api.patch("/users/<int:id>", errors=(404, 409, 422))
@allow(Role.ADMIN, action="user.rights")
def change_user(id: Id, body: RightsBody) -> Answer[UserDocument]:
    """Change a user's role and actors."""
    with database.write() as session:
        _refuse_oneself(session, id)
        return answer(user_document(_done(lambda: users.change_rights(session, id, body.role, body.patterns()))))


@api.post("/users/<int:id>/new-link", errors=(404, 409, 422))
@allow(Role.ADMIN, action="user.new-link")
def reset_user(id: Id) -> Answer[UserWithLink]:
    """Reset a user's password; only this response shows the one-time link."""
    with database.write() as session:
        user, key = _done(lambda: users.reset(session, id))
        return answer({**user_document(user), "link": link_for(key)})


@api.post("/users/<int:id>/<verb>", words=VERBS, errors=(404, 409, 422))
@allow(Role.ADMIN, action="user.{verb}")
def act_on_user(id: Id, verb: str) -> Answer[UserDocument]:
    """Disable or enable a user."""
    with database.write() as session:
        if verb == "disable":
            _refuse_oneself(session, id)
        act = users.disable if verb == "disable" else users.enable
        return answer(user_document(_done(lambda: act(session, id))))


@api.get("/tokens")
@allow(Role.ADMIN)
def list_tokens() -> Answer[Tokens]:
    """List the tokens, newest first."""
    with database.read() as session:
        return answer({"tokens": [token_document(each) for each in tokens.listed(session)]})


@api.post("/tokens", status=201, errors=(422,))
@allow(Role.ADMIN, action="token.create")
def create_api_token(body: TokenBody) -> Answer[NewToken]:
    """Create a token; only this response shows it."""
    expires_at, actors = ahead("expires", body.expires), body.patterns()
    secret = _done(lambda: create_token(body.name, body.role, actors=actors, expires_at=expires_at))
    with database.read() as session:
        known = tokens.find(session, secret)
        assert known is not None
        found = session.get(ApiToken, known.id)
        assert found is not None
        return answer({**token_document(found), "token": secret}, 201)


@api.delete("/tokens/<int:id>", status=204, errors=(404, 409))
@allow(Role.ADMIN, action="token.revoke")
def revoke_api_token(id: Id) -> Response:
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
