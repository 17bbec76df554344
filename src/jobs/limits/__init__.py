"""May a job start now? Admission, rate and concurrency limits, circuit breakers, fair queueing, operators' overrides.

Decides and keeps counts; whoever claims defers the job. Imports core.
"""
