"""``python benchmarks/serve_engine.py PORT WASM [POOL_SIZE]``: the engine alone, one workload, until stdin ends."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from wasmcloud_engine import Engine


async def main(port: int, wasm: Path, pool_size: int) -> None:
    with tempfile.TemporaryDirectory() as cache:
        engine = Engine(json.dumps({"http_addr": f"127.0.0.1:{port}", "cache_dir": cache}))
        component = {"name": "guest", "path": str(wasm), "pool_size": pool_size}
        workload = {
            "id": "1",
            "namespace": "default",
            "name": "bench",
            "hosts": ["127.0.0.1"],
            "components": [component],
        }
        await engine.start(json.dumps(workload))
        await asyncio.to_thread(sys.stdin.read)
        await engine.shutdown(1.0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]).resolve(), int(sys.argv[3]) if len(sys.argv) > 3 else 0))
