"""Alerts: what is wrong with the fleet, since when, muted until when, and which webhooks are notified.

Imports webhooks, leases and below.
"""
