"""Alerts: present and past problems of the fleet, mutes, and webhook notifications.

Imports webhooks, leases and below.
"""
