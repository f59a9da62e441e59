"""What an API server does with an object before it stores it: validation, defaults, pruning."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError
from wasmcloud_api.crds import KINDS, KubernetesObject
from wasmcloud_api.field_path import field_path

from wasmcloud_operator.engine.ports import JsonObject, Rejected
from wasmcloud_operator.model.keys import BUILT_IN, Kind, api_version

_MODELS: Final[dict[Kind, type[KubernetesObject]]] = {Kind(model.__name__): model for model in KINDS}


def admit(kind: Kind, body: JsonObject) -> dict[str, Any]:
    """Return the object as it is stored: checked, with defaults, without fields that the API doesn't know.

    Raises Rejected with every rule that the object breaks. Kubernetes' own kinds are taken as they come.
    """
    typed = {"apiVersion": api_version(kind), "kind": str(kind)}
    if kind in BUILT_IN:
        return dict(body) | typed
    try:
        model = _MODELS[kind].model_validate(dict(body) | typed)
    except ValidationError as error:
        raise Rejected(f"{kind} {body['metadata'].get('name')}: {_sentence(error)}") from None
    content = model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"metadata"})
    _fill_defaults(model, content)
    return content | typed | {"metadata": body["metadata"]}


def _fill_defaults(model: BaseModel, dumped: dict[str, Any]) -> None:
    """Add the defaults that the CRDs name: numbers, texts and enums in the objects that are there.

    Zeros and empty containers mean the same as absence and stay out, as they do in `crds/`.
    """
    for name, field in type(model).model_fields.items():
        alias, value = field.alias or name, getattr(model, name)
        if alias not in dumped:
            if isinstance(value, str | int) and value:
                dumped[alias] = value
        elif isinstance(value, BaseModel):
            _fill_defaults(value, dumped[alias])
        elif isinstance(value, tuple):
            for item, dumped_item in zip(value, dumped[alias], strict=True):
                if isinstance(item, BaseModel):
                    _fill_defaults(item, dumped_item)


def _sentence(error: ValidationError) -> str:
    return "; ".join(f"{field_path(one['loc'])}: {one['msg']}" for one in error.errors())
