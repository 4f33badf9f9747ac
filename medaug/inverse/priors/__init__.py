"""Diffusion priors and the adapters that make them alike."""
