"""Routes about the fleet: queues, workers, overrides, alerts, webhooks, backups. Imports jobs and requests."""
