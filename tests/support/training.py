"""A recipe that trains in a second."""

from __future__ import annotations

RECIPE = {
    "schema_version": 1,
    "name": "tiny",
    "seed": 7,
    "data": {"size": 64, "validation": 0.3, "shares": {"a": 0.75, "b": 0.25}},
    "autoencoder": {
        "channels": 4,
        "width": 8,
        "steps": 2,
        "batch": 2,
        "rate": 1e-3,
        "gradient_weight": 1.0,
        "cycle_weight": 0.1,
    },
    "diffusion": {
        "channels": [8, 16],
        "layers": 1,
        "head": 8,
        "groups": 4,
        "steps": 4,
        "batch": 3,
        "rate": 1e-3,
        "warmup": 2,
        "decay": 1,
        "precision": "bfloat16",
        "ema": 0.9,
        "validate_every": 2,
        "checkpoint_every": 1,
    },
    "card": {"licence": "none", "attribution": "none", "trained_on": "noise", "not_for": "anything"},
}
