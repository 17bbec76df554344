"""Configuration: keys, beat's entries and routes, wherever an application writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ...configuration.broker_url import parse as broker_url
from ...configuration.setting_checks import list_of
from ..app.beat import ENTRY_KEYS, ENTRY_OPTIONS, is_kept
from ..base.differences import DIFFERENCES, Unsupported, unknown
from ..conf.keys import BY_NAME, Effect, namespaced, new_name
from ..core import routes
from ..exceptions import ImproperlyConfigured
from . import assignments, literals
from .inventory import Inventory, Place
from .names import Names
from .sources import Source, Sources

#: arguments of Celery() beside keys
_ARGUMENTS = frozenset(
    {
        "main",
        "broker",
        "backend",
        "include",
        "set_as_current",
        "config_source",
        "namespace",
        "changes",
        "task_cls",
        "autofinalize",
        "strict_typing",
    }
)
_FOREIGN = re.compile(r"(rediss?|sqs|memory|filesystem|sentinel|mongodb|kafka|gcpubsub)(\+\w+)?:")


class _Configuration:
    def __init__(self, sources: Sources, names: Names, found: Inventory) -> None:
        self.sources, self.names, self.found = sources, names, found

    def survey(self, source: Source) -> None:
        """Note what one module configures."""
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self.assigned(source, target, node.value)
            elif isinstance(node, ast.Call):
                self.called(source, node)

    def assigned(self, source: Source, target: ast.expr, value: ast.expr) -> None:
        """Note `app.conf.key = value`, and entries of beat_schedule that are set one by one."""
        if isinstance(target, ast.Attribute) and self.names.of(source, target.value) == "app.conf":
            self.key(source, target.attr, value, "")
        elif isinstance(target, ast.Subscript) and self.names.of(source, target.value) == "app.tasks":
            self.found.differs("app.tasks[name] = task", self.place(source, target))
        elif isinstance(target, ast.Subscript) and isinstance(name := literals.value(target.slice), str):
            owner = self.names.of(source, target.value)
            if owner == "app.conf":
                self.key(source, name, value, "")
            elif owner == "app.conf.beat_schedule":
                self.entry(source, name, value)
            elif new_name(name) is not None and ast.unparse(target.value).endswith("config"):
                self.key(source, name, value, "")  # Flask's, which conf.update() reads

    def called(self, source: Source, node: ast.Call) -> None:
        """Note keys that are arguments, and modules of configuration."""
        name = self.names.of(source, node.func)
        if name == "app.conf.update":
            self.updated(source, node)
        elif name in ("celery.Celery", "celery.app.Celery"):
            for word in node.keywords:
                if word.arg == "broker":
                    self.broker(source, word.value)
                elif word.arg and word.arg not in _ARGUMENTS:
                    row = f"Celery({word.arg}=)"
                    if row in DIFFERENCES and literals.value(word.value) is not None:
                        self.found.differs(row, self.place(source, word.value))
                    else:
                        self.key(source, word.arg, word.value, "")
        elif name == "app.config_from_object" and node.args:
            namespace = next((literals.value(word.value) for word in node.keywords if word.arg == "namespace"), None)
            self.module(source, node, f"{namespace.rstrip('_').upper()}_" if isinstance(namespace, str) else "")

    def updated(self, source: Source, node: ast.Call) -> None:
        for word in node.keywords:
            if word.arg:
                self.key(source, word.arg, word.value, "")
            else:
                self.mapping(source, word.value, node)
        for each in node.args:
            self.mapping(source, each, node)

    def mapping(self, source: Source, given: ast.expr, node: ast.AST) -> None:
        """Note the keys of a dictionary."""
        pairs = [(source, *pair) for pair in assignments.pairs(assignments.followed(source, given))] or list(self.named(given))
        for place, name, value in pairs:
            self.key(place, name, value, "")
        if not pairs and ast.unparse(given).endswith(".config"):
            self.found.look(
                self.place(source, node),
                f"{ast.unparse(given)} has further keys, which are warned of: pass a dictionary of Celery's keys.",
            )
        elif not pairs:
            self.found.look(self.place(source, node), f"{ast.unparse(given)}: its keys are known only when the code runs.")

    def named(self, given: ast.expr) -> Iterator[tuple[Source, str, ast.expr]]:
        """Yield the items of the dictionary that `config["NAME"]` or `config.get("NAME")` means, wherever a module assigns it."""
        key = given.slice if isinstance(given, ast.Subscript) else given.args[0] if isinstance(given, ast.Call) and given.args else None
        name = literals.value(key)
        for source in self.sources.modules if isinstance(name, str) else ():
            if (value := assignments.followed(source, ast.Name(name))) and isinstance(value, ast.Dict | ast.Call):
                yield from ((source, *pair) for pair in assignments.pairs(value))

    def module(self, source: Source, node: ast.Call, prefix: str) -> None:
        """Note the keys of the module, class or mapping that config_from_object() reads."""
        given = node.args[0]
        path = literals.value(given)
        meant = path if isinstance(path, str) else (self.names.of(source, given) or "").removeprefix("module ")
        places = list(self.bodies(meant, source, given))
        for each, body in places:
            for name, value in assignments.assignments(body):
                key = namespaced(name, prefix) if prefix else new_name(name)
                if key is not None:
                    self.key(each, key, value, prefix)
        if not places:
            self.found.look(
                self.place(source, node),
                f"{ast.unparse(given)} is known only when the code runs: check its keys in the list of differences.",
            )

    def bodies(self, meant: str, source: Source, given: ast.expr) -> Iterator[tuple[Source, Any]]:
        """Yield the bodies of a configuration: a module's, a class's, or all settings of Django."""
        if meant.startswith("django.conf"):
            for each in self.sources.modules:
                if "settings" in each.module.split(".") or each.module.endswith("settings"):
                    yield each, each.tree.body
            return
        module, _, attribute = meant.partition(":")
        found = self.names.find(module)
        if found is not None and not attribute:
            yield found, found.tree.body
            return
        name = attribute or module.rpartition(".")[2] or (given.id if isinstance(given, ast.Name) else "")
        classes = [(each, node) for each in self.sources.modules for node in ast.walk(each.tree) if isinstance(node, ast.ClassDef)]
        mine = [(each, node) for each, node in classes if node.name == name] or [
            (each, node) for each, node in classes if "celery" in node.name.lower() and "config" in node.name.lower()
        ]
        yield from ((each, node.body) for each, node in mine)
        if not mine:
            for each in self.sources.modules:
                for value in assignments.named_celery(each.tree):
                    yield each, value

    def key(self, source: Source, spelled: str, value: ast.expr, prefix: str) -> None:
        """Note one key: unknown, refused, without effect, or used."""
        place, name = self.place(source, value), new_name(spelled)
        if name is None:
            if spelled.isidentifier() and not spelled.startswith("_"):
                shown = f"{prefix}{spelled.upper()}: " if prefix else ""
                near = get_close_matches(spelled, BY_NAME, n=1, cutoff=0.82)
                meant = f": do you mean {near[0]!r}?" if near else "."
                self.found.look(place, f"{shown}{spelled!r} has no effect, it is not a configuration key of Celery{meant}")
            return
        row, given = BY_NAME[name], literals.value(value)
        self.found.keys.append((f"{name}: {row.effect}, {row.text}", place))
        if row.effect is Effect.REFUSED and given is literals.UNKNOWN:
            self.found.look(place, f"{name}={ast.unparse(value)[:60]} is not available, unless it is false: {row.text}.")
        elif row.effect is Effect.REFUSED and given not in (None, False):
            self.found.change(place, f"{name} is not available: {row.text}.")
        elif (
            row.allowed and given is not literals.UNKNOWN and (list(given) if isinstance(given, tuple | set) else given) not in row.allowed
        ):
            self.found.change(place, f"{name}={given!r} is not available: {row.text}.")
        elif row.allowed and given is literals.UNKNOWN:
            self.found.look(place, f"{name}={ast.unparse(value)[:60]}: {row.text}.")
        if name in ("task_time_limit", "task_soft_time_limit"):
            self.found.differs(f"task({name.removeprefix('task_')}=)", place)
        if name == "broker_url":
            self.broker(source, value)
        elif name == "beat_schedule":
            self.schedule(source, value)
        elif name == "task_routes":
            self.routes(source, value)

    def broker(self, source: Source, value: ast.expr) -> None:
        """Note the broker that the code names: it must be RabbitMQ, and that of CALLBOARD_BROKER_URL."""
        place, texts = self.place(source, value), list(assignments.texts(source, value))
        self.found.differs("Celery(broker=)", place)
        foreign = [text for text in texts if _FOREIGN.match(text)]
        if foreign:
            self.found.change(
                place, f"The broker {foreign[0].partition(':')[0]}: is not RabbitMQ. Take it out of the code, and set CALLBOARD_BROKER_URL."
            )
            return
        given = literals.value(value)
        if isinstance(given, str) and given:
            try:
                [broker_url(url) for url in list_of(given, ";")]
            except ValueError as error:
                self.found.change(place, f"The broker of the code {error}.")
        elif given is literals.UNKNOWN:
            self.found.look(place, f"The broker {ast.unparse(value)[:60]} must be the one of CALLBOARD_BROKER_URL.")

    def schedule(self, source: Source, value: ast.expr) -> None:
        """Note beat's entries."""
        entries = list(assignments.pairs(assignments.followed(source, value)))
        for name, entry in entries:
            self.entry(source, name, entry)
        if not entries and literals.value(value) != {}:
            self.found.look(
                self.place(source, value),
                f"beat_schedule = {ast.unparse(value)[:60]} is known only when the code runs: survey the module by its name.",
            )

    def entry(self, source: Source, name: str, entry: ast.expr) -> None:
        """Note one entry of beat."""
        place, fields = self.place(source, entry), dict(assignments.pairs(entry))
        task, rule = fields.get("task"), fields.get("schedule")
        self.found.schedules.append((f"{name}: {ast.unparse(task) if task else '?'}, {ast.unparse(rule) if rule else '?'}", place))
        self.found.differs("beat_schedule", place)
        for key in fields.keys() - ENTRY_KEYS:
            self.found.look(place, f"beat_schedule[{name!r}]: {unknown('a key of an entry', key, ENTRY_KEYS)}")
        for option, given in assignments.pairs(fields.get("options")):
            self.option(self.place(source, given), name, option, literals.value(given))
        if rule is not None:
            literals.check_interval(rule, self.place(source, rule), self.found)

    def option(self, place: Place, name: str, option: str, value: Any) -> None:
        """Note an option of an entry that a schedule refuses, or that Celery does not know."""
        try:
            if is_kept(option, value) is None:
                self.found.look(place, f"beat_schedule[{name!r}]: {unknown('an option of an entry', option, ENTRY_OPTIONS)}")
        except (Unsupported, TypeError) as error:
            self.found.change(place, f"beat_schedule[{name!r}]: {error}")

    def routes(self, source: Source, value: ast.expr) -> None:
        """Note routes, and those that name more than queue and priority."""
        pairs = list(assignments.pairs(assignments.followed(source, value)))
        for pattern, route in pairs:
            place, given = self.place(source, route), literals.value(route)
            self.found.routes.append((f"{pattern} -> {ast.unparse(route)}", place))
            if isinstance(given, Mapping | str):
                try:
                    routes.as_route(given)
                except (Unsupported, ImproperlyConfigured) as error:
                    self.found.change(place, str(error))
        if not pairs:
            self.found.routes.append((ast.unparse(value)[:100], self.place(source, value)))

    @staticmethod
    def place(source: Source, node: ast.AST) -> Place:
        return Place(source.shown, getattr(node, "lineno", 0))


def survey(sources: Sources, names: Names, found: Inventory) -> None:
    """Note the configuration of an application."""
    configuration = _Configuration(sources, names, found)
    for source in sources.modules:
        configuration.survey(source)
    if not found.keys:  # a class outside of the path reads them
        for source in sources.modules:
            for each in assignments.named_celery(source.tree):
                if any(new_name(name) for name, _ in assignments.pairs(each)):
                    configuration.mapping(source, each, each)
