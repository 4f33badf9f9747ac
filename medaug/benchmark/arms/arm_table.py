"""Every arm by its name. A new one is its module and its row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from medaug.benchmark.arms.arm import Arm
from medaug.benchmark.arms.copies import duplicates, nothing
from medaug.benchmark.arms.erasing import erasing
from medaug.benchmark.arms.made import made, naive_and_made, naive_of_made
from medaug.benchmark.arms.naive import naive
from medaug.benchmark.arms.pasting import pasting
from medaug.errors import RunError

ARMS: Mapping[str, Arm] = {
    "real": Arm("real images only", nothing),
    "duplicates": Arm("the real images again", duplicates),
    "naive": Arm("flipped, turned, scaled and re-exposed copies (MONAI)", naive),
    "random-erasing": Arm("copies with a rectangle erased", erasing),
    "copy-paste": Arm("copies with another image's lesion pasted in", pasting),
    "round-trip": Arm("copies whose free region went through the prior's autoencoder", made, making="round-trip"),
    "blur": Arm("copies whose free region is blurred", made, making="blur"),
    "noise": Arm("copies whose free region is noise", made, making="noise"),
    "medaug": Arm("variants by the profile", made, making="run"),
    "naive+medaug": Arm("naive copies, half of them of variants", naive_and_made, making="run"),
    "pretraining": Arm("variants first, the real images then", nothing, made, "run"),
    "naive-pretraining": Arm("naive copies first, the real images then", nothing, naive),
    "pretraining+naive": Arm(
        "naive copies of variants first, the real images with theirs then", naive, naive_of_made, "run"
    ),
    "paper": Arm("variants by the published settings", made, making="run", profile="paper"),
}
CONTROL = "duplicates"
NAME = r"[a-z0-9-]+"  # of a profile


@dataclass(frozen=True)
class Chosen:
    """An arm as the user named it.

    Attributes:
        text: such as ``medaug``, ``medaug@strong`` or ``medaug:bone-xray-surroundings@strong``.
        arm: its row.
        strength: in place of the profile's own, by its ladder; "" for the profile's own.
    """

    text: str
    arm: Arm
    strength: str = ""


def chosen(text: str) -> Chosen:
    """The arm of a name; ``NAME:PROFILE@STRENGTH`` takes another profile or strength, for arms that a run makes.

    Whether there is such a profile, `BenchmarkRequest` says: it knows the user's own.

    Raises:
        RunError: there is no such arm, or it has no profile.
    """
    named, at, strength = text.partition("@")
    name, colon, profile = named.partition(":")
    if name not in ARMS:
        raise RunError(f"benchmark: no arm {name!r}; there are {', '.join(ARMS)}")
    if (at or colon) and (ARMS[name].making != "run" or bool(at) != bool(strength)):
        raise RunError(f"benchmark: arm {text!r}: a strength or profile, such as @strong, is of arms that a run makes")
    if not colon:
        return Chosen(text, ARMS[name], strength)
    if not re.fullmatch(NAME, profile):
        raise RunError(f"benchmark: arm {text!r}: expected a profile's name, as in medaug:bone-xray-moved")
    return Chosen(text, replace(ARMS[name], profile=profile, says=f"{ARMS[name].says} ({profile})"), strength)
