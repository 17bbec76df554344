"""Notifications of failures, alerts and schedules, by mail and webhook.

Imports other modules of actors; none of them imports this folder.
"""
