"""Which images a label map is named like: case7 for case7, case7_seg and, as nnU-Net's channel, case7_0000.

A map of a case with several sequences (BraTS: case7_t1, case7_flair and one case7_seg) is named like all of them. One
in a folder that is named like an image (TotalSegmentator: case7 and case7/liver), or that has a folder's only image
beside or above it (ct and segmentations/liver), is that image's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medaug.annotations.model import Images
from medaug.annotations.parsing import common, folders, stem

SUFFIXES = (".nii", ".nii.gz", ".nrrd")
BY_FOLDER = -1  # the score of a map that goes by its folder alone: less than any name's
MAP_WORDS = frozenset(
    {"seg", "dseg", "segmentation", "segmentations", "mask", "masks", "label", "labels", "labelmap", "lesion",
     "lesions", "roi", "gt", "groundtruth", "annotation", "annotations", "tumor", "tumour"}
)  # fmt: skip
MAP_FOLDERS = frozenset({"seg", "segmentation", "segmentations", "mask", "masks", "label", "labels", "labelstr",
                         "labelsts", "annotations"})  # fmt: skip
_CHANNEL = re.compile(r"(.+)_\d{4}")
_KIND = re.compile(r"[_.\- ](?=[a-z][a-z_\- ]*$)")  # where a kind such as _seg begins; case7_2 is another case
# An image's sequence or modality as BraTS, BIDS, PI-CAI and others put it at the end of its name.
_SEQUENCE = re.compile(
    r"(.+)[_.\- ](?:t1|t2|pd|flair|dwi|adc|swi|hbv|dce|bold|ct|cbct|pet|mr|cor|sag|tra)[a-z0-9]{0,6}"
)


@dataclass(frozen=True)
class NameMatch:
    """The images of one name that lie nearest to a label map.

    Attributes:
        files: their paths.
        score: how many folders they share with the map, counted from the file upwards; `BY_FOLDER` without a name.
    """

    files: tuple[str, ...] = ()
    score: int = 0


@dataclass(frozen=True, eq=False)
class ImageNames:
    """NIfTI and NRRD images by their name without suffix, by that without the channel's number, or the sequence."""

    stems: dict[str, list[str]]
    channels: dict[str, list[str]]
    sequences: dict[str, list[str]]

    @classmethod
    def of(cls, images: Images, maps: Iterable[Path]) -> ImageNames:
        """Index all such images, also those that can't be used; a label map is none."""
        volumes = [v.source.files[0] for v in images.volumes if v.source.format in {"nifti", "nrrd"}]
        known = [file for file in images.known if file.name.lower().endswith(SUFFIXES)]
        return cls.among(dict.fromkeys((*volumes, *known)).keys() - set(maps))

    @classmethod
    def among(cls, files: Iterable[Path]) -> ImageNames:
        """Index these image files."""
        stems, channels, sequences = defaultdict(list), defaultdict(list), defaultdict(list)
        for file in sorted(files):
            name = stem(file.name)
            stems[name].append(str(file))
            if match := _CHANNEL.fullmatch(name):
                channels[match[1]].append(str(file))
            if match := _SEQUENCE.fullmatch(name):
                sequences[match[1]].append(str(file))
        return cls(dict(stems), dict(channels), dict(sequences))

    def match(self, path: Path) -> NameMatch:
        """The images that a map is named like; of several with one name, those whose folders fit best."""
        own = stem(path.name)
        shorter = [own[: match.start()] for match in reversed(list(_KIND.finditer(own)))]
        options = [self.stems.get(own, []) + self.channels.get(own, [])]
        options += [self.stems.get(name, []) + self.channels.get(name, []) for name in shorter]
        if own.rsplit("_", 1)[-1].rsplit("-", 1)[-1] in MAP_WORDS:
            options += [self.sequences.get(name, []) for name in shorter]
        files = next((option for option in options if option), [])
        stated = folders(str(path))
        scores = [common(stated, folders(file)) for file in files]
        best = max(scores, default=0)
        return NameMatch(tuple(sorted(f for f, score in zip(files, scores, strict=True) if score == best)), best)


def match_by_folder(path: Path, files: Iterable[str]) -> NameMatch:
    """The one of these images that the map's folder is named like, or whose folder is that or the one above.

    In its tree or in another like it.
    """
    own, files = folders(str(path)), tuple(files)
    called = tuple(file for file in files if stem(file) in _called(path.parent))
    if len(called) == 1:
        return NameMatch(called, BY_FOLDER)
    scores = {file: max(common(own, folders(file)), common(own[:-1], folders(file))) for file in files}
    best = [file for file, score in scores.items() if score and score == max(scores.values())]
    return NameMatch(tuple(best), BY_FOLDER) if len(best) == 1 else NameMatch()


def maps_beside(files: Iterable[Path]) -> frozenset[Path]:
    """Which of the NIfTI and NRRD files of INPUT are label maps of others there, by their names and folders alone."""
    every = [file for file in files if file.name.lower().endswith(SUFFIXES)]
    called = {file for file in every if _map_word(file)}
    names = ImageNames.among(set(every) - called)
    images = set(every) - called
    homes, beside = {file.parent for file in images}, {(file.parent, stem(file.name)) for file in images}
    named = (file for file in images if any((file.parent.parent, name) in beside for name in _called(file.parent)))
    return frozenset((*named, *(f for f in called if names.match(f).files or not homes.isdisjoint(f.parents[:2]))))


def _called(folder: Path) -> tuple[str, ...]:
    """What images a folder is named like: case7 for case7, and for case7_segmentations."""
    name = folder.name.casefold()
    shorter = name.rpartition("_")
    return (name, shorter[0]) if shorter[2] in MAP_WORDS else (name,)


def _map_word(file: Path) -> bool:
    words = re.split(r"[_.\- ]", stem(file.name))
    return words[-1] in MAP_WORDS or file.parent.name.casefold() in MAP_FOLDERS
