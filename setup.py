"""Install the folder src/ as the package `callboard`; everything else is declared in setup.cfg.

setup.cfg cannot say "every package below src/, by another name". See docs/decisions/0001-second-name.md.
"""

from __future__ import annotations

from setuptools import find_packages, setup

NAME = "callboard"
#: a package of nothing but data: the RabbitMQ configuration, which lies beside src/ in a checkout
TEMPLATES = f"{NAME}.up.rabbitmq.templates"

setup(
    package_dir={NAME: "src", TEMPLATES: "rabbitmq"},
    packages=[NAME, *(f"{NAME}.{package}" for package in find_packages("src")), TEMPLATES],
)
