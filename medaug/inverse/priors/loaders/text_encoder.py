"""Embeddings of a prompt, the empty one included, for a UNet that is conditioned on text."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.aligned import aligned, aligned_copy, load_tensors
from medaug.inverse.priors.loaders.layout import NULL_EMBEDDING, shown


def null_embedding(path: Path, width: int) -> Tensor:
    """The embedding of the empty prompt (1, tokens, width): from its file, else from the text encoder.

    Raises:
        PriorError: neither is there, or the file holds something else.
    """
    if not (path / NULL_EMBEDDING).is_file():
        return prompt_embedding(path, "", width)
    tensors = load_tensors(path / NULL_EMBEDDING)
    if len(tensors) != 1:
        raise PriorError(
            f"prior {shown(path)}: {NULL_EMBEDDING}: expected one tensor, found {len(tensors)}", code="prior-weights"
        )
    return _of_width(next(iter(tensors.values())).float(), width, path, "null embedding")


def prompt_embedding(path: Path, prompt: str, width: int) -> Tensor:
    """The text encoder's last hidden state for ``prompt``, (1, tokens, width) float32.

    Raises:
        PriorError: there is no text encoder, no package to run it, or its width isn't the UNet's.
    """
    tokenizer, encoder = text_parts(path)
    length = tokenizer.model_max_length
    tokens = tokenizer(prompt, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    with torch.no_grad():
        embedding: Tensor = encoder(tokens.input_ids)[0]
    return aligned_copy(_of_width(embedding.float(), width, path, "text encoder"))


def text_parts(path: Path) -> tuple[Any, Any]:
    """The tokenizer and the text encoder (float32, in evaluation mode) of a prior's folder.

    Raises:
        PriorError: there are none, or no package to run them.
    """
    _require_encoder(path)
    transformers: Any = importlib.import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        tokenizer = transformers.CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
        encoder = transformers.CLIPTextModel.from_pretrained(
            path / "text_encoder", local_files_only=True, use_safetensors=True
        )
    return tokenizer, aligned(encoder.eval().float())  # it may be stored in 16 bits


def _require_encoder(path: Path) -> None:
    folders = (path / "text_encoder").is_dir() and (path / "tokenizer").is_dir()
    if folders and importlib.util.find_spec("transformers") is not None:
        return
    found = "both folders but no package transformers" if folders else "no text_encoder/ and tokenizer/"
    raise PriorError(
        f"prior {shown(path)}: its UNet is conditional; expected {NULL_EMBEDDING} beside it (without a prompt), or "
        f"text_encoder/ and tokenizer/ with the package transformers; found {found}; add one of them",
        code="prior-package",
    )


def _of_width(embedding: Tensor, width: int, path: Path, what: str) -> Tensor:
    if embedding.ndim != 3 or embedding.shape[0] != 1 or embedding.shape[-1] != width:
        raise PriorError(
            f"prior {shown(path)}: {what}: expected (1, tokens, {width}), found {tuple(embedding.shape)}; "
            "use the part that belongs to this UNet",
            code="prior-unsuitable",
        )
    return embedding
