"""Install the folder src/ as the package `callboard`; everything else is declared in setup.cfg.

setup.cfg cannot say "every package below src/, by another name". See docs/decisions/0001-second-name.md.
"""

from __future__ import annotations

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

NAME = "callboard"
#: a package of nothing but data: the RabbitMQ configuration, which lies beside src/ in a checkout
TEMPLATES = f"{NAME}.up.rabbitmq.templates"
#: Callboard's own modules and packages of src/actors. A team's modules beside them import `src`, which is not installed.
ACTORS = {
    "__init__", "accounts", "arithmetic", "bulk", "http_call", "http_client", "mail", "notifications", "publishing", "reports", "ssrf_guard",
    "tutorial", "upkeep", "webhooks", "widgets",
}  # fmt: skip


class Build(build_py):
    """Leave out the team's modules of src/actors."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [each for each in found if package != f"{NAME}.actors" or each[1] in ACTORS]


def is_own(package: str) -> bool:
    """False for the team's packages below src/actors."""
    room, _, inner = package.partition(".")
    return room != "actors" or not inner or inner.partition(".")[0] in ACTORS


setup(
    package_dir={NAME: "src", TEMPLATES: "rabbitmq"},
    packages=[NAME, *(f"{NAME}.{package}" for package in find_packages("src") if is_own(package)), TEMPLATES],
    cmdclass={"build_py": Build},
)
