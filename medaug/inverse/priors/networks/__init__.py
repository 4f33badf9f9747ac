"""The networks of priors: their architectures, guidance by a prompt, and the precision they run in."""
