"""JSON merge patches (RFC 7386): applying one, and finding the one between two documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(old: Any, patch: Any) -> Any:
    """Return ``old`` with ``patch`` applied. Neither is changed; what the patch leaves alone is shared, not copied.

    Returns ``old`` itself when the patch changes nothing, so ``is`` tells whether there is anything to write.
    """
    if not isinstance(patch, Mapping):
        return old if old == patch and type(old) is type(patch) else patch
    base: dict[str, Any] = dict(old) if isinstance(old, Mapping) else {}
    is_changed = not isinstance(old, Mapping)
    for name, value in patch.items():
        if value is None:
            is_changed |= base.pop(name, None) is not None
            continue
        before = base.get(name)
        after = merged(before, value)
        if after is not before or name not in base:
            base[name] = after
            is_changed = True
    return base if is_changed else old


def three_way(last: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch that ``kubectl apply`` sends: everything in ``new``, and null for what only ``last`` had.

    Fields that neither of the two names (defaults, what other writers set) are left alone.
    """
    patch: dict[str, Any] = dict.fromkeys(last.keys() - new.keys())
    for name, value in new.items():
        before = last.get(name)
        patch[name] = three_way(before, value) if isinstance(value, Mapping) and isinstance(before, Mapping) else value
    return patch
