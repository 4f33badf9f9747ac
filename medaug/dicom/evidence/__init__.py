"""What stands beside a derived series as evidence: which voxels were generated (SEG), and the labels (SR)."""
