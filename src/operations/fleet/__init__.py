"""Health and metrics of the fleet, overrides, alerts, webhooks and backups. Imports jobs and the districts below it."""
