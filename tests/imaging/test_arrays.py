from __future__ import annotations

import numpy as np
import pytest

from medaug.imaging.arrays import from_array
from medaug.imaging.volume import Rescale, Volume


def test_a_radiograph_of_an_array_keeps_its_numbers_and_leaves_the_callers_array_alone() -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    volume = from_array(array, spacing=(0.2, 0.1), rescale=Rescale(2.0, -1.0))
    np.testing.assert_array_equal(volume.stored[0], array)
    np.testing.assert_array_equal(volume.modality[0], 2.0 * array - 1.0)
    assert (volume.geometry.space, volume.geometry.spacing) == ("detector", (0.0, 0.2, 0.1))
    array[0, 0] = 7
    assert volume.stored[0, 0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        volume.stored[0, 0, 0] = 1  # type: ignore[index]


def test_the_key_names_the_content() -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert from_array(array).source.key == from_array(array.copy()).source.key
    others = [array.reshape(4, 3), array.astype(np.int16), array + 1]
    assert len({from_array(a).source.key for a in (array, *others)}) == 4


def test_a_stack_lies_where_its_affine_says() -> None:
    affine = np.array([[0, 0, 0.5, 1], [0, 0.5, 0, 2], [3, 0, 0, 3], [0, 0, 0, 1]], dtype=np.float64)
    volume = from_array(np.zeros((2, 3, 4), dtype=np.int16), affine=affine, modality="CT")
    assert volume.geometry.space == "patient"
    np.testing.assert_allclose(volume.geometry.to_world([1, 0, 0]), [1, 2, 6])
    assert volume.stored_range == (-32768, 32767)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (1, 2, 3, 4), (0, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        from_array(np.zeros(shape, dtype=np.int16))


def test_a_volume_does_not_lock_the_array_it_is_made_of() -> None:
    volume = from_array(np.zeros((3, 4), dtype=np.int16))
    mine = np.ones((1, 3, 4), dtype=np.int16)
    values = {name: getattr(volume, name) for name in Volume.__dataclass_fields__} | {"stored": mine}
    Volume(**values)
    mine[0, 0, 0] = 2  # raises where it is locked


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ([[1, 2], [3, 4]], TypeError, "NumPy array, got list"),
        (None, TypeError, "got NoneType"),
        (np.ones((3, 4), dtype=np.bool_), ValueError, "integers or floats, got bool"),
        (np.ones((3, 4), dtype=np.complex64), ValueError, "got complex64"),
        (np.array([["a", "b"]]), ValueError, "integers or floats"),
        (np.array([[1.0, np.nan], [np.inf, 2.0]]), ValueError, "2 of 4 that are NaN or infinite"),
    ],
)
def test_what_holds_no_grey_levels_is_refused_with_what_to_do(given: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        from_array(given)  # type: ignore[arg-type]
    assert "; " in str(caught.value)
