"""From files to volumes: discovery, headers, decoding, and stacks of slices."""
