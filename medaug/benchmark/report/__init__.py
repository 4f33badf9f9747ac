"""The table, the curves and the sentence that a benchmark ends with."""
