"""Pages about jobs: the list, one job, bulk actions, batches, error groups, held messages. Imports no other pages."""
