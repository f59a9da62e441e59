"""``wasmcloud-operator``: flags and environment to a running operator."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from wasmcloud_operator import app
from wasmcloud_operator.settings import SettingsError, read_settings

_EXIT_FAILED = 1
_EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the operator until SIGTERM or SIGINT.

    Exit code 2 for settings that can't be used, 1 when it can't start here (an address in use, no
    access to a cluster).
    """
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments)
        asyncio.run(app.run(settings))
    except SettingsError as problem:
        _exit(_EXIT_USAGE, problem)
    except app.StartError as problem:
        _exit(_EXIT_FAILED, problem)


def _exit(code: int, problem: Exception) -> None:
    sys.stderr.write(f"wasmcloud-operator: {problem}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
