"""Processes that are started with ``python -m``: each decodes, solves or unpickles apart from the caller."""
