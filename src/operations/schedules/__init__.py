"""Requests for schedules and documents of them. Imports jobs and what lies below it."""
