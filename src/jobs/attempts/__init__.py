"""One running attempt as its actor sees it: current_job, progress, log lines, masked secrets, stack requests.

Imports core.
"""
