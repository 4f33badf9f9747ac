"""Changes to built files, and the short ways to read one, for the tests of the reading half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from medaug.dicom.read.discover import SeriesFiles, discover
from medaug.dicom.read.read import read_series
from medaug.imaging.volume import Volume
from medaug.processes.quiet import quiet


def edit(path: Path, change: Callable[[Dataset], object] | None = None, **values: Any) -> Path:
    """Set attributes by keyword (None deletes), or change the data set freely; legality is not asked for."""
    with quiet():
        ds = pydicom.dcmread(path)
        for keyword, value in values.items():
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)
        if change:
            change(ds)
        ds.save_as(path)
    return path


def only(root: Path) -> SeriesFiles:
    """The one series below ``root``."""
    found = discover(root)
    assert len(found.series) == 1, found
    return found.series[0]


def load(root: Path) -> Volume:
    """The one volume below ``root``."""
    (volume,) = read_series(only(root))
    return volume
