"""Menu, built from the registry of pages: entries by role, and the current one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from flask import Blueprint, Flask, request

from ...operations.people.roles import Role


class Menu(StrEnum):
    """A section of the menu."""

    MAIN = "main"
    ADMIN = "admin"  # one entry with tabs, for administrators
    REFERENCE = "reference"
    EXAMPLES = "examples"


class PageModule(Protocol):
    """A page module."""

    @property
    def blueprint(self) -> Blueprint: ...


@dataclass(frozen=True, slots=True)
class Page:
    """A page and its menu entry. `parts`: other blueprints for which this entry is current."""

    module: PageModule
    label: str | None = None
    menu: Menu = Menu.MAIN
    view: str = "index"
    role: Role = Role.VIEWER
    icon: str = ""  # empty: the blueprint's name
    parts: tuple[str, ...] = ()  # or single views of them

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
        """True if the request is for this page or one of its parts."""
        return request.blueprint in (self.name, *self.parts) or request.endpoint in self.parts


def init(app: Flask, pages: Sequence[Page]) -> None:
    """Register the menu for templates."""
    app.jinja_env.globals["menu"] = {menu.value: [page for page in pages if page.menu is menu and page.label] for menu in Menu}
