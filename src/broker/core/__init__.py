"""What every part of the broker room stands on: connections, queues, the lease and load of a worker, supervised threads.

Imports nothing else of this room.
"""
