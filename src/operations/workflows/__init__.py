"""Requests for workflows and documents of them. Imports jobs and the districts below it."""
