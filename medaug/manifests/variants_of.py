"""The variants that an OUTPUT lists, by the real file that each was made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from medaug.audit.layout import PROFILE
from medaug.audit.output_files import sha256_of
from medaug.errors import ManifestError, OutputError, ProfileError
from medaug.manifests.monai import MONAI
from medaug.profile.components import LawSpec, other_labels
from medaug.profile.load import parse_profile_keys
from medaug.storage.json_stream import array_items, other_members
from medaug.storage.plain_files import read_document

_LAW: TypeAdapter[LawSpec] = TypeAdapter(Annotated[LawSpec, Field(discriminator="kind")])
Boxes = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ListedVariant:
    """One item of monai.json.

    Attributes:
        image: its path.
        boxes: low corner then high, in voxels of the array that MONAI's reader gives; high exclusive.
        labels: the class of each box, by name.
        folds: of the patients that it shows, 0 to 4: one, or two where a lesion was set in.
        about: its ``medaug``: unit, source, patient, …
    """

    image: Path
    boxes: Boxes
    labels: tuple[str, ...]
    folds: tuple[int, ...]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class VariantsOf:
    """What monai.json lists, ready to be joined with real files; can be pickled.

    Attributes:
        variants: digest of the source's file (of several: the first slice's) → its variants, in their order.
        labels: the classes of the list, in the order of their numbers.
    """

    variants: Mapping[str, tuple[ListedVariant, ...]]
    labels: tuple[str, ...] = ()
    _digests: dict[Path, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def in_place(cls, output: str | Path, what: str) -> VariantsOf:
        """`read`, for those who put a variant in a real item's place and leave its boxes as they are.

        Args:
            output: OUTPUT.
            what: who asks, for the message.

        Raises:
            ManifestError: the run's law moved its labels, or as `read`.
        """
        root = Path(output)
        with suppress(OSError, ProfileError, KeyError, TypeError, ValueError):
            law = _LAW.validate_python(parse_profile_keys(read_document(root / PROFILE), PROFILE)["regions"])
            if other_labels(law):
                raise ManifestError(
                    f"{what}: the law {law.kind!r} of OUTPUT's profile moved or added labels, and an item would keep "
                    f"those of its source; train on the items of {MONAI} as they are"
                )
        return cls.read(root)

    @classmethod
    def read(cls, output: str | Path) -> VariantsOf:
        """Read the list of an OUTPUT.

        Raises:
            ManifestError: OUTPUT holds no such list, or an older one that names no digests.
        """
        root = Path(output)
        try:
            names = other_members(root / MONAI)["labels"]
            labels = tuple(names[str(n)] for n in range(len(names)))
            listed: dict[str, list[ListedVariant]] = defaultdict(list)
            for item in array_items(root / MONAI, "training"):
                if item["medaug"]["unit"]:
                    listed[item["medaug"]["source_sha256"]].append(_listed(root, item, labels))
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ManifestError(
                f"OUTPUT: expected a {MONAI} whose items name their source's digest ({type(error).__name__}); give a "
                "folder that `medaug run` made, and after an update the same command again: it renews the lists"
            ) from None
        return cls({sha256: tuple(each) for sha256, each in listed.items()}, labels)

    def of(self, image: str | Path) -> tuple[ListedVariant, ...]:
        """The variants of a real image, a file or a folder of slices; none where it was not augmented.

        Raises:
            ManifestError: there is no such file.
        """
        return self.variants.get(self.digest(Path(image)), ())

    def digest(self, image: Path) -> str:
        """What names a real image: the digest of its file; of a folder, that of the file that the list knows."""
        if image not in self._digests:
            try:
                self._digests[image] = self._digest(image)
            except (OSError, OutputError):
                raise ManifestError("real images: a file that an item names can't be read") from None
        return self._digests[image]

    def _digest(self, image: Path) -> str:
        if not image.is_dir():
            return sha256_of(image.resolve())
        digests = [sha256_of(file.resolve()) for file in sorted(image.iterdir()) if file.is_file()]
        return next((sha256 for sha256 in digests if sha256 in self.variants), digests[0] if digests else "")


def _listed(root: Path, item: Mapping[str, Any], labels: tuple[str, ...]) -> ListedVariant:
    boxes = tuple(tuple(box) for box in item["box"])
    folds = tuple(item["folds"]) if "folds" in item else (item["fold"],)
    return ListedVariant(root / item["image"], boxes, tuple(labels[n] for n in item["label"]), folds, item["medaug"])
