"""Requests for workflows and documents of them. Imports jobs and what lies below it."""
