"""Worker processes and their leases: claims, heartbeats, commands, lost and stalled workers.

Imports finish and below.
"""
