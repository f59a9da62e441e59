"""What every kind is made of: the base model, numbers and strings with bounds, rules, object metadata."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from wasmcloud_api.json_values import in_utc, rfc3339, without_nulls
from wasmcloud_api.names import API_VERSION

INT32_MAX: Final = 2**31 - 1

Count = Annotated[StrictInt, Field(ge=0, le=INT32_MAX, json_schema_extra={"format": "int32"})]
"""An int32 that isn't negative."""
Positive = Annotated[StrictInt, Field(ge=1, le=INT32_MAX, json_schema_extra={"format": "int32"})]
"""An int32 above 0."""
Int64 = Annotated[StrictInt, Field(ge=0, json_schema_extra={"format": "int64"})]
"""An int64 that isn't negative. Without a maximum: the API server keeps bounds as floats, where 2**63 - 1 overflows."""
Bool = StrictBool

NonEmpty = Annotated[str, Field(min_length=1)]
DNS_LABEL_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
DNS_SUBDOMAIN_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
DnsLabel = Annotated[str, Field(max_length=63, pattern=DNS_LABEL_PATTERN)]
"""An RFC 1123 label: the name of a namespace or a Service."""
DnsSubdomain = Annotated[str, Field(max_length=253, pattern=DNS_SUBDOMAIN_PATTERN)]
"""An RFC 1123 subdomain: the name of most objects."""

LABEL_VALUE_PATTERN: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LabelValue = Annotated[str, Field(max_length=63, pattern=LABEL_VALUE_PATTERN)]


def _whole_seconds(moment: datetime) -> datetime:
    return in_utc(moment).replace(microsecond=0)


Time = Annotated[
    AwareDatetime,
    AfterValidator(_whole_seconds),
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment, written like Kubernetes writes it: UTC, whole seconds."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over several fields: the server judges it by CEL, Python by a validator with the same message."""

    cel: str
    message: str

    def schema(self) -> dict[str, Any]:
        """Return the rule as an entry of a JSON schema."""
        return {"x-kubernetes-validations": [{"rule": self.cel, "message": self.message}]}


@dataclass(frozen=True, slots=True)
class KeyedList:
    """Annotation of a list whose items are told apart by these fields: Kubernetes' list type `map`."""

    keys: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse a list that has a key twice, as the API server does."""
        return core_schema.no_info_after_validator_function(self._without_duplicates, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Name the keys for the API server."""
        listed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}
        return handler(schema) | listed

    def _without_duplicates(self, items: Sequence[BaseModel]) -> Sequence[BaseModel]:
        seen: set[tuple[Hashable, ...]] = set()
        for index, item in enumerate(items):
            attributes = {info.alias: name for name, info in type(item).model_fields.items()}
            value = tuple(getattr(item, attributes[key]) for key in self.keys)
            if value in seen:
                shown = ", ".join(f'{key} "{part}"' for key, part in zip(self.keys, value, strict=True))
                raise ValueError(f"[{index}]: Duplicate value: {shown}")
            seen.add(value)
        return items


class Resource(BaseModel):
    """Base of all API types: camelCase outside, snake_case inside, frozen, unknown fields ignored.

    A field that is null counts as absent, as it does for an API server that prunes it.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return without_nulls(value)

    def document(self) -> dict[str, Any]:
        """Return the camelCase JSON form without what equals its default: equal documents are equal in meaning."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


class Status(Resource):
    """Base of all statuses: zeros are information, so a document keeps them."""

    def document(self) -> dict[str, Any]:
        """Return the camelCase JSON form without what is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class OwnerReference(Resource):
    """The object that this one belongs to."""

    api_version: str
    """Group and version of the owner."""
    kind: str
    """Kind of the owner."""
    name: str
    """Name of the owner, in the same namespace."""
    uid: str
    """Uid of the owner."""
    controller: Bool = False
    """Whether the owner manages this object; true for one owner at most."""
    block_owner_deletion: Bool = False
    """Whether the owner stays until this object is gone, when it is deleted in the foreground."""


class ObjectMeta(Resource):
    """Kubernetes' object metadata, as far as this project reads or writes it."""

    name: DnsSubdomain = ""
    """Name, unique among its kind in the namespace."""
    generate_name: str = ""
    """Prefix of a name that the API server makes up."""
    namespace: DnsLabel = ""
    """Namespace of the object."""
    uid: str = ""
    """Id that no other object, past or future, has."""
    resource_version: str = ""
    """Opaque version of the object's last write."""
    generation: Int64 = 0
    """Number that grows with each change of the desired state."""
    creation_timestamp: Time | None = None
    """When the object was made."""
    deletion_timestamp: Time | None = None
    """When the object was asked to go; it goes once its finalizers are gone."""
    deletion_grace_period_seconds: Int64 = 0
    """Seconds given to the object to end."""
    labels: dict[str, LabelValue] = Field(default_factory=dict)
    """Labels, which selectors match."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations, which nothing selects by."""
    finalizers: tuple[str, ...] = ()
    """Names of those who must finish before the object goes."""
    owner_references: tuple[OwnerReference, ...] = ()
    """Objects this one belongs to."""
    managed_fields: tuple[dict[str, Any], ...] = ()
    """Who wrote which field; kept by the API server."""
    self_link: str = ""
    """Kept for objects of old servers; empty."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that `kubectl get` prints."""

    name: str
    path: str
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the scale subresource finds its figures."""

    status_path: str
    selector_path: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """What a CustomResourceDefinition says beside its schema."""

    plural: str
    singular: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    scale: Scale | None = None


class KubernetesObject(Resource):
    """Base of the five kinds."""

    definition: ClassVar[Definition]

    api_version: str = Field(default=API_VERSION, pattern=r"^runtime\.wasmcloud\.dev/v1alpha1$")
    """Group and version of this object's schema."""
    kind: str
    """Kind of this object."""
    metadata: ObjectMeta = ObjectMeta()
    """Standard object metadata."""

    def document(self) -> dict[str, Any]:
        """Return the camelCase JSON form: all of the status, the rest without what equals its default."""
        document = {"apiVersion": self.api_version, "kind": self.kind} | super().document()
        status = getattr(self, "status", None)
        return document | ({} if status is None else {"status": status.document()})


AGE: Final = Column("AGE", ".metadata.creationTimestamp", "date")
READY: Final = Column("READY", '.status.conditions[?(@.type=="Ready")].status')
REASON: Final = Column("REASON", '.status.conditions[?(@.type=="Ready")].reason')
