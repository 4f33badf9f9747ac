"""Collections that don't fit into memory: a sorted dictionary on disk, and what can be yielded again and again."""

from __future__ import annotations

import pickle
import sqlite3
import weakref
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Generic, TypeVar, overload

from medaug.errors import OutputError

T = TypeVar("T")
CACHE_KIB = 2048  # of a map, whatever its length
_MISSING = object()
_PUT = "INSERT OR REPLACE INTO items VALUES (?, ?)"


class DiskMap(Generic[T]):
    """A dictionary on disk, iterated in the order of its keys; memory holds `CACHE_KIB` of it, whatever its length.

    It lies in a temporary file without a name, which is gone with the map (SQLite's temporary database; in TMPDIR,
    else /var/tmp or /tmp). Keys are ASCII, in the order of their bytes; values can be pickled.

    Raises:
        OutputError: the folder for temporary files is full or can't be written; any method may.
    """

    def __init__(self, items: Iterable[tuple[str, T]] = ()) -> None:
        with _full_disk():
            self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._file.close)  # a connection and its statements hold each other
            for line in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"cache_size = -{CACHE_KIB}"):
                self._file.execute(f"PRAGMA {line}")
            self._file.execute("CREATE TABLE items (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            self._file.execute("BEGIN")  # never ended: nothing of it is to outlive the process
            self._file.executemany(_PUT, ((key, _blob(value)) for key, value in items))

    @classmethod
    def of(cls, keys: Iterable[str]) -> DiskMap[None]:
        """A sorted set: keys without values."""
        return DiskMap((key, None) for key in keys)

    def __setitem__(self, key: str, value: T) -> None:
        with _full_disk():
            self._file.execute(_PUT, (key, _blob(value)))

    def get(self, key: str) -> T | None:
        """The value, None where there is none."""
        row = self._file.execute("SELECT value FROM items WHERE key = ?", (key,)).fetchone()
        return None if row is None else _value(row[0])

    def __contains__(self, key: object) -> bool:
        return self._file.execute("SELECT 1 FROM items WHERE key = ?", (key,)).fetchone() is not None

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM items").fetchone()[0])

    def __iter__(self) -> Iterator[str]:
        for (key,) in self._file.execute("SELECT key FROM items ORDER BY key"):
            yield key

    def items(self) -> Iterator[tuple[str, T]]:
        """Keys and values, in the order of the keys."""
        for key, blob in self._file.execute("SELECT key, value FROM items ORDER BY key"):
            yield key, _value(blob)

    def values(self) -> Iterator[T]:
        """The values in the order of their keys."""
        return (value for _, value in self.items())


class Reiterable(Sequence[T]):
    """What a function yields, as a sequence: made anew each time it is iterated, and never in memory whole.

    Args:
        make: gives the same values in the same order each time.
        count: gives their number; counted by iterating where it is left out.
    """

    def __init__(self, make: Callable[[], Iterator[T]], count: Callable[[], int] | None = None) -> None:
        self._make, self._count = make, count
        self._length: int | None = None

    def __iter__(self) -> Iterator[T]:
        return self._make()

    def __len__(self) -> int:
        if self._length is None:
            self._length = self._count() if self._count else sum(1 for _ in self._make())
        return self._length

    def __bool__(self) -> bool:
        if self._length is not None:
            return self._length > 0
        return next(iter(self), _MISSING) is not _MISSING

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        """By iterating up to it: for a look at a few, not for all in turn."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return tuple(self)[index] if step < 0 else tuple(islice(self, start, stop, step))
        at = index if index >= 0 else index + len(self)
        found = next(islice(self, at, None), _MISSING) if at >= 0 else _MISSING
        if found is _MISSING:
            raise IndexError(index)
        return found  # type: ignore[return-value]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


def among(values: Collection[T], key: Callable[[T], str], wanted: Container[str]) -> Reiterable[T]:
    """Those of ``values`` whose key is wanted, in their order."""
    return Reiterable(lambda: (value for value in values if key(value) in wanted))


def _blob(value: object) -> bytes | None:
    return None if value is None else pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _value(blob: bytes | None) -> T:  # type: ignore[type-var]
    return None if blob is None else pickle.loads(blob)  # type: ignore[return-value]  # noqa: S301 - this process wrote it


@contextmanager
def _full_disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"TMPDIR: the folder for temporary files can't be written ({error}); make room there, or name another "
            "folder in the environment variable TMPDIR, then give the same command again: it continues"
        ) from None
