"""Webhooks: subscriptions, and the deliveries that ends of jobs and alerts cause.

Imports core and submit.
"""
