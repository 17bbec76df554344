"""The application with clients of every role, without a broker."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert
from werkzeug.test import TestResponse

from src.operations.people import sessions
from src.operations.people.models import User
from src.operations.people.roles import Role
from src.operations.people.tokens import create_token
from src.sql.clock import now
from src.sql.database import Database, write
from src.web.auth.access import SESSION_KEY
from tests.harness.services import random_name


class Site:
    """One application on one database."""

    def __init__(self, database: Database, app: Flask) -> None:
        self.database = database
        self.app = app

    def stranger(self) -> Visit:
        """Return a browser that has not signed in."""
        return Visit(self.app.test_client())

    def browser(self, role: Role = Role.ADMIN, actors: list[str] | None = None) -> Visit:
        """Return a browser signed in with the role, limited to some actors."""
        client = self.app.test_client()
        with write() as session, client.session_transaction() as cookie:
            # Straight to the session: the slow password hash is tested in test_sign_in.py.
            user = insert(User).values(name=random_name("user"), password_hash="", role=role, created_at=now(), actors=actors)
            cookie[SESSION_KEY] = sessions.start(session, session.execute(user.returning(User.id)).scalar_one(), address="", browser="")
        return Visit(client)

    def program(self, role: Role = Role.ADMIN, actors: list[str] | None = None) -> Program:
        """Return an API client with a token of the role, limited to some actors."""
        return Program(self.app.test_client(), create_token(random_name("token"), role, actors=actors))


class Visit:
    """Actions of a user with a browser without JavaScript."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, buffered=True)

    def hidden(self, path: str, *, action: str | None = None) -> dict[str, str]:
        """Return the hidden inputs of the page's form (the one that leads to `action`)."""
        forms = re.findall(r'<form[^>]*method="post" action="([^"]+)"[^>]*>(.*?)</form>', self.get(path).text, re.DOTALL)
        [form] = [body for target, body in forms if html.unescape(target) == (action or path)]
        return {html.unescape(n): html.unescape(v) for n, v in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)}

    def fill_in(self, path: str, *, action: str | None = None, **fields: Any) -> TestResponse:
        """Load the page, fill in its form, submit."""
        return self.client.post(action or path, data={**self.hidden(path, action=action), **fields})


class Stream:
    """An open stream, read message by message."""

    def __init__(self, visit: Visit, path: str, *, last_event_id: str | None = None) -> None:
        self.answer = visit.client.get(path, headers={"Last-Event-ID": last_event_id} if last_event_id else None)
        self._chunks = self.answer.iter_encoded()

    def __enter__(self) -> Stream:
        assert self.answer.status_code == 200
        assert next(self._chunks) == b"retry: 3000\n\n"
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()

    def message(self) -> str:
        """Return the next message in its wire format."""
        return next(self._chunks).decode()

    def rest(self) -> list[str]:
        """Return all messages until the stream ends."""
        return [chunk.decode() for chunk in self._chunks]


class Program:
    """Actions of an API client."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, document: Any = None, **headers: str) -> TestResponse:
        return self.client.post(path, json=document, headers={**self.headers, **{n.replace("_", "-"): v for n, v in headers.items()}})

    def patch(self, path: str, document: Any) -> TestResponse:
        return self.client.patch(path, json=document, headers=self.headers)

    def put(self, path: str, document: Any) -> TestResponse:
        return self.client.put(path, json=document, headers=self.headers)

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers)

    def submit(self, actor: str, *args: Any, **more: Any) -> str:
        """Submit a job, which must be accepted, and return its id."""
        answer = self.post("/api/v1/jobs", {"actor": actor, "args": list(args), **more})
        assert answer.status_code == 202, answer.text
        return str(answer.get_json()["id"])


def in_words(text: str) -> str:
    """Return a page's text without its tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))
