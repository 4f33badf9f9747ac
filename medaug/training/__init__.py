"""Train a prior."""
