"""Private RabbitMQ node of `./run up`: process and files.

Imports settings, and from the broker room only the login check: pika stays there.
"""
