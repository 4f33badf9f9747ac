"""Bone, lung and brain on phantoms drawn here, and where they can't be told."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from medaug.errors import RegionError
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Mask, Volume, Window
from medaug.profile.profile import Profile
from medaug.regions.domains.domain import PARTS, DomainPart, domain
from tests.support.radiographs import leg, of

HU = Window(0, 4000)
Drawn = tuple[npt.NDArray[np.int16], dict[str, Mask]]


def ellipse(shape: tuple[int, int], centre: tuple[float, float], radius: tuple[float, float]) -> Mask:
    i, j = np.ogrid[: shape[0], : shape[1]]
    return np.asarray(((i - centre[0]) / radius[0]) ** 2 + ((j - centre[1]) / radius[1]) ** 2 <= 1)


def ct(slices: npt.NDArray[np.int16]) -> Volume:
    affine = np.array([[0, 0, 0.8, 0], [0, 0.8, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    return of(slices, "CT", geometry=Geometry(slices.shape, affine, "patient"))


def noisy(image: npt.NDArray[np.floating], scatter: float, seed: int = 0) -> npt.NDArray[np.int16]:
    return np.rint(image + np.random.default_rng(seed).normal(0, scatter, image.shape)).astype(np.int16)


def chest() -> Drawn:
    """A trunk with lungs and vessels, a vertebra with marrow and a canal, bowel gas, and a table below."""
    shape = (256, 256)
    body = ellipse(shape, (120, 128), (85, 115))
    lungs = ellipse(shape, (110, 75), (50, 40)) | ellipse(shape, (110, 181), (50, 40))
    vertebra = ellipse(shape, (165, 128), (14, 18))
    gas = ellipse(shape, (175, 185), (8, 12))
    image = np.where(body, 40.0, -1000.0)
    image[lungs], image[vertebra], image[gas] = -830, 350, -1000
    image[ellipse(shape, (165, 128), (4, 4))] = 60
    image[ellipse(shape, (110, 75), (3, 3))] = 40
    image[230:236, 40:216] = 300
    return noisy(image, 12)[None], {"lung": lungs, "bone": vertebra, "gas": gas}


def head() -> Drawn:
    """Scalp, skull and brain with ventricles and a bleeding; one slice whose skull is open."""
    shape = (256, 256)
    outer = ellipse(shape, (128, 128), (110, 90))
    skull = ellipse(shape, (128, 128), (103, 83))
    brain = ellipse(shape, (128, 128), (95, 75))
    image = np.where(outer, 20.0, -1000.0)
    image[skull], image[brain] = 900, 35
    image[ellipse(shape, (128, 115), (20, 8))] = 5
    image[ellipse(shape, (90, 150), (10, 10))] = 80
    image[225:250, 100:156] = 60  # a tongue of the neck
    opened = image.copy()
    opened[20:40, 100:160] = 20
    return noisy(np.stack([image, opened]), 4), {"brain": brain, "bone": skull & ~brain}


def overlap(one: Mask, other: Mask) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def test_lungs_hold_their_vessels_and_no_bowel_gas() -> None:
    image, drawn = chest()
    found = domain(ct(image), HU, ["lung"])[0]
    assert overlap(found, drawn["lung"]) > 0.97
    assert found[110, 75]
    assert not (found & drawn["gas"]).any()
    assert not (found & ~ndimage.binary_dilation(drawn["lung"], iterations=3)).any()


def test_bone_in_ct_holds_its_marrow_and_no_table() -> None:
    image, drawn = chest()
    found = domain(ct(image), HU, ["bone"])[0]
    assert overlap(found, drawn["bone"]) > 0.97
    assert found[165, 128]
    assert not found[225:].any()


def test_a_head_holder_that_touches_the_skin_is_no_bone() -> None:
    image, drawn = head()
    image[:, 60:200, 36:39] = 400
    found = domain(ct(image), HU, ["bone"])
    assert not found[:, :, :40].any()
    assert overlap(found[0], drawn["bone"]) > 0.95


def test_the_brain_is_what_a_closed_skull_holds() -> None:
    image, drawn = head()
    found = domain(ct(image), HU, ["brain"])
    assert overlap(found[0], drawn["brain"]) > 0.97
    assert found[0, 128, 115]  # ventricle
    assert found[0, 90, 150]  # blood
    assert not (found[0] & ~ndimage.binary_dilation(drawn["brain"], iterations=2)).any()
    assert not found[1].any()  # the skull is open there


@pytest.mark.parametrize("step", [1.0, 5.0])
def test_the_brain_in_mr_comes_without_scalp(step: float) -> None:
    shape, slices = (200, 180), 12
    image, brain = np.zeros((slices, *shape)), np.zeros((slices, *shape), dtype=np.bool_)
    for k in range(slices):
        image[k][ellipse(shape, (100, 90), (90, 78))] = 900  # fat
        image[k][ellipse(shape, (100, 90), (82, 70))] = 60  # bone
        brain[k] = ellipse(shape, (100, 90), (74, 62))
        image[k][brain[k]] = 420
        image[k][ellipse(shape, (100, 80), (18, 6))] = 120  # ventricle
    affine = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [step, 0, 0, 0], [0, 0, 0, 1]])
    volume = of(noisy(image + 20, 10), "MR", geometry=Geometry(image.shape, affine, "patient"))
    found = domain(volume, HU, ["brain"])
    assert overlap(found, brain) > 0.95
    assert not (found & ~ndimage.binary_dilation(brain, np.ones((1, 3, 3)))).any()
    assert found[:, 100, 80].all()


def test_a_slice_whose_brain_runs_into_the_scalp_gives_nothing() -> None:
    shape = (200, 180)
    image = np.where(ellipse(shape, (100, 90), (90, 78)), 400.0, 0.0)[None]
    assert not domain(of(noisy(image + 20, 10), "MR"), HU, ["brain"]).any()


def frontal(*, right: float = 0.12) -> tuple[npt.NDArray[np.int16], Mask]:
    """Two dark fields in a bright trunk, air beside it; ``right`` is the width of the right one."""
    shape = (400, 400)
    fields = [ellipse(shape, (180, 125), (110, 55)), ellipse(shape, (180, 275), (110, right * 400))]
    image = np.full(shape, 2600.0)
    for field in fields:
        image[field] = 1300
    i = np.arange(400)[:, None]
    image += 150 * (np.sin(i / 9) > 0.6)  # ribs
    image[:, :20] = image[:, -20:] = 200
    return noisy(ndimage.gaussian_filter(image, 2), 15), fields[0] | fields[1]


def test_lungs_on_a_frontal_radiograph() -> None:
    image, drawn = frontal()
    found = domain(of(image), HU, ["lung"])[0]
    assert overlap(found, drawn) > 0.85
    assert not (found & ~ndimage.binary_dilation(drawn, iterations=6)).any()  # 2 px of the reduction
    assert not found[:, :25].any()


@pytest.mark.parametrize("right", [0.001, 0.02])
def test_one_field_is_no_pair_of_lungs(right: float) -> None:
    image, _ = frontal(right=right)
    assert not domain(of(image), HU, ["lung"]).any()
    assert not domain(of(leg()[0]), HU, ["lung"]).any()


def test_bone_on_a_radiograph_of_a_leg() -> None:
    image, inside = leg()
    i, j = np.mgrid[0:400, 0:300]
    drawn = np.abs(j / 300 - 0.5 - 0.07 * i / 400) / 0.2 < 0.3
    found = domain(of(image), HU, ["bone"])[0]
    assert overlap(found, drawn) > 0.9
    assert not (found & ~inside).any()


@pytest.mark.parametrize(
    ("part", "modality", "flat"),
    [
        ("bone", "MR", False),
        ("lung", "MR", False),
        ("lung", "NIFTI", False),
        ("brain", "CR", True),
        ("bone", "MG", True),
        ("lung", "MG", True),
    ],
)
def test_what_can_t_be_told_is_refused(part: DomainPart, modality: str, flat: bool) -> None:
    shape = (64, 64) if flat else (2, 64, 64)
    with pytest.raises(RegionError, match=f"domain part '{part}' is told on") as caught:
        domain(of(np.zeros(shape, dtype=np.int16), modality), HU, [part])
    assert caught.value.code == "part-unknown"


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (2, 7, 5), (3, 3, 300)])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_tiny_and_constant_slices_are_survived(shape: tuple[int, int, int], modality: str) -> None:
    for level in (-1000, 0, 2000):
        for part in ("bone", "lung", "brain"):
            if part == "brain" or modality == "CT":
                found = domain(of(np.full(shape, level, dtype=np.int16), modality), HU, [part])  # type: ignore[list-item]
                assert found.shape == shape


def test_parts_are_the_profile_s() -> None:
    assert (
        set(PARTS) == set(get_args(DomainPart)) == set(get_args(get_args(Profile.model_fields["domain"].annotation)[0]))
    )
