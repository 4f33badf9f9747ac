"""The numbers under which the evidence beside an image marks voxels, written and verified by the same table."""

FREE, OBSERVED, LABEL = MARKS = (1, 2, 3)  # SegmentNumber (0062,0004) of a DICOM Segmentation


def bit(mark: int) -> int:
    """The mark's bit in a label map, whose voxels may have several: 1, 2, 4."""
    return 1 << (mark - 1)
