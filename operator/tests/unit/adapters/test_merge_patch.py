"""RFC 7386, by its own table and by laws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmcloud_operator.adapters.merge_patch import merged, three_way

LEAVES = st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a", "b"]) | st.lists(st.integers(0, 1), max_size=2)
NAMES = st.sampled_from(["a", "b", "c"])


def documents(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(leaves, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=6)
    return st.dictionaries(NAMES, values, max_size=3)


DOCUMENTS = documents(LEAVES)
PATCHES = documents(LEAVES | st.none())


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": True}, {"a": True}),
    ],
)
def test_the_table_of_the_standard(old: Any, patch: Any, new: Any) -> None:
    found = merged(old, patch)
    assert found == new
    assert repr(found) == repr(new)


@given(DOCUMENTS, PATCHES)
def test_nothing_given_is_changed(old: dict[str, Any], patch: dict[str, Any]) -> None:
    kept = copy.deepcopy((old, patch))
    merged(old, patch)
    assert (old, patch) == kept


@given(DOCUMENTS, PATCHES)
def test_a_patch_applied_again_changes_nothing_and_says_so(old: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merged(old, patch)
    assert merged(once, patch) is once


@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_apply_reaches_the_new_document_and_spares_what_others_set(
    last: dict[str, Any], new: dict[str, Any], theirs: dict[str, Any]
) -> None:
    assert merged(last, three_way(last, new)) == new
    live = {"theirs": theirs} | last
    assert merged(live, three_way(last, new)) == {"theirs": theirs} | new
