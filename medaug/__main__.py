"""``python -m medaug``."""

from medaug.cli import program

program()
