"""What `tests/benchmarks/peers.py` says of its figures (`peers_page`); what it measures needs libraries of its own."""

from __future__ import annotations

from tests.benchmarks.peers_page import better, of_page, page

OURS = {"method": "medaug, bone-xray", "images": 3, "cpu_s": 0.8, "peak_mib": 500, "box_db": 126.0, "change": 3.5}
OURS |= {"distance": 0.04, "sharpness": 1.1, "noise": 1.3, "seam": 1.0, "mottle": 0.5}
PEER = OURS | {"method": "another", "cpu_s": 0.4, "box_db": 40.7, "sharpness": 0.5, "noise": 0.8, "seam": 1.5}


def test_a_peer_is_ahead_where_its_figure_is_better_and_nowhere_else() -> None:
    assert better(PEER, OURS) == ["cpu_s", "noise"]  # 0.8 is nearer to 1 than 1.3, by ratio
    assert better(OURS, PEER) == ["seam", "sharpness"]
    assert better(OURS, OURS) == []


def test_the_page_says_so_and_how_busy_the_machine_was() -> None:
    classic = {name: OURS[name] for name in ("images", "cpu_s", "peak_mib", "box_db", "change", "distance")}
    rows = [OURS, PEER, classic | {"method": "MONAI, classic", "box_db": 22.0}]
    text = page({"when": "2026-11-30", "load": [[5.0], [4.0]], "packages": {"torch": "2"}, "rows": rows})
    assert "* another: ahead of medaug in cpu_s, noise." in text
    assert "load 5.0 to 4.0" in text
    assert [of_page(row)["in the box"] for row in rows] == ["the source's numbers", "40.7 dB", "moves with it"]
