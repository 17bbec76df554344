"""Callboard: background jobs for Python teams on RabbitMQ."""

__version__ = "0.1.0"
