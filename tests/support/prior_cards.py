"""A card with every field filled in."""

from __future__ import annotations

from medaug.inverse.priors.card import PriorCard, SolverWeights, digest_of

FILES = {"a.safetensors": "a" * 64, "b.json": "b" * 64}


CARD = PriorCard(
    name="small",
    sha256=digest_of(FILES),
    licence="CC BY 4.0",
    attribution="nobody",
    trained_on="nothing",
    size=64,
    channels=1,
    stride=8,
    latent_channels=4,
    prediction_type="v_prediction",
    autoencoder_psnr_db=38.4,
    not_for="diagnosis",
    weights=(
        SolverWeights("psld", 25, 0.6, 1.0, 0.1),
        SolverWeights("psld", 50, 0.8, 0.3, 0.03),
        SolverWeights("psld", 1000, 1.0, 1.0, 0.2),
        SolverWeights("other", 25, 0.6, 9.0, 9.0),
    ),
    files=FILES,
    recipe="recipe small, seed 1",
    latent_scale=(0.5, 0.25, 2.0, 1.0),
    autoencoder_spectrum={"10-51 px": 0.99},
    quality={"medaug": {"distance": 0.03}},
    copying={"held out": {"median": 0.5, "number": 3}},
)
