"""/admin: users, tokens, sessions, audit, settings, webhooks, backups. One module per page; requires role admin."""
