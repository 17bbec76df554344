"""Server-sent events: watched jobs and workflows. Imports http and auth."""
