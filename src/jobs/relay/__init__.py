"""Queries of the relay: due jobs, possibly lost messages, and confirmed publications.

Imports leases and below.
"""
