"""One worker process: boot, lease and heartbeat, status page and watchdog, an end in good order.

Imports every other district and puts their parts together.
"""
