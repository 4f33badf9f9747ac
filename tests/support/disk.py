"""A disk that dies: it counts every step that changes it, and stops at one of them.

Three ways to die: the process is killed before the step (what was written stays), the power fails before it (only what
was flushed stays: a file's bytes by fsync of the file, a name by fsync of its folder), the disk refuses everything from
then on, because it is full, read-only or broken.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from unittest import mock

Key = tuple[int, int]  # inode, and how often it was given to a new file


class Killed(BaseException):
    """No step can be taken any more, not even by a ``finally``."""


class Disk:
    """Hooks around the calls that change a disk, and what of it is durable.

    Args:
        stop: the step, from 1, before which the disk dies; 0 for never.
        fails: let every step from there on fail with this errno, in place of dying.
    """

    def __init__(self, stop: int = 0, *, fails: int = 0) -> None:
        self.steps, self.stop, self.fails = 0, stop, fails
        self._flushing = (
            Lock()
        )  # threads of one run flush one folder: what is seen later must not be lost to an older look
        self.lives: dict[int, int] = {}
        self.bytes: dict[Key, bytes] = {}
        self.names: dict[Key, dict[str, Key]] = {}
        self.folders: set[Key] = set()

    @contextmanager
    def watched(self) -> Iterator[Disk]:
        """Within this context the disk is this one."""
        real = {name: getattr(os, name) for name in ("fsync", "rename", "replace", "mkdir", "write", "unlink", "rmdir")}
        hooks = {name: self._hook(name, call) for name, call in real.items()}
        with mock.patch.multiple(os, **hooks, open=self._opener(os.open)), mock.patch.object(io, "open", self._file):
            yield self

    @staticmethod
    def die() -> None:
        raise Killed

    def _step(self) -> None:
        self.steps += 1
        if self.stop and self.steps >= self.stop:
            if self.fails:
                raise OSError(self.fails, os.strerror(self.fails))
            self.die()

    def _hook(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        frees = self.fails == errno.ENOSPC and name in {"unlink", "rmdir"}  # a full disk lets files go

        def hooked(*args: Any, **options: Any) -> Any:
            if not frees:
                self._step()
            if name == "fsync":
                return self._flushed(args[0])  # to the model; the machine's own disk need not wait
            result = call(*args, **options)
            if name == "mkdir":
                inode = Path(args[0]).stat().st_ino
                self._born(inode)
                self.folders.add(self._key(inode))
            return result

        return hooked

    def _opener(self, call: Callable[..., int]) -> Callable[..., int]:
        def hooked(path: Any, flags: int, *args: Any, **options: Any) -> int:
            new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
            if new:
                self._step()
            descriptor = call(path, flags, *args, **options)
            if new:
                self._born(os.fstat(descriptor).st_ino)
            return descriptor

        return hooked

    def _file(self, path: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        if "w" in mode:
            self._step()
        file = builtins.open(path, mode, *args, **options)  # noqa: PTH123, SIM115 - the call that was hooked
        if "w" in mode:
            self._born(os.fstat(file.fileno()).st_ino)
        return file

    def _born(self, inode: int) -> None:
        self.lives[inode] = self.lives.get(inode, 0) + 1

    def _key(self, inode: int) -> Key:
        return inode, self.lives.get(inode, 0)

    def _flushed(self, descriptor: int) -> None:
        key = self._key(os.fstat(descriptor).st_ino)
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        with self._flushing:
            if place.is_dir():
                with os.scandir(place) as entries:
                    self.names[key] = {entry.name: self._key(entry.inode()) for entry in entries}
            else:
                self.bytes[key] = place.read_bytes()

    def after_power_loss(self, root: Path, target: Path) -> Path:
        """What stands on the disk when the power is back, as a copy.

        Args:
            root: what was written to.
            target: a folder that isn't there yet.
        """
        own, above = (self._key(path.stat().st_ino) if path.exists() else (0, 0) for path in (root, root.parent))
        if own in self.names.get(above, {}).values():
            self._rebuild(own, target)
        return target

    def _rebuild(self, key: Key, target: Path) -> None:
        if key in self.names:
            target.mkdir()
            for name, child in self.names[key].items():
                self._rebuild(child, target / name)
        elif key in self.bytes:
            target.write_bytes(self.bytes[key])
        elif key in self.folders:
            target.mkdir()  # its names were never flushed
        else:
            target.write_bytes(b"")


def copy(root: Path, target: Path) -> Path:
    """What stands on the disk after a kill."""
    if root.exists():
        shutil.copytree(root, target)
    return target
