"""The menu, made from the registry of pages: which page has an entry, for which role, and which one is current."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from flask import Blueprint, Flask, request

from ...operations.people.roles import Role


class Menu(StrEnum):
    """A part of the menu."""

    MAIN = "main"
    ADMIN = "admin"  # tabs of one entry, for administrators
    REFERENCE = "reference"
    EXAMPLES = "examples"


class PageModule(Protocol):
    """A module of a page."""

    @property
    def blueprint(self) -> Blueprint: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page and its place in the menu. `parts`: other blueprints during which its entry is the current one."""

    module: PageModule
    label: str | None = None
    menu: Menu = Menu.MAIN
    view: str = "index"
    role: Role = Role.VIEWER
    icon: str = ""  # empty: the name of its blueprint
    parts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.module.blueprint.name

    @property
    def image(self) -> str:
        return self.icon or self.name

    @property
    def endpoint(self) -> str:
        return f"{self.name}.{self.view}"

    @property
    def is_current(self) -> bool:
        """True if the request is for this page or a part of it."""
        return request.blueprint in (self.name, *self.parts)


def init(app: Flask, pages: Sequence[Page]) -> None:
    """Give templates the entries of each menu."""
    app.jinja_env.globals["menu"] = {menu.value: [page for page in pages if page.menu is menu and page.label] for menu in Menu}
