"""The page's server: a gallery, one variant in full, decisions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, Router

from medaug.audit.layout import PREVIEW, unit_folder
from medaug.errors import MedaugError
from medaug.execution.output.decide import Word
from medaug.report.pictures import NAMES
from medaug.review.catalogue import UNDECIDED, CatalogueEntry, CatalogueQuery, chosen, facets
from medaug.review.guard import Guard
from medaug.review.planes import Planes, SliceBytes
from medaug.review.session import Session
from medaug.storage.canonical_json import parse
from medaug.storage.plain_files import is_plain

MOST = 200  # entries of the gallery at once
MAX_BODY = 1 << 14  # bytes of a decision
KINDS = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
VERDICTS = ("accepted", "rejected", "withdrawn")


def application(session: Session, planes: Planes, token: str, port: int) -> Starlette:
    """The server's application.

    Args:
        session: the OUTPUT.
        planes: its images.
        token: the first part of every path; secret.
        port: that it is served on.
    """
    routes = [
        Route("/", partial(_asset, "index.html")),
        *(Route(f"/{name}", partial(_asset, name)) for name in _assets() if name != "index.html"),
        Route("/api/start", _said(partial(_start, session))),
        Route("/api/variants", _said(partial(_variants, session))),
        Route("/api/step", _said(partial(_step, session))),
        Route("/api/variants/{unit}", _said(partial(_variant, session, planes))),
        Route("/api/agreement", _said(partial(_agreement, session))),
        Route("/api/decisions", partial(_decide, session), methods=["POST"]),
        Route("/api/finish", _said(partial(_finish, session)), methods=["POST"]),
        Route("/preview/{unit}/{name}.png", _answered(partial(_preview, session))),
        Route("/values/{unit}/{which}/{k:int}", _answered(partial(_values, session, planes))),
        Route("/marks/{unit}/{k:int}", _answered(partial(_marks, session, planes))),
    ]
    inside = Mount(f"/{token}", app=Router(routes, redirect_slashes=False))
    return Starlette(routes=[inside], middleware=[Middleware(Guard, token=token, port=port)])


def query_of(asked: QueryParams) -> CatalogueQuery:
    """What the gallery is asked for."""
    return CatalogueQuery(
        label=asked.get("label", ""),
        source=asked.get("source", ""),
        modality=asked.get("modality"),
        strength=asked.get("strength", ""),
        states=tuple(filter(None, asked.get("state", "").split("|"))),
        check=asked.get("check", ""),
        low=_number(asked.get("low"), -math.inf),
        high=_number(asked.get("high"), math.inf),
        sort=asked.get("sort", "source"),
        down=asked.get("down") == "1",
    )


def _start(session: Session, request: Request) -> dict[str, Any]:
    session.reload()
    reader = request.query_params.get("reader", "")
    return {
        **facets(session.entries),
        "reasons": [{"word": word, "meaning": meaning} for word, meaning in session.reasons.items()],
        "total": len(session.entries),
        "counts": session.counts(reader),
    }


def _variants(session: Session, request: Request) -> dict[str, Any]:
    asked, reader = request.query_params, request.query_params.get("reader", "")
    states = session.states(reader)
    found = chosen(session.entries, query_of(asked), states)
    first, most = int(_number(asked.get("offset"), 0)), min(MOST, int(_number(asked.get("limit"), 60)))
    entries = [_plain(one, states.get(one.unit, UNDECIDED)) for one in found[max(0, first) : max(0, first) + most]]
    return {"total": len(found), "entries": entries, "counts": session.counts(reader)}


def _step(session: Session, request: Request) -> dict[str, Any]:
    """The next variant in the gallery's order, or the one before; or the next that is undecided, all round."""
    asked, states = request.query_params, session.states(request.query_params.get("reader", ""))
    query, here = query_of(asked), asked.get("from", "")
    undecided = asked.get("undecided") == "1"
    everything = replace(query, states=()) if undecided else query
    units = [one.unit for one in chosen(session.entries, everything, states)]
    at = units.index(here) if here in units else -1
    if not undecided:
        to = at + (-1 if asked.get("by") == "-1" else 1)
        return {"unit": units[to] if 0 <= to < len(units) else ""}
    round_ = units[at + 1 :] + units[: at + 1]
    return {"unit": next((unit for unit in round_ if states.get(unit, UNDECIDED) == UNDECIDED), "")}


