"""Lists of the written images for training frameworks."""
