"""From generated values to derived instances: attributes, encoding, and the file read back."""
