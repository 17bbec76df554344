"""Verbs about jobs, workflows and schedules. Imports shared."""
