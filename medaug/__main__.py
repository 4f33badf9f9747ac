"""``python -m medaug``."""

from medaug.cli import main

main()
