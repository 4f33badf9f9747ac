"""Solvers, one file per algorithm."""
