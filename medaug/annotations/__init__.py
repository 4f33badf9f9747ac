"""Readers of annotation formats, one module each; all end in boxes on the voxel grid."""
