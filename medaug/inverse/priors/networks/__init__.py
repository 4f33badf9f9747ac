"""The networks of priors: their architectures, guidance, and the precision they run in."""
