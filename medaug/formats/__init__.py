"""Images that aren't DICOM, one reader and writer a format, and the table that tells formats apart."""
