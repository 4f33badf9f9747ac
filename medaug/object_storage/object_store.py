"""Object storage as push, pull and verify see it: list, read what was listed, and create what isn't there.

Nothing is overwritten and nothing removed: there is no call for it.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

from medaug.errors import ArchiveError, RunError
from medaug.object_storage.place import Prefix
from medaug.storage.plain_files import open_plain

BLOCK = 16 << 20  # bytes that are asked for at once
CLOSING = 5.0  # seconds
WAITS = (0.2, 0.4, 0.8, 1.6, 3.2)  # seconds before a request that met another writer's is made again
PARTS = 2  # of 50 MB of a large file, in memory
DIGEST = "sha256"  # the metadata in which an object says what it was put as
_INSTALL = "object storage: expected s3fs; install it: pip install 'medaug[s3]'"
_NOT_READ = {"InvalidRange", "PreconditionFailed", "412", "416"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}
_BUSY = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "500", "503"}
_WHO = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403", "401"}


@dataclass(frozen=True)
class StoredObject:
    """An object.

    Attributes:
        name: below the prefix.
        size: in bytes.
        etag: names the version of its content.
        sha256: what it says of itself, ``""`` where it says nothing or wasn't asked.
    """

    name: str
    size: int
    etag: str
    sha256: str = ""


class _ConflictError(ArchiveError):
    """Two conditional requests met; one may be made again."""


class ObjectStore:
    """A prefix of a bucket; connects when it is first asked. As a context it closes its connections at the end.

    Args:
        place: of it.
    """

    def __init__(self, place: Prefix) -> None:
        self.place = place

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        client = getattr(self.__dict__.pop("_fs", None), "_s3creator", None)
        if client is not None:
            from fsspec.asyn import get_loop, sync

            with suppress(Exception):  # what is gone is closed
                sync(get_loop(), client.__aexit__, None, None, None, timeout=CLOSING)

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[Prefix]]:
        return ObjectStore, (self.place,)

    def listed(self, under: str = "") -> Iterator[StoredObject]:
        """The objects whose names begin with ``under``, in the order of their names' bytes, a page in memory at a time.

        Raises:
            ArchiveError: the store can't be reached, or refuses.
        """
        going_on: dict[str, str] = {}
        while True:
            with _coded():
                page = self._call("list_objects_v2", Prefix=self.place.key(under), **going_on)
            for one in page.get("Contents", ()):
                name = str(one["Key"])[len(self.place.key("")) :]
                yield StoredObject(name, int(one["Size"]), str(one["ETag"]))
            if not page.get("IsTruncated"):
                return
            going_on = {"ContinuationToken": page["NextContinuationToken"]}

    def blocks(self, one: StoredObject) -> Iterator[bytes]:
        """The bytes of a listed object, as it was then, `BLOCK` in memory at a time.

        Raises:
            ArchiveError: ``object-changed`` or ``object-lost`` since; or the store can't be reached, or refuses.
        """
        for first in range(0, one.size, BLOCK):
            last = min(first + BLOCK, one.size) - 1
            with _coded():
                block = self._read(one, f"bytes={first}-{last}")
            if len(block) != last + 1 - first:
                raise ArchiveError("an object is shorter than the store says; ask again", code="archive-answer")
            yield block

    def digest(self, one: StoredObject) -> str:
        """SHA-256 of a listed object; raises as `blocks`."""
        digest = hashlib.sha256()
        for block in self.blocks(one):
            digest.update(block)
        return digest.hexdigest()

    def find(self, name: str) -> StoredObject | None:
        """An object with what it says of its content; None where there is none.

        Raises:
            ArchiveError: the store can't be reached, or refuses.
        """
        try:
            with _coded():
                head = self._call("head_object", Key=self.place.key(name))
        except ArchiveError as error:
            if error.code == "object-lost":
                return None
            raise
        said = {key.lower(): value for key, value in head.get("Metadata", {}).items()}
        return StoredObject(name, int(head["ContentLength"]), str(head["ETag"]), str(said.get(DIGEST, "")))

    def create(self, name: str, path: Path, sha256: str) -> bool:
        """Put a plain file as an object, whole or not at all; False where an object has that name.

        By one conditional request (If-None-Match: *), so that of two writers one wins.

        Args:
            name: of the object.
            path: of the file; no link.
            sha256: of the file, which the object will say.

        Raises:
            ArchiveError: the store can't be reached, or refuses.
            OSError: the file can't be read.
        """
        for wait in WAITS:
            try:
                return self._create(name, path, sha256)
            except _ConflictError:  # another writer of it is amid its request
                time.sleep(wait)
        return self._create(name, path, sha256)

    def _create(self, name: str, path: Path, sha256: str) -> bool:
        target = f"{self.place.bucket}/{self.place.key(name)}"
        with open_plain(path, follow=False) as file:
            try:
                with _coded():
                    said = {DIGEST: sha256}
                    self._fs.put_file(_opened(file, path), target, mode="create", Metadata=said, max_concurrency=PARTS)
            except FileExistsError:
                return False
        return True

    @cached_property
    def _fs(self) -> Any:
        try:
            from s3fs import S3FileSystem
        except ImportError:
            raise RunError(_INSTALL) from None
        return S3FileSystem(use_listings_cache=False, skip_instance_cache=True)

    def _call(self, method: str, **asked: Any) -> Any:
        return self._fs.call_s3(method, Bucket=self.place.bucket, **asked)

    def _read(self, one: StoredObject, span: str) -> bytes:
        from fsspec.asyn import sync

        answer = self._call("get_object", Key=self.place.key(one.name), IfMatch=one.etag, Range=span)
        return bytes(sync(self._fs.loop, answer["Body"].read))


def _opened(file: BinaryIO, path: Path) -> str:
    """A name of an open file, where the system has one: another put in its place meanwhile isn't sent."""
    name = Path(f"/proc/self/fd/{file.fileno()}")
    return str(name if name.exists() else path)


@contextmanager
def _coded() -> Iterator[None]:
    """Turn what goes wrong into a code, without the store's words, which name buckets and keys."""
    try:
        yield
    except (ArchiveError, RunError, FileExistsError):
        raise
    except FileNotFoundError:
        raise ArchiveError("an object or its bucket isn't there, or not any more", code="object-lost") from None
    except Exception as error:  # noqa: BLE001 - clients raise anything
        raise _told(error) from None


def _told(error: Exception) -> ArchiveError:
    cause = error.__cause__ or error
    answer = getattr(cause, "response", {})
    code, kind = str(answer.get("Error", {}).get("Code", "")), type(cause).__name__
    if code in _CONFLICT:
        return _ConflictError("another writer creates the same object, again and again", code="archive-refused")
    if code in _NOT_READ:
        return ArchiveError(
            "an object changed since it was listed; leave it alone, and ask again", code="object-changed"
        )
    if code in _WHO or isinstance(error, PermissionError) or "Credential" in kind:
        return ArchiveError(
            f"the store refuses who asks ({code or kind}); see AWS_ACCESS_KEY_ID, AWS_PROFILE and AWS_ENDPOINT_URL",
            code="archive-credentials",
        )
    if code and getattr(error, "errno", None) != errno.EIO and code not in _BUSY:
        return ArchiveError(f"the store refuses a request ({code[:40]})", code="archive-refused")
    return ArchiveError(
        f"the store doesn't answer ({code[:40] or kind}); see AWS_ENDPOINT_URL", code="archive-unreachable"
    )
