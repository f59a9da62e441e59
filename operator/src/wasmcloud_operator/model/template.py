"""Templates in a form in which equal meaning is equal text, and the names that follow from it."""

from __future__ import annotations

import hashlib
import json

from wasmcloud_api.crds import WorkloadTemplate

NAME_LENGTH = 253
"""Longest name of an object (RFC 1123 subdomain)."""


def template_digest(template: WorkloadTemplate) -> str:
    """Return a digest that templates share exactly when they mean the same: defaults and order of keys don't count."""
    text = json.dumps(template.document(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def child_name(owner: str, suffix: str) -> str:
    """Return `<owner>-<suffix>`; an owner's name that leaves no room is cut and told apart by a digest of itself."""
    room = NAME_LENGTH - len(suffix) - 1
    if len(owner) > room:
        owner = f"{owner[: room - 9].rstrip('-.')}-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"
    return f"{owner}-{suffix}"
