"""What the relay publishes: due jobs, messages that may be lost, and confirmed publications.

Imports leases and below.
"""
