from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from medaug.training.framing import BORDER, frames, head_box

UInt8 = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
BORDER_PX = 128 // BORDER


def _slice(top: int, left: int, side: int) -> UInt8:
    """A round head on a table that is wider than it, with a hand beside."""
    image = np.zeros((128, 128), dtype=np.uint8)
    image[120:123, 4:124] = 255
    image[60:70, 112:122] = 255
    i, j = np.ogrid[:128, :128]
    middle = side / 2 - 0.5
    image[(i - top - middle) ** 2 + (j - left - middle) ** 2 <= (side / 2) ** 2] = 120
    return image


def _near(box: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 2 for a, b in zip(box, expected, strict=True))


def test_the_box_lies_around_the_head_and_not_around_table_or_hand() -> None:
    box = head_box(_slice(20, 30, 60))
    assert _near(box, (30 - BORDER_PX, 20 - BORDER_PX, 90 + BORDER_PX, 80 + BORDER_PX))


def test_parts_of_a_head_with_air_between_are_one_head() -> None:
    image = _slice(20, 30, 60)
    image[48:52] = 0
    assert head_box(image) == head_box(_slice(20, 30, 60))


def test_a_box_ends_at_the_edge_and_an_empty_picture_is_taken_whole() -> None:
    assert head_box(_slice(0, 0, 100))[:2] == (0, 0)
    assert head_box(np.zeros((40, 50), dtype=np.uint8)) == (0, 0, 50, 40)


def test_slices_of_a_patient_share_the_box_around_all_of_them(tmp_path: Path) -> None:
    paths = []
    for name, image in (("a", _slice(20, 30, 60)), ("b", _slice(40, 20, 30)), ("c", _slice(40, 40, 50))):
        paths.append(tmp_path / f"{name}.png")
        Image.fromarray(image).save(paths[-1])
    one, two, other = frames(paths, ["p", "p", "q"])
    assert one == two
    assert _near(one, (20 - BORDER_PX, 20 - BORDER_PX, 90 + BORDER_PX, 80 + BORDER_PX))
    assert _near(other, (40 - BORDER_PX, 40 - BORDER_PX, 90 + BORDER_PX, 90 + BORDER_PX))
