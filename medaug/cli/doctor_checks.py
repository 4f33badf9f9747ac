"""What is there and what is missing on this machine."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from medaug.errors import MedaugError, counted
from medaug.inverse.device import resolve_device
from medaug.inverse.priors.embedded import EMBEDDED_PRIORS
from medaug.inverse.priors.loaders.trained import load_trained
from medaug.processes.processor import processor
from medaug.processes.threads import of_a_solve
from medaug.version import versions

CODECS = {
    "JPEG Lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG": "1.2.840.10008.1.2.4.50",
}


@dataclass(frozen=True)
class DoctorFinding:
    """One thing that was looked for."""

    name: str
    ok: bool
    found: str


def examine() -> tuple[DoctorFinding, ...]:
    """Look at versions, device, codecs, the embedded prior and the temporary folder."""
    packages = (DoctorFinding(name, ok=True, found=found) for name, found in versions().items())
    return (
        DoctorFinding("python", ok=True, found=platform.python_version()),
        *packages,
        DoctorFinding("processor", ok=True, found=processor()),
        _tried("device", _device),
        *(_tried(f"codec {name}", partial(_decoder, uid)) for name, uid in CODECS.items()),
        _tried("prior embedded", _embedded),
        _tried("temporary folder", _writable),
    )


def _tried(name: str, look: Callable[[], str]) -> DoctorFinding:
    try:
        return DoctorFinding(name, ok=True, found=look())
    except (MedaugError, OSError, ImportError, RuntimeError) as error:
        return DoctorFinding(name, ok=False, found=str(error))


def _device() -> str:
    import torch

    place = resolve_device("auto")
    if place.startswith("cuda"):
        return torch.cuda.get_device_name()
    return f"cpu, solved with {counted(of_a_solve(), 'thread')}"


def _decoder(uid: str) -> str:
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(uid)
    if not decoder.is_available:
        raise RuntimeError("missing: " + "; ".join(decoder.missing_dependencies))
    return ", ".join(decoder.available_plugins)


def _embedded() -> str:
    cards = [load_trained(folder).card for folder in EMBEDDED_PRIORS.values()]
    return ", ".join(f"{card.name} {card.sha256}" for card in cards)


def _writable() -> str:
    with tempfile.TemporaryFile() as file:
        file.write(b"medaug")
    return "writable"
