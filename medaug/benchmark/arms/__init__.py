"""What may be added to the real images of a training set; a module for each, a row for each in `table`."""
