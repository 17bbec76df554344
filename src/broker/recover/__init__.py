"""Recovery of lost and due messages: relay, reconciler, dead letters, and RabbitMQ's state compared with SQL.

Imports `consume`, `publish` and `core`; runs in workers and schedulers.
"""
