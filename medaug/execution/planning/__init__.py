"""What is asked of a run, and what it will do: sources, units, and the plan."""
