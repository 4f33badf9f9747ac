"""What is measured on every variant before it is written, and the gate it must pass."""

from medaug.quality.baseline import Baseline
from medaug.quality.checks import DEFAULT_LIMITS, Check, Limits, failing, inspect, judged

__all__ = ["DEFAULT_LIMITS", "Baseline", "Check", "Limits", "failing", "inspect", "judged"]
