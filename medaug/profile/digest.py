"""The digest of a profile: what decides a pixel, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from medaug.profile.solvers import AT_REST

ROWS_OF_A_PROCESSOR = 8  # slices solved at once where a profile leaves it to the device, and that is a processor

LATER = {"deblock", "fine", "contrast"}  # of restore, and in the digest where they do something
NOT_IN_DIGEST: dict[str, Any] = {
    "description": True,
    "prior": {"path"},
    "strengths": True,
    "evidence": True,
    "output_syntax": True,
    "pictures": True,
    "colour": True,
    "unlabelled": True,
    "classic": True,
    "lists": True,
    "review": True,
}  # no pixel depends on these, but on ``classic`` under the law of that name


def profile_digest(resolved: Mapping[str, Any]) -> str:
    """`Profile.sha256` from the keys of a resolved profile: keys that came to profiles later change no older digest.

    What is left to the device counts as on a processor; `settled.settled` says what it is on another one.
    """
    law = resolved.get("regions")
    copies = isinstance(law, dict) and law.get("kind") == "classic"  # whose pixels follow from ``classic``
    unused = set() if resolved.get("prompt") else {"prompt", "guidance_scale"}  # as before there were prompts
    levers = _pulled(resolved.get("levers"))
    left_out = {
        key for key, all_of_it in NOT_IN_DIGEST.items() if all_of_it is True and not (copies and key == "classic")
    }
    kept = {key: value for key, value in resolved.items() if key not in left_out | unused}
    kept = {key: value for key, value in kept.items() if key != "levers"} | ({"levers": levers} if levers else {})
    if isinstance(kept.get("restore"), dict):  # as before there were these keys
        kept["restore"] = {name: value for name, value in kept["restore"].items() if value or name not in LATER}
    if isinstance(kept.get("window"), dict) and kept["window"].get("number") == 1:  # as before there was a choice
        kept["window"] = {name: value for name, value in kept["window"].items() if name != "number"}
    if kept.get("batch_size") == "auto":
        kept["batch_size"] = ROWS_OF_A_PROCESSOR
    for key, names in NOT_IN_DIGEST.items():
        if names is not True and isinstance(kept.get(key), dict):
            kept[key] = {name: value for name, value in kept[key].items() if name not in names}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _pulled(levers: object) -> object:
    """The levers that aren't at rest: one that comes later changes no digest of a profile that doesn't use it."""
    if not isinstance(levers, dict):
        return levers
    return {name: value for name, value in levers.items() if value not in AT_REST.get(name, ())}
