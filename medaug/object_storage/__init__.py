"""Exports and outputs in object storage: s3:// addresses, spoken to through fsspec; by this folder alone."""
