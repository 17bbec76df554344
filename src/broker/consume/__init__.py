"""From RabbitMQ to a claimed job in the queue of the threads: consumers, claims, acknowledgements.

Imports `core` alone of this room; how a job runs and how its end is committed are given as functions.
"""
