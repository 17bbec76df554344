"""Pages about the fleet: overview, alerts, queues, workers, overrides. Imports pages of jobs."""
