"""Health and metrics of the fleet, overrides, alerts, webhooks and backups. Imports jobs and what lies below it."""
