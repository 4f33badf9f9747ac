"""Priors on this machine: where they are stored, how they get there, and how they are checked."""
