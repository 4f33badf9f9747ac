from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medaug.audit.record import CheckResult, Identity, Output, Record
from medaug.imaging.boxes import Box
from medaug.report.page import write_page
from medaug.report.pictures import NAMES
from tests.support.records import digest, failed, record

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>{{ 7*7 }}'


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def previews(output: Path, built: Record) -> None:
    folder = output / built.folder / "preview"
    folder.mkdir(parents=True)
    for name in NAMES:
        Image.fromarray(np.zeros((30, 40), dtype=np.uint8)).save(folder / f"{name}.png")


def page(output: Path, *records: Record, skipped: Any = ()) -> Page:
    return Page(write_page(records, output, skipped=skipped).read_text(encoding="utf-8"))


def hostile(name: str = "h", **overrides: Any) -> Record:
    """Every free text of a record holds markup."""
    built = record(
        name,
        boxes=(Box((0, 10, 20), (1, 14, 26), HOSTILE, HOSTILE),),
        checks=(CheckResult(HOSTILE, 1.0, (None, 0.0), False),),
        identity=Identity(HOSTILE, HOSTILE),
        versions={"medaug": HOSTILE},
        device=HOSTILE,
        created=HOSTILE,
    )
    source = replace(built.source, modality=HOSTILE, patient=HOSTILE, series_uid=HOSTILE)
    image = Output(f"{built.folder}/image/{HOSTILE.replace(':', '').replace('/', '')}.dcm", digest("x"), HOSTILE)
    return replace(built, source=source, outputs=(image,), **overrides)


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    written = hostile()
    refused = failed("g", code=HOSTILE, message=HOSTILE, source=written.source)
    previews(tmp_path, written)
    found = page(tmp_path, written, refused, skipped=[(HOSTILE, HOSTILE, 3)])
    assert not found.all("script")
    assert len(found.all("img")) == len(NAMES) + 2
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert found.text.count(HOSTILE) >= 8, "the text itself is shown"
    assert "49" not in found.text


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    written = hostile()
    previews(tmp_path, written)
    found = page(tmp_path, written, record("b"), failed("c"))
    links = [a[key] or "" for _, a in found.tags for key in ("src", "href") if key in a]
    assert links
    assert not [link for link in links if re.match(r"[a-z]+:|//|/", link)]
    assert {tag for tag, _ in found.tags}.isdisjoint({"script", "iframe", "object", "embed", "form", "base", "link"})
    style = re.search(r"<style>(.*?)</style>", (tmp_path / "index.html").read_text(), re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_policy_allows_the_page_its_own_style_and_no_more(tmp_path: Path) -> None:
    found = page(tmp_path, record())
    (policy,) = [m["content"] for m in found.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", (tmp_path / "index.html").read_text(), re.DOTALL)
    assert policy
    assert style
    expected = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{expected}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not [a for _, a in found.tags if "style" in a], "inline styles would be refused"


def test_pictures_load_late_and_hold_their_place(tmp_path: Path) -> None:
    built = record()
    previews(tmp_path, built)
    images = page(tmp_path, built).all("img")
    assert [image["src"] for image in images] == [
        f"{built.folder}/preview/{name}.png" for name in (*NAMES, "source", "result")
    ]
    assert {(i["loading"], i["width"], i["height"]) for i in images} == {("lazy", "40", "30")}
    assert all((tmp_path / str(image["src"])).is_file() for image in images)


def test_a_missing_preview_is_left_out(tmp_path: Path) -> None:
    built = record()
    previews(tmp_path, built)
    (tmp_path / built.folder / "preview" / "regions.png").unlink()
    assert len(page(tmp_path, built).all("img")) == 3 + 2
    (tmp_path / built.folder / "preview" / "result.png").unlink()
    assert len(page(tmp_path, built).all("img")) == 2  # nothing to compare


def test_source_and_result_are_compared_by_keys_alone_without_a_script(tmp_path: Path) -> None:
    built = record()
    previews(tmp_path, built)
    found = page(tmp_path, built)
    radios = [one for one in found.all("input") if one["type"] == "radio"]
    assert [one["aria-label"] for one in radios] == [f"{10 * n} % of the width" for n in range(11)]
    assert ["checked" in one for one in radios].index(True) == 5
    assert {one["name"] for one in radios} == {f"c-{built.unit[:16]}"}


def test_every_picture_has_words_of_its_own(tmp_path: Path) -> None:
    records = [record("a"), replace(record("b", variant=1), source=record("a").source), record("c")]
    for one in records:
        previews(tmp_path, one)
    alts = [image["alt"] for image in page(tmp_path, *records).all("img")]
    assert len(alts) == len(set(alts)) == 18


def test_totals_and_reasons_are_told(tmp_path: Path) -> None:
    same_source = replace(record("b", variant=1), source=record("a").source)
    rejected = failed("c", status="rejected", code="quality", message="1 check failed", checks=hostile().checks)
    crashed = failed("d", status="crashed", code="ValueError", message="ValueError at read.py:88")
    skips = [("no-boxes", "no annotation matches it", 41), ("other-modality", "modality US", 3)]
    found = page(tmp_path, record("a"), same_source, rejected, failed("e"), crashed, skipped=skips)
    html = (tmp_path / "index.html").read_text()
    words = {word: int(number) for number, word in re.findall(r'<b class="\w*">(\d+)</b>([\w ]+)</li>', html)}
    assert words == {
        "variants written": 2,
        "sources": 1,
        "patients": 1,
        "boxes": 2,
        "rejected": 1,
        "failed": 2,
        "files left out": 44,
    }
    for text in ("no annotation matches it", "41", "slice 12 is missing", "missing-slice", "ValueError at read.py:88"):
        assert text in found.text
    assert "synthetic, and they are not anonymous" in found.text


def test_checks_seed_unit_and_digests_are_told(tmp_path: Path) -> None:
    built = record(
        checks=(CheckResult("seam_step", 3.25, (None, 2.5), False), CheckResult("psnr", None, (20, 50), True))
    )
    found = page(tmp_path, built)
    for text in ("seam step", "3.25", "≤ 2.5", "FAIL", "20 … 50", "1 of 2 checks passed", built.seed, built.unit):
        assert text in found.text
    assert built.images[0].sha256 in found.text
    assert built.images[0].pixels_sha256 in found.text


@pytest.mark.parametrize(
    ("suffix", "word"), [(".png", "PNG"), (".tif", "TIFF"), (".nii.gz", "NIfTI-1"), (".nrrd", "NRRD")]
)
def test_a_file_that_states_no_modality_is_called_by_its_format(tmp_path: Path, suffix: str, word: str) -> None:
    built = [record("a"), record("b")]
    nameless = [
        replace(
            b, source=replace(b.source, modality=""), outputs=(replace(b.outputs[0], path=f"{b.folder}/image{suffix}"),)
        )
        for b in built
    ]
    assert page(tmp_path, *nameless).text.count(word) == 4  # in the index and above its variants, for two sources
    assert word not in page(tmp_path, *built).text
    assert "NIfTI" not in page(tmp_path, *built).text


def test_a_long_series_names_some_files_only(tmp_path: Path) -> None:
    built = record()
    files = tuple(Output(f"{built.folder}/image/{k:04d}.dcm", digest(k), digest("p", k)) for k in range(1, 301))
    text = page(tmp_path, replace(built, outputs=files)).text
    assert "300 image files" in text
    assert "and 296 more" in text
    assert digest(300) not in text


def test_failures_that_can_be_tried_again_are_pointed_out(tmp_path: Path) -> None:
    assert "give the same command again" in page(tmp_path, record(), failed()).text
    assert "give the same command again" not in page(tmp_path, record()).text
    assert "give the same command again" not in page(tmp_path, failed(status="rejected", code="quality")).text


def test_an_output_without_variants_is_a_page_too(tmp_path: Path) -> None:
    assert "None was written" in page(tmp_path).text
    assert "None was written" in page(tmp_path, failed(geometry=None, boxes=(), versions={})).text


def test_the_same_records_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    records = [record("a"), record("b"), failed("c")]
    first = write_page(records, tmp_path, skipped=[]).read_bytes()
    assert write_page(records[::-1], tmp_path, skipped=[]).read_bytes() == first
    assert write_page(records[:2], tmp_path, skipped=[]).read_bytes() != first


def test_hundreds_of_variants_stay_light(tmp_path: Path) -> None:
    text = write_page([record(str(n)) for n in range(500)], tmp_path, skipped=[]).read_text()
    assert text.count("<article") == 500
    assert len(text) < 4_000_000


@pytest.mark.parametrize("word", ["None", "Undefined", "CheckResult(", "Markup("])
def test_no_python_shows_through(tmp_path: Path, word: str) -> None:
    built = record(checks=(CheckResult("a", None, (None, None), True),), geometry=record().geometry)
    text = page(tmp_path, built, failed(prior=None)).text
    assert word not in text


def test_the_profile_s_domain_is_named(tmp_path: Path) -> None:
    assert "domain brain" not in page(tmp_path, record()).text
    for text, expected in (("domain: [brain, window]", "domain brain, window"), ("domain: []", "domain everywhere")):
        (tmp_path / "profile.yaml").write_text(text)
        assert expected in page(tmp_path, record()).text
    (tmp_path / "profile.yaml").write_text(f"domain: ['{HOSTILE}']")
    assert not page(tmp_path, record()).all("script")
    (tmp_path / "profile.yaml").write_text("domain: [")
    page(tmp_path, record())
