"""Motions as tests need them: of a small slice, mirrored as a whole beyond its borders."""

from __future__ import annotations

from medaug.imaging.motion import Motion, Motions

BEND = tuple(tuple(((i * 7 + j * 3) % 5 * 9000, (i * 5 + j) % 7 * -8000) for j in range(7)) for i in range(7))


def about_the_middle(
    shape: tuple[int, int], degrees: float, scale: float, *shift: float, bent: bool = False
) -> Motions:
    made = Motion.about(((shape[0] - 1) / 2, (shape[1] - 1) / 2), degrees=degrees, scale=scale, shift=shift or (0, 0))  # type: ignore[arg-type]
    return Motions((Motion(made.matrix, made.shift, BEND if bent else ()),), (shape[0], shape[0], shape[1], shape[1]))


def local(shape: tuple[int, int], area: tuple[int, int, int, int], falloff: int, motion: Motion) -> Motions:
    part = Motion(motion.matrix, motion.shift, motion.elastic, area, falloff)
    return Motions((part,), (shape[0], shape[0], shape[1], shape[1]))
