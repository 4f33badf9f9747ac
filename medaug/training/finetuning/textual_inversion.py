"""A word of its own for each class, learned while the network stays as it is.

The vector of a new token is found by the denoising loss of the images that show the class, with the text encoder and
the network frozen. It starts at the mean of the vectors of the label's own letters and syllables.

Source: textual inversion, Gal et al. 2022, arXiv 2208.01618; one token per class for augmentation, Trabucco et al.
2023, arXiv 2302.07944.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.inverse.priors.loaders.text_encoder import text_parts


class _Table(nn.Module):
    """The encoder's table of tokens, some rows of which are learned."""

    def __init__(self, known: nn.Module, ids: Sequence[int], learned: Tensor) -> None:
        super().__init__()
        self.known, self.ids = known, tuple(ids)
        self.learned = nn.Parameter(learned.clone())

    def forward(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.known(tokens)
        for row, token in enumerate(self.ids):
            vectors = torch.where((tokens == token)[..., None], self.learned[row], vectors)
        return vectors


@dataclass(frozen=True, eq=False)
class TokenEncoder:
    """A tokenizer and a text encoder that know the new tokens.

    Attributes:
        tokenizer: with the tokens added.
        encoder: frozen but for the tokens' vectors.
        vectors: (tokens, width), what learns; in the order of the labels. Empty where there are no labels.
    """

    tokenizer: Any
    encoder: Any
    vectors: nn.Parameter

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """(prompts, tokens, width): the encoder's last hidden state, differentiable in the vectors."""
        length, device = self.tokenizer.model_max_length, self.vectors.device
        tokens = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        hidden: Tensor = self.encoder(tokens.input_ids.to(device))[0]
        return hidden

    @torch.no_grad()
    def write(self, folder: Path) -> None:
        """Write tokenizer/ and text_encoder/ with the vectors in its table."""
        table = self.encoder.get_input_embeddings()
        known = table.known
        known.weight[list(table.ids)] = table.learned.to(known.weight)
        self.encoder.set_input_embeddings(known)
        self.tokenizer.save_pretrained(folder / "tokenizer")
        self.encoder.save_pretrained(folder / "text_encoder", safe_serialization=True)
        self.encoder.set_input_embeddings(table)


def token_of(label: str) -> str:
    """The token of a label, such as ``<femoral-fracture>``.

    Raises:
        PriorError: no letter or digit in it.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not plain:
        raise PriorError(
            f"label {label!r}: expected a letter or digit a-z, 0-9 for its token, found none; rename it",
            code="training-data",
        )
    return f"<{plain}>"


def words(path: Path, labels: Sequence[str], device: str) -> TokenEncoder:
    """The text encoder of a prior's folder, with a token for each label.

    Raises:
        PriorError: there is no text encoder, or two labels would have the same token.
    """
    names = [token_of(label) for label in labels]
    if len(set(names)) < len(names):
        raise PriorError(
            f"labels {', '.join(labels)}: expected a token for each, found the same twice; rename one",
            code="training-data",
        )
    tokenizer, encoder = text_parts(path)
    encoder.requires_grad_(False)
    starts = [_mean_vector(tokenizer, encoder, label) for label in labels]
    tokenizer.add_tokens(names)  # one that is known from an earlier training stays, and goes on from its vector
    ids = [int(tokenizer.convert_tokens_to_ids(name)) for name in names]
    before = encoder.get_input_embeddings().num_embeddings
    with torch.random.fork_rng(devices=[]):
        encoder.resize_token_embeddings(max(before, len(tokenizer)), mean_resizing=False)
    known = encoder.get_input_embeddings()
    first = [known.weight[i].detach() if i < before else start for i, start in zip(ids, starts, strict=True)]
    table = _Table(known, ids, torch.stack(first) if first else known.weight[:0].detach())
    encoder.set_input_embeddings(table)
    return TokenEncoder(tokenizer, encoder.to(device), table.learned)


@torch.no_grad()
def _mean_vector(tokenizer: Any, encoder: Any, label: str) -> Tensor:
    pieces = tokenizer(label.lower(), add_special_tokens=False, return_tensors="pt").input_ids
    vector: Tensor = encoder.get_input_embeddings()(pieces)[0].mean(dim=0)
    return vector
