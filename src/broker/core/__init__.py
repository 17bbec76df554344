"""Foundations of the broker room: connections, queues, a worker's lease and load, supervised threads.

Imports nothing else of this room.
"""
