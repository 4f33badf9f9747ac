"""The process in which annotations are read, see `annotations.bounded`: ``python -m …``."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from medaug.annotations.registry import Matched, read_annotations, read_masks
from medaug.annotations.structures import packed, read_structures
from medaug.imaging.volume import Mask
from medaug.processes.serving import limit_memory, serve

MATCHED: TypeAdapter[Matched] = TypeAdapter(Matched)


def _prepared(facts: dict[str, Any], data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the reader is called with; the memory that it may take counts from here."""
    os.chdir(facts["folder"])
    arguments, how = pickle.loads(data)  # noqa: S301 - from the process that started this one, through a pipe
    limit_memory(facts["memory"], for_good=False)
    return arguments, how


def _boxes(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    arguments, how = _prepared(facts, data)
    return {}, MATCHED.dump_json(read_annotations(*arguments, **how))


def _structures(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    arguments, how = _prepared(facts, data)
    return _masks((key, "", mask) for key, mask in read_structures(*arguments, **how).items())


def _marked(facts: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    arguments, how = _prepared(facts, data)
    return _masks((each.key, each.label, each.mask) for each in read_masks(*arguments, **how))


def _masks(found: Iterable[tuple[str, str, Mask]]) -> tuple[dict[str, Any], bytes]:
    """Masks of volumes, packed: how many there are, and their keys, labels and lengths before their bytes."""
    each = [(key, label, packed(mask)) for key, label, mask in found]
    listed = json.dumps([(key, label, len(data)) for key, label, data in each]).encode()
    return {"listed": len(listed)}, b"".join((listed, *(data for _, _, data in each)))


if __name__ == "__main__":
    serve({"boxes": _boxes, "structures": _structures, "masks": _marked})
