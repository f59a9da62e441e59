"""Drop generated code that a program never imports, once importing the program has compiled what it does.

    python drop_unused.py CLIENT...    CLIENT: a package with generated `api` and `models`, such as kubernetes.client

A source in those two with no compiled file beside it goes; nothing else is touched. A client that is laid out
otherwise, as a later version of it may be, is an error.
"""
# ruff: noqa: INP001  # no package: run while an image is built

import sys
from importlib.util import cache_from_source
from pathlib import Path
from sysconfig import get_path


def main() -> None:
    """Drop, and say how much."""
    dropped_bytes = 0
    for client in sys.argv[1:]:
        for generated in ("api", "models"):
            package = Path(get_path("purelib"), *client.split("."), generated)
            if not (package / "__init__.py").is_file():
                sys.exit(f"{client} has no {generated}: see what its present version generates, and where")
            for source in package.glob("*.py"):
                if not Path(cache_from_source(str(source))).exists():
                    dropped_bytes += source.stat().st_size
                    source.unlink()
    print(f"dropped {dropped_bytes // 1_000_000} MB")


if __name__ == "__main__":
    main()
