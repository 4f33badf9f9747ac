"""What is trained on an arm and finds boxes on the test images."""
