"""What the documents tell people to type is run, or says why it is not; what they point to is there."""

from __future__ import annotations

import os
import re
import sysconfig
from itertools import pairwise
from pathlib import Path

import pytest
from documents.commands import ROOT, blocks, documents, lines_beside, run_document

KNOWN = re.compile(r"(run|cluster)( background)?|not-run: .+")
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
LAPTOP = [document for document in documents() if any(block.how == "run" for block in blocks(document))]


@pytest.mark.parametrize("document", documents())
def test_every_command_is_run_or_says_why_not(document: str) -> None:
    for block in blocks(document):
        assert block.language, f"a block without a language:\n{block.text}"
        if block.language == "sh":
            assert KNOWN.fullmatch(block.how), f"```sh {block.how}: see tests/documents/commands.py\n{block.text}"
    beside = lines_beside(document)
    indented = [line for before, line in pairwise(beside) if not before and line.startswith("    ")]
    assert not indented, f"blocks are fenced, so that it is known which are commands: {indented}"


@pytest.mark.parametrize("document", documents())
def test_links_lead_somewhere(document: str) -> None:
    targets = [target for target, _ in LINK.findall((ROOT / document).read_text()) if "://" not in target]
    missing = [target for target in targets if not (ROOT / document).parent.joinpath(target).exists()]
    assert not missing


@pytest.mark.parametrize("document", LAPTOP)
def test_commands_of_a_laptop_work(document: str, tmp_path: Path) -> None:
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    run_document(document, "run", {"PATH": path}, tmp_path / "log")
