"""What is measured on every variant before it is written, and the gate it must pass."""

from medaug.quality.checks import DEFAULT_LIMITS, Check, Limits, failing, inspect, judged, require_known

__all__ = ["DEFAULT_LIMITS", "Check", "Limits", "failing", "inspect", "judged", "require_known"]
