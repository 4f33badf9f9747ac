"""Whether an OUTPUT is what its record says, judged from its files alone."""
