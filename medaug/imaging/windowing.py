"""Windows of volumes whose file or user states none."""

from __future__ import annotations

import numpy as np

from medaug.imaging.volume import Volume, Window


def stated_window(volume: Volume, number: int) -> Window | None:
    """The window that the file states: the ``number``-th from 1, the last where there are fewer; None without any."""
    stated = volume.windows or filter(None, (volume.window,))
    return next(iter(list(stated)[:number][-1:]), None)


def percentile_window(volume: Volume, low: float, high: float) -> Window:
    """From the ``low``-th to the ``high``-th percentile of the modality values, padding left out."""
    values = volume.modality[~volume.padded]
    ends = np.percentile(values, [low, high]) if values.size else np.array([0.0, 1.0])
    return Window.spanning(float(ends[0]), float(max(ends[1], ends[0] + 1e-6)))
