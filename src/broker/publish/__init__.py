"""From a committed row to RabbitMQ: group commit of submissions, the publisher, its confirmations.

Imports `core` alone of this room.
"""
