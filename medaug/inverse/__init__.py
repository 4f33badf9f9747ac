"""Inverse problems on tensors; nothing here knows a file format."""
