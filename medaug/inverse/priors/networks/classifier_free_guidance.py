"""A prompt inside the posterior step, for priors that take one. Without a prompt none of this runs."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.priors.latent_prior import LatentPrior


def guided(prior: LatentPrior, prompt: str, scale: float) -> LatentPrior:
    """The prior under a prompt: what its network predicts becomes empty + scale · (prompted − empty).

    Predictions of eps, v and z0 are linear in one another at a given z_t, so the same mix serves all three. The solver
    sees an ordinary prior, so the prompt acts inside the posterior step and its gradient.

    Network calls per denoise: one at scale 1 (the prompted one alone), else two.

    Args:
        prior: a prior that takes prompts.
        prompt: what the image shows; not empty.
        scale: 0 is the empty prompt, 1 the prompt alone, above 1 more than that.

    Raises:
        PriorError: the prior takes no prompt.

    Source: Ho & Salimans 2022, arXiv 2207.12598, equation 6, with scale = 1 + w.
    """
    if prior.prompted is None:
        raise PriorError(
            f"prior {prior.card.name}: expected one that takes a prompt (a UNet2DConditionModel with text_encoder/ and "
            "tokenizer/), found one that doesn't; leave the prompt out, or use another prior",
            code="prior-unsuitable",
        )
    if scale == 0:
        return prior
    empty, prompted = prior.network, prior.prompted(prompt)

    def network(z_t: Tensor, t: Tensor) -> Tensor:
        without = empty(z_t, t)
        return without + scale * (prompted(z_t, t) - without)

    return replace(prior, network=prompted if scale == 1 else network)
