"""The `wasmcloud` command: flags in, an exit code out, one sentence for whatever goes wrong."""

from __future__ import annotations

import sys

_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """Run the command and exit. Nothing is imported before this, so that Ctrl-C shows no traceback at any time."""
    try:
        from wasmcloud.command import run  # noqa: PLC0415

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # or the interpreter complains when it flushes
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
