"""Images that the package itself makes for an arm: variants through a run, and fills without one."""
