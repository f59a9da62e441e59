"""The operator in this process: the same engine as on Kubernetes, on the memory store."""

from __future__ import annotations

import logging
from pathlib import Path
