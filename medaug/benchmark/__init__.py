"""Do variants help a detector? Arms, detectors, figures and statistics, on the user's own labelled images."""
