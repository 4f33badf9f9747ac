"""OUTPUT's instances into an archive: marked ones only, never back to where they came from unasked, and held to it."""
