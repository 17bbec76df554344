"""One worker process: boot, lease and heartbeat, status page and watchdog, graceful shutdown.

Imports every other district and assembles their parts.
"""
