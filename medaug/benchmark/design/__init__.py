"""What is compared with what: images, groups, folds, and the trainings of a benchmark."""
