"""Start a network from that of a prior with other latents: what it learnt of shapes and noise is worth hours.

Only the first and the last convolution hang on what a latent channel means. Both autoencoders begin as a PCA of
patches, so the old channels are nearly a linear map of the new ones, cell by cell; put before the old first
convolution, and its counterpart behind the old last one, it makes the old network one of the new latents. Channels
that the old latents don't know start unseen, and predicted as 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.inverse.priors.embedded import embedded_with
from medaug.inverse.priors.loaders.load import card_of
from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.training.from_prior import base_autoencoder
from medaug.training.recipe import TrainingRecipe

IMAGES = 256  # from which the map between the latents is taken


def named_prior(recipe: TrainingRecipe, key: Literal["base", "trunk"], folder: Path | None) -> Path:
    """The folder, or without one that of the prior in the package that the recipe names.

    Raises:
        PriorError: it doesn't.
    """
    digest = str(getattr(recipe, key))
    folder = folder or embedded_with(digest)
    found = card_of(folder).sha256
    if found != digest:
        raise PriorError(
            f"recipe {recipe.name}: {key}: expected the folder of prior {digest[:16]}, found {found[:16]}; "
            f"give it with --{key}",
            code="prior-unknown",
        )
    return folder


@torch.no_grad()
def start_trunk(net: nn.Module, trunk: Path, autoencoder: LappedAutoencoder, latents: Tensor) -> None:
    """Set the weights to those of the trunk's network, behind and before maps between its latents and these.

    Args:
        net: of the new recipe; the same but for the channels of its latents.
        trunk: folder of the prior.
        autoencoder: of the new latents.
        latents: (N, V, c, h, w) of training images.
    """
    z = latents[:: max(1, len(latents) // IMAGES), 0].float()
    there, back = between(z, base_autoencoder(trunk).encode(autoencoder.decode(z).clamp(-1, 1)))
    weights = {name: value.float() for name, value in load_tensors(trunk / "unet.safetensors").items()}
    weights["conv_in.weight"] = torch.einsum("oikl,ij->ojkl", weights["conv_in.weight"], there)
    weights["conv_out.weight"] = torch.einsum("ij,jokl->iokl", back, weights["conv_out.weight"])
    weights["conv_out.bias"] = back @ weights["conv_out.bias"]
    net.load_state_dict(weights)


def between(new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Least squares over cells: (old channels, new) that makes old latents of new ones, and (new, old) the other way.

    Args:
        new: (N, c, h, w).
        old: (N, d, h, w) of the same images.
    """
    a, b = (z.movedim(1, -1).flatten(0, -2) for z in (new, old))
    return torch.linalg.lstsq(a, b).solution.T, torch.linalg.lstsq(b, a).solution.T
