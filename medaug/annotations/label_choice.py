"""Which labels are lesions, which are context that is kept, and which are ignored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Role = Literal["lesion", "context", "ignored"]


@dataclass(frozen=True)
class LabelChoice:
    """Patterns with ``*``, ``?`` and ``[…]``; upper and lower case are the same.

    A label is ignored where a pattern of ``ignored`` fits, else a lesion where one of ``lesions`` does or none is
    given, else context. A pattern fits a label by its name, or by a type that its format states for it.

    Attributes:
        lesions: what is boxed, listed and protected; empty for all labels.
        ignored: what may be repainted as if it weren't annotated.
    """

    lesions: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def role(self, label: str, types: Iterable[str] = ()) -> Role:
        """What a label is; ``types`` are those that its format states, such as RTROIInterpretedType."""
        names = (label, *types)
        if _fits(self.ignored, names):
            return "ignored"
        return "lesion" if not self.lesions or _fits(self.lesions, names) else "context"

    def states(self, label: str, types: Iterable[str] = ()) -> bool:
        """Whether ``lesions`` has a label's whole name or type, without a wildcard: the user's word on it."""
        names = {name.casefold() for name in (label, *types)}
        return any(pattern.casefold() in names for pattern in self.lesions if not set(pattern) & set("*?["))

    def unused(self, names: Iterable[str]) -> tuple[str, ...]:
        """The patterns that fit none of these labels and types."""
        known = tuple(names)
        return tuple(pattern for pattern in (*self.lesions, *self.ignored) if not _fits((pattern,), known))


ALL = LabelChoice()


def _fits(patterns: Iterable[str], names: Iterable[str]) -> bool:
    folded = [name.casefold() for name in names]
    return any(fnmatchcase(name, pattern.casefold()) for pattern in patterns for name in folded)
