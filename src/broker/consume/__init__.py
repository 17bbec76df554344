"""Consumption: from RabbitMQ to a claimed job in the work queue: consumers, claims, acknowledgements.

Imports only `core` of this room; running a job and committing its end are passed in as functions.
"""
