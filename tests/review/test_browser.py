"""The page in a real browser; `make test-browser` installs what it takes (Debian's Chromium, Playwright's client)."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from medaug.audit.decisions import decided
from medaug.review.planes import Planes
from medaug.review.serve import listening
from medaug.review.server import application
from medaug.review.session import Session
from tests.support import reviews
from tests.support.reviews import TOKEN, variant
from tests.support.sound_output import run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install 'medaug[browser]'")
HOSTILE = "<img src=x onerror=document.title='hacked'>"


@dataclass(frozen=True)
class Served:
    """An OUTPUT's page while a test lasts."""

    output: Path
    place: str

    @property
    def address(self) -> str:
        return f"{self.place}/{TOKEN}/"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def serve() -> Iterator[Any]:
    stops: list[tuple[uvicorn.Server, threading.Thread]] = []

    def served(output: Path, source: Path | None = None) -> Served:
        session = Session.of(output)
        bound = listening(0)
        port = bound.getsockname()[1]
        app = application(session, Planes(session.store, source), TOKEN, port)
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        stops.append((server, thread))
        return Served(output, f"http://127.0.0.1:{port}")

    yield served
    for server, thread in stops:
        server.should_exit = True
        thread.join()


def begin(chromium: Any, served: Served, reader: str = "Ada", **options: Any) -> Any:
    """A new window in which a reader gave his name and sees the gallery; whatever it loads is the server's own."""
    page = chromium.new_context(**options).new_page()
    page.on(
        "request", lambda request: foreign.append(request.url) if not request.url.startswith(served.place) else None
    )
    page.on("pageerror", lambda error: foreign.append(str(error)))
    page.goto(served.address)
    page.fill("#reader", reader)
    page.click("text=Begin")
    page.wait_for_selector(".gallery img")
    return page


foreign: list[str] = []


def settled(page: Any, words: str) -> None:
    page.wait_for_function("words => document.getElementById('status').textContent.includes(words)", arg=words)


SAY = """([unit, seen, reader]) => import('./api.js').then(({ tell }) =>
  tell('api/decisions', { unit, seen, reader, verdict: 'accepted', reason: '' }))"""
TIMED = f"async (said) => {{ const start = performance.now(); await ({SAY})(said); return performance.now() - start; }}"


def violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found]


