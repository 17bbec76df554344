"""Bounds of memory that bench.soak holds each process to."""

#: megabytes (PSS) of a process with its children that are never exceeded: docs/reference/memory.md says why
MOST_MB = {"supervisor": 40, "mailbox": 50, "web": 150, "scheduler": 120, "worker": 130, "broker": 250}
#: the same of the supervisor after a reload by --watch
RELOADED_MB = 60
