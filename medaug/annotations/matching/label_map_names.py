"""Which images a label map is named like: case7 for case7, case7_seg and, as nnU-Net's channel, case7_0000."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medaug.annotations.model import Images
from medaug.annotations.parsing import common, folders, stem

VOLUMES = (".nii", ".nii.gz", ".nrrd")
_CHANNEL = re.compile(r"(.+)_\d{4}")
_KIND = re.compile(r"[_.\- ](?=[a-z][a-z_\- ]*$)")  # where a kind such as _seg begins; case7_2 is another case


@dataclass(frozen=True)
class Alike:
    """The images of one name that lie nearest to a label map.

    Attributes:
        files: their paths.
        score: how many folders they share with the map, counted from the file upwards.
    """

    files: tuple[str, ...] = ()
    score: int = 0


@dataclass(frozen=True, eq=False)
class Names:
    """NIfTI and NRRD files by their name without suffix, and by that without the channel's number."""

    stems: dict[str, list[str]]
    channels: dict[str, list[str]]

    @classmethod
    def of(cls, images: Images, maps: Iterable[Path]) -> Names:
        """Index all such images, also those that can't be used; a label map is none."""
        stems, channels = defaultdict(list), defaultdict(list)
        volumes = [v.source.files[0] for v in images.volumes if v.source.format in {"nifti", "nrrd"}]
        known = [file for file in images.known if file.name.lower().endswith(VOLUMES)]
        for file in dict.fromkeys((*volumes, *known)).keys() - set(maps):
            name = stem(file.name)
            stems[name].append(str(file))
            if match := _CHANNEL.fullmatch(name):
                channels[match[1]].append(str(file))
        return cls(dict(stems), dict(channels))

    def like(self, path: Path) -> Alike:
        """The images that a map is named like; of several with one name, those whose folders fit best."""
        own = stem(path.name)
        shorter = [own[: match.start()] for match in _KIND.finditer(own)]
        options = [self.stems.get(own, []) + self.channels.get(own, [])]
        options += [self.stems.get(name, []) for name in reversed(shorter)]
        files = next((option for option in options if option), [])
        stated = folders(str(path))
        scores = [common(stated, folders(file)) for file in files]
        best = max(scores, default=0)
        return Alike(tuple(sorted(f for f, score in zip(files, scores, strict=True) if score == best)), best)
