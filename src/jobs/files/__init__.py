"""Files that jobs are given or return: durable writes, uploads, result files.

Imports core.
"""
