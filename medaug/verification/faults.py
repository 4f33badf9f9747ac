"""What can be wrong with an OUTPUT, each with a frozen code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CODES: Mapping[str, str] = {
    "format": "FORMAT.json is missing, not readable, or of another format or version",
    "ledger-chain": "a line of the ledger was changed, removed, added or cut off, or a file there is no segment",
    "seal-missing": "there is no seal: the run hasn't ended, or the seal was removed",
    "seal-malformed": "seal.json is no seal",
    "seal-unsigned": "a public key was given, and the seal has no signature",
    "seal-signature": "no signature of the seal is the given key's",
    "seal-anchor": "the anchor that was given, or that lies beside the seal, names another seal, or can't be read",
    "seal-root": "the results are not those that were sealed",
    "seal-ledger": "the ledger's segments are not those that were sealed",
    "file-missing": "a file that the record or the seal names isn't there",
    "file-unknown": "a file that neither the record nor the seal names, or that no run writes",
    "file-changed": "a file has another digest than in the record or the seal",
    "unit-unlogged": "a unit's folder without a line in the ledger",
    "unit-key": "the unit key isn't the digest of its recipe, or the source key not that of its source",
    "recipe-differs": "the record contradicts the recipe it was made by",
    "profile-differs": "profile.yaml isn't the profile of the record",
    "record-differs": "record.json isn't the ledger's record of the unit",
    "record-outputs": "the record's outputs are not those of its unit",
    "box-outside": "a box reaches outside the grid",
    "gate": "a unit is written although a check failed",
    "unreadable": "an image or an evidence object can't be read",
    "uid-differs": "an instance has another UID than in the record, or its source's",
    "uid-repeated": "two instances have one UID, or two units one series",
    "not-synthetic": "SyntheticData isn't YES, or of a classic copy neither YES nor NO",
    "not-derived": "the first value of ImageType isn't DERIVED",
    "reference": "a reference to an instance leads nowhere, to the instance itself, or to another source",
    "grid-differs": "an image has another size or number of frames than the record's grid, or lies elsewhere",
    "pixels-differ": "an image's stored values have another digest than in the record",
    "evidence-differs": "an evidence object isn't what follows from the images, the record and the profile",
    "regions-differ": "the evidence of what is generated contradicts the record",
    "source-missing": "no file of the given source has the recorded digest",
    "source-unreadable": "a file of the source can't be read",
    "header-differs": "a header isn't what follows from the source, the record and the profile",
    "meaning-differs": "an attribute that says what the pixels mean or where they lie isn't the source's",
    "carried-changed": "a slice that says it was carried over isn't its source's",
    "protected-changed": "a protected voxel doesn't hold the source's stored value",
    "copy-differs": "a record, its header or the profile's law say different things of whether anything was generated",
    "moved-differs": "boxes, headers or the profile contradict the map by which the record says the source was moved",
    "transplant-differs": "boxes, headers or the profile contradict what the record says was set in of another source",
    "label-differs": "a record or a header hides, or invents, that the pixels in labelled boxes were generated",
    "decision-differs": "a decision is of no written unit, of other pixels or boxes, or for an unknown reason",
    "list-differs": "monai.json, coco.json or croissant.json contradicts the records",
    "pixels-unknown": "an image's stored values are no output's",
    "replay-differs": "a unit that was made again has other stored values",
}


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        code: of `CODES`.
        message: one sentence without identity.
        file: relative to OUTPUT, or ``""``.
        unit: the unit key, or ``""``.
    """

    code: str
    message: str
    file: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"fault: {self.code!r} is not one of the codes")