def _variant(session: Session, planes: Planes, request: Request) -> dict[str, Any]:
    one, reader = session.entry(request.path_params["unit"]), request.query_params.get("reader", "")
    own = session.words[one.unit].of(reader) if one.unit in session.words else None
    entry = _plain(one, session.state(one.unit, reader))
    return {**entry, "reason": own.reason if own else "", **planes.about(one.unit)}


def _agreement(session: Session, _request: Request) -> list[dict[str, Any]]:
    agreement = session.agreement()
    return [{**asdict(one), "units": one.units, "raw": one.raw, "kappa": one.kappa} for one in agreement]


def _finish(session: Session, _request: Request) -> dict[str, Any]:
    session.finish()
    return {"done": True}


async def _decide(session: Session, request: Request) -> Response:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise HTTPException(413, "a decision is shorter")
    return await run_in_threadpool(_said(lambda _: _decided(session, body)), request)


def _decided(session: Session, body: bytes) -> dict[str, Any]:
    said = parse(body)
    fields = {name: said[name] for name in ("unit", "seen", "verdict", "reader", "reason")}
    if not all(isinstance(value, str) for value in fields.values()) or fields["verdict"] not in VERDICTS:
        raise ValueError("expected texts, and a verdict")
    word = Word(fields["verdict"], fields["reader"], fields["reason"], how="page")
    session.decide(fields["unit"], fields["seen"], word)
    return {"state": session.state(fields["unit"], word.reader), "counts": session.counts(word.reader)}


def _preview(session: Session, request: Request) -> Response:
    one, name = session.entry(request.path_params["unit"]), request.path_params["name"]
    path = session.store.root / unit_folder(one.unit) / PREVIEW / f"{name}.png"
    if name not in NAMES or not is_plain(path, follow=False):
        raise KeyError(name)
    return FileResponse(path, media_type="image/png")


def _values(session: Session, planes: Planes, request: Request) -> Response:
    asked = request.path_params
    return _bytes(planes.values(session.entry(asked["unit"]).unit, asked["which"], asked["k"]))


def _marks(session: Session, planes: Planes, request: Request) -> Response:
    return _bytes(planes.marks(session.entry(request.path_params["unit"]).unit, request.path_params["k"]))


def _bytes(plane: SliceBytes) -> Response:
    shape = {"X-Rows": str(plane.rows), "X-Columns": str(plane.columns)}
    return Response(plane.data, media_type="application/octet-stream", headers=shape)


def _said(answer: Callable[[Request], Any]) -> Callable[[Request], Response]:
    return _answered(lambda request: JSONResponse(answer(request)))


def _answered(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Errors as a sentence: unknown names are not found, what can't be done is said as the command line says it."""

    def answered(request: Request) -> Response:
        try:
            return answer(request)
        except KeyError:
            return JSONResponse({"error": "there is no such thing"}, 404)
        except MedaugError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, TypeError, OverflowError):
            return JSONResponse({"error": "the request isn't one that the page sends"}, 400)

    return answered


def _plain(one: CatalogueEntry, state: str) -> dict[str, Any]:
    return {
        "unit": one.unit,
        "source": one.source,
        "variant": one.variant,
        "modality": one.modality,
        "labels": list(one.labels),
        "strength": one.strength,
        "figures": dict(one.checks),
        "state": state,
    }


def _number(text: str | None, otherwise: float) -> float:
    value = float(text) if text else otherwise
    if math.isnan(value):
        raise ValueError("not a number")
    return value


def _assets() -> list[str]:
    return sorted(one.name for one in resources.files(__package__).joinpath("page").iterdir() if one.is_file())


def _asset(name: str, _request: Request) -> Response:
    """A file of the package, by its literal name: no path is ever made of what was asked."""
    data = resources.files(__package__).joinpath("page", name).read_bytes()
    return Response(data, media_type=KINDS[name.rpartition(".")[2]])
