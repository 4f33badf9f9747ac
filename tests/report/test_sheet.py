"""The contact sheet's page: every check of every variant, on a screen of ordinary width."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medaug.quality import DEFAULT_LIMITS
from medaug.quality.checks import judged
from medaug.report.sheet import Tried, page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STRENGTHS = ("subtle", "medium", "strong")
SCREEN = {"width": 1280, "height": 900}


def sheet(sources: int) -> str:
    checks = tuple(judged(name, 0.123456, (None, 0.1 if name == "blobs" else None)) for name in DEFAULT_LIMITS)
    tried = [Tried(f"{n:012x}", strength, checks) for n in range(sources) for strength in STRENGTHS]
    return page(b"", tried, "preview <of> limbs")


def test_a_row_is_a_check_and_a_column_a_variant() -> None:
    written = sheet(2)
    rows = re.findall(r"<tr>(.*?)</tr>", written)
    assert [re.sub("<.*?>", " ", one).split()[0] for one in rows] == ["source", "strength", *DEFAULT_LIMITS]
    assert rows[0].count(f'colspan="{len(STRENGTHS)}"') == 2
    assert all(len(re.findall("<t[dh]", one)) == 1 + 2 * len(STRENGTHS) for one in rows[1:])
    assert written.count('class="no"') == 2 * len(STRENGTHS)
    assert "preview &lt;of&gt; limbs" in written


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install 'medaug[browser]'")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize(("sources", "scrolls"), [(4, False), (20, True)])
def test_the_page_is_as_wide_as_its_screen_however_many_variants(
    chromium: Any, tmp_path: Path, sources: int, scrolls: bool
) -> None:
    path = tmp_path / "sheet.html"
    path.write_text(sheet(sources))
    shown = chromium.new_page(viewport=SCREEN)
    shown.goto(path.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= SCREEN["width"]
    seen, whole = (shown.evaluate(f"document.querySelector('.wide').{of}Width") for of in ("client", "scroll"))
    assert (whole > seen) == scrolls
