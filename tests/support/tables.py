"""Tables in the documents that tests make: between two marks, written anew on request, compared otherwise."""

from __future__ import annotations

import os
import re

from tests.support.paths import ROOT


def write_table(document: str, name: str, table: str) -> None:
    """Compare a table with what stands in a document; with MEDAUG_WRITE_DOCS, write it there first."""
    path, begin, end = ROOT / document, f"<!-- {name}: made by a test -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"{re.escape(begin)}\n(.*?)\n{re.escape(end)}", re.DOTALL)
    text = path.read_text(encoding="utf-8")
    assert pattern.search(text), f"{document} holds no place for the table {name!r}"
    if os.environ.get("MEDAUG_WRITE_DOCS"):
        text = pattern.sub(lambda _: f"{begin}\n{table}\n{end}", text)
        path.write_text(text, encoding="utf-8")
    (found,) = pattern.findall(text)
    assert found == table, f"{document}: write the table anew with MEDAUG_WRITE_DOCS=1"
