"""The rule that chooses the default of the radiographs' profiles by what a setting is worth to a detector.

`RULE` is what docs/explanation/does-it-help.md says before its table; `chosen` applies it, and nothing was set by hand
after figures were seen but the three numbers that stand here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medaug.benchmark.report.tables import signed
from medaug.profile.load import load_profile
from medaug.profile.strength import NAMES, with_strength

MOST_AUC, LEAST_GAIN = 0.60, 0.03
LAWS = ("bone-xray-surroundings", "bone-xray-moved", "bone-xray-transplant", "bone-xray-inside")
JUDGED = {"bone-xray-surroundings": 0.53}  # docs/how-to/realism.md; a ladder's rungs state their own
RULE = f"""Of the shipped settings for radiographs of limbs:

1. **Realistic**: the judge tells its variants from real images with an AUC of at most {MOST_AUC:.2f}
   ([can anybody tell](../how-to/realism.md)). A setting that wasn't judged can't become the default.
2. **Useful**: in a comparison that declared it beforehand, on patients and with seeds that no search used, it gains
   {signed(LEAST_GAIN)} AP50 or more over count-matched duplicates, with an interval above 0; and naive copies, half of
   them of its variants, are no worse than naive copies alone.
3. Of those that are left the one that gains most.

Where none is left, utility tells no setting from another, and what
[the front](../measurements/solver-front.md) chose by faithfulness, realism, variety and cost stays the default."""


@dataclass(frozen=True)
class Setting:
    """A shipped setting, with what is known of it.

    Attributes:
        name: of the profile, with its strength where it isn't the profile's own.
        auc: of the judge; None where it wasn't judged.
        gain: AP50 over duplicates, and the ends of its 95 % interval; None where it wasn't compared.
        over_naive: AP50 of naive copies with its variants, less naive copies; None where it wasn't compared.
    """

    name: str
    auc: float | None
    gain: tuple[float, float, float] | None
    over_naive: float | None

    @property
    def realistic(self) -> bool:
        """By the rule's first step."""
        return self.auc is not None and self.auc <= MOST_AUC

    @property
    def useful(self) -> bool:
        """By its second."""
        if self.gain is None or self.over_naive is None:
            return False
        return self.gain[0] >= LEAST_GAIN and self.gain[1] > 0 and self.over_naive >= 0


def chosen(settings: Sequence[Setting]) -> Setting | None:
    """What the rule takes; None where the front's choice stays."""
    left = [one for one in settings if one.realistic and one.useful]
    return max(left, key=lambda one: one.gain[0] if one.gain else 0.0, default=None)


def section(settings: Sequence[Setting], today: str) -> list[str]:
    """The rule, the table and what follows from it."""
    taken = chosen(settings)
    rows = [
        (
            f"`{one.name}`",
            "not judged" if one.auc is None else f"{one.auc:.2f}",
            "not compared" if one.gain is None else "{} ({} to {})".format(*map(signed, one.gain)),
            "not compared" if one.over_naive is None else signed(one.over_naive),
            _verdict(one),
        )
        for one in settings
    ]
    follows = (
        f"**What follows today**: `{taken.name}` is the default."
        if taken
        else f"**What follows today**: no setting is left, so `{today}` stays as the front chose it."
    )
    head = ("setting", "AUC", "AP50 over duplicates (95 % interval)", "with naive copies, over them alone", "left")
    return [
        RULE,
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        follows,
    ]


def _verdict(one: Setting) -> str:
    if not one.realistic:
        return "no: not shown to be realistic"
    return "yes" if one.useful else "no: not shown to be useful"


def settings_of(comparisons: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """The shipped settings for limbs, each with the newest comparison that it stood in.

    Args:
        comparisons: of docs/measurements/does-it-help.json that are on radiographs of limbs, newest first.
    """
    return [_setting(name, comparisons) for name in (*(f"bone-xray@{rung}" for rung in NAMES), *LAWS)]


def _setting(name: str, comparisons: Sequence[Mapping[str, Any]]) -> Setting:
    plain, _, rung = name.partition("@")
    profile = load_profile(plain)
    ladder = getattr(profile.strengths, rung) if rung and profile.strengths else None
    auc = ladder.measured.auc if ladder and ladder.measured else JUDGED.get(plain)
    digest = (with_strength(profile, rung) if rung else profile).sha256
    gain = _contrast(comparisons, digest, "medaug", "duplicates")
    beside = _contrast(comparisons, digest, "naive+medaug", "naive")
    return Setting(name, auc, gain, beside[0] if beside else None)


def _contrast(
    comparisons: Sequence[Mapping[str, Any]], digest: str, kind: str, control: str
) -> tuple[float, float, float] | None:
    """Estimate and interval of the newest contrast of arms of a kind that are made by a profile."""
    for one in comparisons:
        made_by = {arm for arm, made in one["plan"]["profiles"].items() if made == digest}
        asked = {(arm, control) for arm in made_by if arm.partition(":")[0].partition("@")[0] == kind}
        for found in (one["results"]["primary"], *one["results"]["others"]):
            if (found["arm"]["arm"], found["control"]["arm"]) in asked and found["estimate"] is not None:
                return found["estimate"], found["low"], found["high"]
    return None
