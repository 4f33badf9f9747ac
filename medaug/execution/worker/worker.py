"""What a worker keeps between units."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from medaug import assemble
from medaug.augmentation.case import Donor
from medaug.augmentation.tools import Tools
from medaug.dicom.evidence.templates import Templates
from medaug.dicom.read.parse import LastFile
from medaug.dicom.write.source_instances import Originals
from medaug.errors import ReadError
from medaug.execution.planning.request import RunRequest, io_workers_beside
from medaug.execution.planning.sources import ImageSource
from medaug.execution.planning.units import Unit
from medaug.execution.worker.io_process import IoProcess, Setup
from medaug.execution.worker.solver_process import SolverProcess
from medaug.imaging.volume import Volume
from medaug.inverse.device import resolve_device
from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.processes.threads import cores, of_a_solve
from medaug.profile.profile import Profile
from medaug.report.pictures import Backdrops
from medaug.version import versions


class Worker:
    """What works on units: the prior on its device, the source it read last, and what its pictures share.

    It can be pickled: what arrives has loaded nothing.

    Args:
        request: what was asked; names the profile, the device, and what the user stated about identity.
        root: OUTPUT.
        threads: of the processor's that a solve takes; None for `threads.of_a_solve`.
        solver_process: solve in another process, which pays where many units are solved.
        io_workers: processes that read and write beside one that solves, 0 to do it in this process; None for what the
            cores allow on a device, and 0 on a processor, whose solves take longer.
        sharing: workers that share this machine's cores.
        card: of the prior, where another process holds it and this one solves nothing.
    """

    def __init__(
        self,
        request: RunRequest,
        root: Path,
        *,
        threads: int | None = None,
        solver_process: bool = False,
        io_workers: int | None = 0,
        sharing: int = 1,
        card: PriorCard | None = None,
    ) -> None:
        self.request, self.root = request, root
        self.solved = self.waited = 0.0  # seconds in which solving went on, and in which it waited for what to solve
        self.backdrops, self.originals, self.templates = Backdrops(), Originals(), Templates()
        self._last: tuple[ImageSource, tuple[Volume, ...]] | None = None
        self._file = LastFile()
        self._donor: Donor | None = None
        self._threads, self._solver_process, self._card = threads, solver_process, card
        self._io_workers, self._sharing = io_workers, sharing

    def __reduce__(self) -> tuple[Any, ...]:
        made = partial(
            Worker,
            threads=self._threads,
            solver_process=self._solver_process,
            io_workers=self._io_workers,
            sharing=self._sharing,
            card=self._card,
        )
        return made, (self.request, self.root)

    @property
    def profile(self) -> Profile:
        """The resolved profile."""
        return self.request.profile

    @cached_property
    def device(self) -> str:
        """The device by its name; found when first asked for. A processor where nothing is solved."""
        return resolve_device(self.request.device) if self.profile.generates else "cpu"

    @cached_property
    def threads(self) -> int | None:
        """How many of the processor's a solve takes, which decides its last digits; None on a device, or for none."""
        return (self._threads or of_a_solve()) if self.device == "cpu" and self.profile.generates else None

    @property
    def spare(self) -> int:
        """How many may read and write at once: cores that a solve leaves, at least one, where it is done here."""
        if self.io_workers:
            return 2 * self.io_workers  # each waits for its process
        return max(1, cores() - (self.threads or 0))

    @cached_property
    def versions(self) -> dict[str, str]:
        """Versions of what decides pixels and files."""
        return versions()

    @cached_property
    def tools(self) -> Tools:
        """The prior and all around it; loaded when first asked for.

        Raises:
            PriorError: the prior isn't what the profile pins.
        """
        if self._card is not None:
            return assemble.tools(self.profile, self.device, RemotePrior(self._card))
        if self._solver is None:
            return assemble.tools(self.profile, self.device, threads=self.threads)
        there = assemble.tools(self.profile, self.device, self._solver.prior())
        return replace(there, solve_slices=self._solver.solve_slices)

    @cached_property
    def _solver(self) -> SolverProcess | None:
        apart = self.profile.generates and (self._solver_process or self.io_workers > 0)
        return SolverProcess(self.profile, self.device, self.threads) if apart else None

    @property
    def solves_here(self) -> bool:
        """Whether this process solves, and not another one for it."""
        return self._card is None and self._solver is None

    @cached_property
    def io_workers(self) -> int:
        """How many processes read and write; 0 where it is done in this one."""
        if self._io_workers is not None:
            return self._io_workers
        return io_workers_beside(self.device, max(2, cores() // self._sharing))

    @cached_property
    def io_processes(self) -> tuple[IoProcess, ...]:
        """Those that read and write for this worker; they are started when they are first asked."""
        return tuple(IoProcess(self._io_setup) for _ in range(self.io_workers))

    def _io_setup(self) -> Setup:
        there = replace(self.request, device=self.device)
        return Setup(there, self.root, self.threads, self.tools.solve.prior.card)

    def close(self) -> None:
        """End the processes that solve, read and write, where there are any; the next unit would start others."""
        for process in self.io_processes:
            process.close()
        if self._solver is not None:
            self._solver.close()

    def volume(self, unit: Unit) -> Volume:
        """The unit's volume; read again only when the source changes.

        Raises:
            ReadError: the source can't be read, or is no longer what was planned.
        """
        if self._last is None or self._last[0] != unit.source:
            self._last = None  # let go of the old one first
            self._last = (unit.source, unit.source.load(self._file))
        for volume in self._last[1]:
            if volume.source.key == unit.recipe.source:
                return volume
        raise input_changed()

    def donor(self, unit: Unit) -> Donor | None:
        """The image whose lesion is set in, where the unit has one; read again only when it changes.

        Raises:
            ReadError: it can't be read, or is no longer what was planned.
        """
        if unit.donor is None:
            return None
        if self._donor is None or self._donor.volume.source.key != unit.donor.reference.key:
            self._donor = None
            self._donor = unit.donor.load()
        return Donor(self._donor.volume, unit.donor.box)


def input_changed() -> ReadError:
    """What a unit ends with whose source is no longer what it was planned from."""
    return ReadError("the source changed since the run was planned; give the same command again", code="input-changed")
