from __future__ import annotations

import pytest

from medaug.errors import ArchiveError
from medaug.pacs.deidentify.options import deidentification_of


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("basic", ["113100"]),
        ("basic:patient,dates", ["113100", "113107", "113108"]),
        ("basic:labels=Lesion+gtv 1,structured", ["113100", "113105", "113104"]),
    ],
)
def test_options_have_their_codes(text: str, codes: list[str]) -> None:
    found = deidentification_of(text)
    assert [code for code, _ in found.codes] == codes
    assert deidentification_of(found.text) == found


@pytest.mark.parametrize(
    "text",
    ["", "none", "Basic", "basic:all", "basic:dates,full-dates", "basic:dates,dates", "basic:labels", "basic:labels=",
     "basic:labels=a+", "basic:patient=1"],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ArchiveError, match="expected basic") as caught:
        deidentification_of(text)
    assert caught.value.code == "archive-option"
