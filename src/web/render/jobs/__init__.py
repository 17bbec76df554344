"""Parts of a job on its page: result, traceback, forecast, links of its reason, and the code that submits it again.

Imports no other module of render.
"""
