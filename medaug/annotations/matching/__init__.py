"""Which image an annotation belongs to: by name, by position, by grid."""
