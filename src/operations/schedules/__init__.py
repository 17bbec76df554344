"""Requests for schedules and documents of them. Imports jobs and the districts below it."""
