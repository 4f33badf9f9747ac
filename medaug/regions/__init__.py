"""Which voxels are kept, which guide, which are generated."""
