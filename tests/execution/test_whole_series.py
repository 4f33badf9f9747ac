"""A volume is written whole: slices in which nothing may be generated are carried over, and say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import yaml

import medaug
from medaug.profile.load import load_profile
from medaug.verification.verify import verify
from tests.support import make
from tests.support.dicom_edit import edit
from tests.support.sound_output import SMALL


def test_slices_of_padding_are_carried_over_by_a_run(tmp_path: Path) -> None:
    files = make.series(tmp_path / "in", slices=5, padding=-2000)
    for path in (files[0], files[4]):
        edit(path, lambda ds: setattr(ds, "PixelData", np.full_like(ds.pixel_array, -2000).tobytes()))
    mask = np.zeros((5, 64, 64), np.uint8)
    mask[2, 20:30, 25:40] = 1
    seg = make.seg(tmp_path / "labels", files, mask, ["tumour"])
    profile = tmp_path / "small.yaml"
    profile.write_text(yaml.safe_dump(load_profile("body-ct").model_dump(mode="json") | SMALL))
    summary = medaug.run(tmp_path / "in", tmp_path / "out", profile=str(profile), annotations=seg)
    assert summary.counts == {"written": 1}, [record.message for record in summary.records]
    (record,) = summary.records
    derived = [pydicom.dcmread(tmp_path / "out" / image.path) for image in record.images]
    sources = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, files)}
    assert len(derived) == 5
    assert [ds.InstanceNumber for ds in derived] == [1, 2, 3, 4, 5]
    for k, ds in enumerate(derived):
        carried = k in (0, 4)
        same = np.array_equal(ds.pixel_array, sources[record.source.instance_uids[k]].pixel_array)
        assert ds.DerivationCodeSequence[-1].CodeValue == ("CARRIED" if carried else "GENERATED")
        assert same == carried
        assert (ds.SyntheticData, ds.ImageType[0]) == ("YES", "DERIVED")
    assert verify(tmp_path / "out", source=tmp_path / "in").faults == ()