@pytest.fixture(scope="module")
def twice(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants of each source."""
    folder = tmp_path_factory.mktemp("twice") / "copy"
    shutil.copytree(sound, folder)
    run(folder, variants=2)
    return folder


def test_a_reader_decides_by_keyboard_alone_and_finds_it_again(
    twice: Path, tmp_path: Path, chromium: Any, serve: Any
) -> None:
    shutil.copytree(twice / "out", tmp_path / "out")
    served = serve(tmp_path / "out", twice / "in")
    page = begin(chromium, served)
    alts = page.eval_on_selector_all(".gallery img", "all => all.map((one) => one.alt)")
    assert len(alts) == len(set(alts)) == 6
    assert violations(page) == []
    page.focus(".gallery a")
    page.keyboard.press("Enter")
    settled(page, "undecided")
    for key, words in (("b", "source"), ("b", "result"), ("m", "slider"), ("m", "side by side"), ("g", "regions on"),
                       ("o", "boxes off"), ("+", "zoom 1.5"), ("]", "slice 3 of 3")):  # fmt: skip
        page.keyboard.press(key)
        settled(page, words)
    assert violations(page) == []
    page.keyboard.press("r")
    page.wait_for_selector("#reasons[open]")
    assert violations(page) == []
    page.keyboard.press("1")
    settled(page, "rejected for label")
    page.keyboard.press("u")
    settled(page, "withdrawn")
    page.keyboard.press("a")
    settled(page, "accepted")
    first = page.url
    page.keyboard.press("n")
    settled(page, "undecided")
    assert page.url != first
    page.keyboard.press("Escape")
    settled(page, "6 variants fit")
    page.reload()
    page.wait_for_selector(".card.accepted")
    words = [one.latest[0].verdict for one in decided(tmp_path / "out" / "ledger").values()]
    assert words == ["accepted"]
    assert foreign == []


def test_a_filtered_variant_shows_its_values_in_the_window(
    twice: Path, tmp_path: Path, chromium: Any, serve: Any
) -> None:
    shutil.copytree(twice / "out", tmp_path / "out")
    page = begin(chromium, serve(tmp_path / "out", twice / "in"))
    page.select_option("#modality", "CT")
    settled(page, "2 variants fit")
    assert len(page.query_selector_all(".card")) == 2
    page.click(".gallery a >> nth=0")
    settled(page, "undecided")
    grey = "() => document.querySelector('.stage canvas').getContext('2d').getImageData(20, 20, 1, 1).data[0]"
    before = page.evaluate(grey)
    page.fill("#centre", page.get_attribute("#centre", "min"))
    assert page.evaluate(grey) > before
    page.click("text=Reset window")
    assert page.evaluate(grey) == before


def test_two_readers_see_nothing_of_each_other(tmp_path: Path, chromium: Any, serve: Any) -> None:
    served = serve(reviews.many(tmp_path / "out", [variant(n, ("<b>x</b>", HOSTILE)) for n in range(6)]))
    ada, bo = begin(chromium, served), begin(chromium, served, "Bo")
    first, second, *_ = Session.of(served.output).entries
    assert ada.get_attribute(".card", "id") == f"u-{first.unit}"
    for page, one, reader in ((ada, first, "Ada"), (bo, first, "Bo"), (bo, second, "Bo")):
        page.evaluate(SAY, [one.unit, one.seen, reader])
    ada.reload()
    ada.wait_for_selector(".card.accepted")
    assert len(ada.query_selector_all(".card.accepted")) == 1
    ada.click("text=Agreement")
    settled(ada, "Ada and Bo: 1 decided by both, 100 % alike, kappa not defined")
    assert ada.title() == "medaug review"  # no label became markup
    assert HOSTILE in ada.inner_text(".gallery")
    assert ada.query_selector(".gallery b") is None
    assert foreign == []


def test_it_is_of_use_at_500_px(sound: Path, tmp_path: Path, chromium: Any, serve: Any) -> None:
    shutil.copytree(sound / "out", tmp_path / "out")
    page = begin(chromium, serve(tmp_path / "out"), viewport={"width": 500, "height": 800})
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= 500
    assert violations(page) == []
    page.click(".gallery a >> nth=0")
    settled(page, "undecided")
    assert page.evaluate(wide) <= 500
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/", "/wrong/", f"/{TOKEN}x/"])
def test_without_the_token_there_is_nothing(path: str, tmp_path: Path, chromium: Any, serve: Any) -> None:
    served = serve(reviews.many(tmp_path / "out", [variant(1)]))
    page = chromium.new_page()
    answer = page.goto(f"{served.place}{path}")
    assert answer.status == 404
    page.goto("data:text/html,<p>elsewhere")
    read = "url => fetch(url).then((one) => one.text(), () => 'refused')"
    assert page.evaluate(read, f"{served.address}api/start") == "refused"


def test_five_thousand_variants_show_their_first_picture_at_once(tmp_path: Path, chromium: Any, serve: Any) -> None:
    served = serve(reviews.thousands(tmp_path / "out", 5000))

    def opened() -> tuple[float, Any]:
        page = chromium.new_context().new_page()
        before = time.perf_counter()
        page.goto(served.address)
        page.fill("#reader", "Ada")
        page.click("text=Begin")
        page.wait_for_function("() => [...document.images].some((one) => one.naturalWidth > 0)")
        return time.perf_counter() - before, page

    first, page = min((opened() for _ in range(3)), key=lambda one: one[0])  # the machine may be busy
    entry = Session.of(served.output).entries[0]
    decision = min(page.evaluate(TIMED, [entry.unit, entry.seen, "Ada"]) for _ in range(3))
    assert first < 2
    assert decision < 100
