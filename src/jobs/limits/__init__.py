"""Limits: admission, rate and concurrency limits, circuit breakers, fair queueing, operators' overrides.

Decides and keeps counts; the caller that claims a job defers it. Imports core.
"""
