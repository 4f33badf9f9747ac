"""Data sets and box lists made from an OUTPUT or an export."""
