"""The private RabbitMQ node of `./run up`: its process and its files.

Imports settings, and of the broker room only the test of a login: pika stays there.
"""
