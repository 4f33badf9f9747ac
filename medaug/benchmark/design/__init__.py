"""What is compared with what: arms, sizes, folds, and the trainings of a benchmark."""
