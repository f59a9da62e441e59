"""What an API server does with an object before it stores it: validation, defaults, pruning."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from wasmcloud_api.crds import KINDS, KubernetesObject
from wasmcloud_api.names import API_VERSION

from wasmcloud_operator.engine.ports import JsonObject, Rejected
from wasmcloud_operator.model.keys import Kind

_MODELS: Final[dict[Kind, type[KubernetesObject]]] = {Kind(model.__name__): model for model in KINDS}


def admit(kind: Kind, body: JsonObject) -> dict[str, Any]:
    """Return the object as it is stored: checked, and without fields that the API doesn't know.

    Raises Rejected with every rule that the object breaks.
    """
    typed = {"apiVersion": API_VERSION, "kind": str(kind)}
    try:
        model = _MODELS[kind].model_validate(dict(body) | typed)
    except ValidationError as error:
        raise Rejected(f"{kind} {body['metadata'].get('name')}: {_sentence(error)}") from None
    content = model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"metadata"})
    return typed | {"metadata": body["metadata"]} | content


def _sentence(error: ValidationError) -> str:
    problems = (f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
    return "; ".join(problems)
