"""`agw …`, which is `python -m agwtwisted …`."""

from __future__ import annotations

import sys
from typing import NoReturn

from agwtwisted.cli.program import main


def run() -> NoReturn:
    """The program `agw`."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
