"""Webhooks: subscriptions, and the deliveries for ends of jobs and for alerts.

Imports core and submit.
"""
