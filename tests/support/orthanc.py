"""An Orthanc with its DICOMweb plugin on loopback ports of its own, started by a test and ended with it.

Source of `coercing`: https://orthanc.uclouvain.be/book/plugins/python.html (RegisterReceivedInstanceCallback).
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sysconfig
import time
import urllib.request
from pathlib import Path
from typing import Any

import pydicom

from tests.support.ports import free_port

PROGRAM = shutil.which("Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SCRIPTS = Path("/usr/share/orthanc/plugins/libOrthancPython.so")
NO_SCRIPTS = "" if SCRIPTS.exists() else "no Python in Orthanc here: apt-get install orthanc-python"
MISSING = "" if PROGRAM and PLUGIN.exists() else "no Orthanc here: apt-get install orthanc orthanc-dicomweb"


class Orthanc:
    """One archive; `kill` and `start` may be called again and again, what is stored stays.

    Args:
        folder: for its database and configuration.
        more: of its configuration.
    """

    def __init__(self, folder: Path, **more: Any) -> None:
        self.web, self.dimse = free_port(), free_port()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = {
            "Name": "test", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
            "HttpPort": self.web, "DicomPort": self.dimse, "DicomAet": "ARCHIVE", "DicomCheckCalledAet": True,
            "DicomServerEnabled": True, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
            "HttpBindAddresses": ["127.0.0.1"], "StableAge": 1, "SynchronousCMove": True, **more,
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dicomweb(self) -> str:
        return f"dicomweb+http://127.0.0.1:{self.web}/dicom-web"

    @property
    def dicom(self) -> str:
        return f"dimse://ARCHIVE@127.0.0.1:{self.dimse}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(self.settings))
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, str(path)], stdout=log, stderr=log)
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.web), 5).close()
            except OSError:
                time.sleep(0.1)
                assert self._process.poll() is None, (self.folder / "log.txt").read_text()[-2000:]
            else:
                return
        raise AssertionError("Orthanc doesn't answer")

    def kill(self) -> None:
        """As a failing machine would."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/{path}", timeout=30) as answer:
            return json.load(answer)

    def instance(self, name: str) -> pydicom.Dataset:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/instances/{name}/file", timeout=30) as answer:
            return pydicom.dcmread(io.BytesIO(answer.read()))

    def held(self) -> dict[str, pydicom.Dataset]:
        """What it holds, by its own interface."""
        found = map(self.instance, self.ask("instances"))
        return {str(ds.SOPInstanceUID): ds for ds in found}

    def delete(self, name: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}/instances/{name}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()

    def put(self, data: bytes) -> Any:
        """Store an instance by its own interface."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}/instances", data, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


_COERCE = """
import io, sys
sys.path[:0] = {path!r}  # the interpreter in Orthanc is the system's; pydicom is the test's
import orthanc, pydicom

def coerce(data, origin):
    ds = pydicom.dcmread(io.BytesIO(data))
    for keyword in {keywords!r}:
        ds[keyword].value = pydicom.uid.generate_uid(entropy_srcs=[keyword, str(ds[keyword].value)])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    made = io.BytesIO()
    ds.save_as(made, enforce_file_format=True)
    return orthanc.ReceivedInstanceAction.MODIFY, made.getvalue()

orthanc.RegisterReceivedInstanceCallback(coerce)
"""


def coercing(folder: Path, *keywords: str) -> dict[str, Any]:
    """Settings of an Orthanc that gives what arrives other UIDs before it stores it, the same each time.

    Args:
        folder: for its script.
        keywords: of the UIDs: `StudyInstanceUID`, `SeriesInstanceUID`, `SOPInstanceUID`.
    """
    script = folder / "coerce.py"
    path = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    script.write_text(_COERCE.format(path=path, keywords=keywords))
    return {"Plugins": [str(PLUGIN), str(SCRIPTS)], "PythonScript": str(script), "PythonVerbose": False}
