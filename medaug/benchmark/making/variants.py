"""Variants of training images, by the package's own run, and how they are found again by their source."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

from medaug.audit import ledger
from medaug.audit.layout import LEDGER
from medaug.audit.record import Record
from medaug.benchmark.images.dataset import Picture, picture_of
from medaug.execution.execute import FINAL, execute
from medaug.execution.exports.datasets import image_of
from medaug.execution.planning.plan import plan_for
from medaug.execution.planning.request import RunRequest
from medaug.execution.summary import Progress
from medaug.profile.profile import Profile


def make_variants(
    request: RunRequest,
    output: Path,
    sources: Collection[str],
    on_progress: Callable[[Progress], None] | None = None,
) -> None:
    """Run over those of the export's images that are trained on; what is there already isn't made again.

    Args:
        request: with the arm's profile and the number of variants.
        output: OUTPUT of that run.
        sources: keys of the images. Lesions that are set in are theirs, too.
        on_progress: called after each unit.

    Raises:
        RunError: too many units fail.
        OutputError: OUTPUT can't be used.
    """
    ended = {(one.source.key, one.variant) for one in _records(output) if one.status in FINAL}
    if ended >= {(key, number) for key in sources for number in range(request.variants)}:
        return
    execute(plan_for(replace(request, extend=True), only=sources), output, on_progress=on_progress)


@dataclass(frozen=True, eq=False)
class Variants:
    """The written variants of an OUTPUT, as a detector sees them.

    Attributes:
        output: OUTPUT.
        records: by source and number.
        show: a record's image as a picture.
    """

    output: Path
    records: dict[tuple[str, int], Record]
    show: Callable[[Record], Picture]

    @classmethod
    def of(cls, output: Path, profile: Profile, size: int, classes: tuple[str, ...]) -> Variants:
        """Those of an OUTPUT that was made; each file's digest is compared with the record when it is read."""

        def show(record: Record) -> Picture:
            picture = picture_of(image_of(output, record), record.boxes, profile, size, classes)
            return replace(picture, source=record.source.key)

        written = (record for record in _records(output) if record.status == "written")
        return cls(output, {(record.source.key, record.variant): record for record in written}, show)

    def __call__(self, picture: Picture, number: int) -> Picture | None:
        """The variant of a real image; None where its gate refused it."""
        record = self.records.get((picture.source, number))
        return None if record is None else self.show(record)


def _records(output: Path) -> list[Record]:
    return list(ledger.shelved(output / LEDGER)) if (output / LEDGER).is_dir() else []
