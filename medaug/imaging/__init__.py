"""Values on the voxel grid, NumPy only."""
