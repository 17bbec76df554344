"""What puts right what was lost or came due: relay, reconciler, dead letters, and RabbitMQ's state beside that of SQL.

Imports `consume`, `publish` and `core`; runs in workers and schedulers.
"""
