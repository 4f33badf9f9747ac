"""Processes that are started with ``python -m``: each decodes, solves or unpickles for the caller."""
