"""The images of an export as detectors see them."""
