"""The record of a run: one line per unit, chained, in one spelling."""
