"""The page people look at, and its pictures."""
