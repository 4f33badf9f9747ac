"""How a profile is named on the command line, and what its options are in the Standard."""

from __future__ import annotations

from dataclasses import dataclass

from medaug.errors import ArchiveError

# option → code of CID 7050, its meaning, and what it does here
OPTIONS: dict[str, tuple[str, str, str]] = {
    "structured": (
        "113104", "Clean Structured Content Option", "reports keep codes, numbers, outlines and references, and no text"
    ),
    "labels": (
        "113105", "Clean Descriptors Option", "names of regions that are given words stay: labels=lesion+nodule"
    ),
    "full-dates": (
        "113106", "Retain Longitudinal Temporal Information Full Dates Option", "dates and times of images stay"
    ),
    "dates": (
        "113107", "Retain Longitudinal Temporal Information Modified Dates Option",
        "dates of images are moved back by as many days for all of a patient"
    ),
    "patient": ("113108", "Retain Patient Characteristics Option", "sex, age, size, weight and the like stay"),
    "uids": ("113110", "Retain UIDs Option", "UIDs stay"),
}  # fmt: skip
BASIC = ("113100", "Basic Application Confidentiality Profile")
FORM = f"basic[:OPTION,…] with {', '.join(OPTIONS)}"


@dataclass(frozen=True)
class Deidentification:
    """A profile with its options.

    Attributes:
        options: names in `OPTIONS`, sorted.
        labels: words in lower case that a region's name may keep.
    """

    options: tuple[str, ...] = ()
    labels: frozenset[str] = frozenset()

    def __contains__(self, option: str) -> bool:
        return option in self.options

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Codes and meanings for DeidentificationMethodCodeSequence (0012,0064)."""
        return (BASIC, *(OPTIONS[option][:2] for option in self.options))

    @property
    def text(self) -> str:
        """As it is given."""
        words = {"labels": f"labels={'+'.join(sorted(self.labels))}"}
        return ":".join(filter(None, ("basic", ",".join(words.get(each, each) for each in self.options))))


def deidentification_of(text: str) -> Deidentification:
    """Read a profile's name.

    Args:
        text: as in `FORM`; ``labels`` has words after ``=``, joined by ``+``.

    Raises:
        ArchiveError: ``archive-option``: another profile or option, or two that contradict each other.
    """
    name, _, rest = text.partition(":")
    given = [option.partition("=") for option in rest.split(",") if option]
    labels = frozenset(word.strip().lower() for key, _, value in given for word in value.split("+") if key == "labels")
    options = tuple(sorted(key for key, _, _ in given))
    if name != "basic" or not set(options) <= set(OPTIONS) or any(value for key, _, value in given if key != "labels"):
        raise _refused("found something else")
    if len(set(options)) < len(options) or {"dates", "full-dates"} <= set(options):
        raise _refused("found one twice, or dates and full-dates together")
    if ("labels" in options) != any(labels) or "" in labels:
        raise _refused("found labels without words; give labels=WORD+WORD")
    return Deidentification(options, labels)


def _refused(found: str) -> ArchiveError:
    return ArchiveError(f"de-identification: expected {FORM}, {found}", code="archive-option")
