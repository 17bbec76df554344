"""Publication: from a committed row to RabbitMQ: group commit of submissions, the publisher, its confirmations.

Imports only `core` of this room.
"""
