"""Archives that speak DICOMweb: QIDO-RS, WADO-RS and STOW-RS."""
