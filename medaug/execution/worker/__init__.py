"""One unit of work, from its source to its files, and the pipeline of units in a worker."""
