"""Plan a run, do it, keep it safe."""
