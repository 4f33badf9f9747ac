"""One unit of work, from its source to its files, and the line of units through a worker."""
