"""Shared by the verbs: data folder, caller, actor arguments as options, audit hook, progress display."""
