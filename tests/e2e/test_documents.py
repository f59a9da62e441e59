"""The documents' commands for a cluster, as a person types them: each document starts from nothing and cleans up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from documents.commands import blocks, documents, run_document
from ground.control_plane import binary
from ground.helm import helm_binary
from ground.kind_cluster import KindCluster

CLUSTER = [document for document in documents() if any(block.how == "cluster" for block in blocks(document))]


@pytest.mark.parametrize("document", CLUSTER)
def test_commands_of_a_cluster_work(document: str, cluster: KindCluster, tmp_path: Path) -> None:
    programs = [str(binary("kubectl").parent), str(helm_binary().parent), os.environ["PATH"]]
    environment = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "HELM_CACHE_HOME": str(tmp_path / "helm"),
        "PATH": os.pathsep.join(programs),
    }
    run_document(document, "cluster", environment, tmp_path / "log")
