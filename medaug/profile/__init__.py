"""The YAML contract of a run: its keys, how it is read, and its digest."""
