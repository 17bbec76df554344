"""Scenarios that benchmarks of queues on PostgreSQL publish, for Callboard and others: `python -m bench.scenarios`.

Steady load, a pinned reader, killed workers, a restarted database, a burst. `producing` and `notes` run in the sides'
own processes and import nothing but the standard library.
"""
