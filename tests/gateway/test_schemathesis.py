"""What /openapi.json says is what is answered: hundreds of generated requests, honest and not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .alive import Site

UNTOLD = "positive_data_acceptance"  # columns stand in the model's metadata, not in the description


@pytest.mark.slow
def test_generated_requests_are_answered_as_described(site: Site) -> None:
    pytest.importorskip("schemathesis")
    key = site.key("clinic")
    with site.alive() as gateway:
        told = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json",
             "--header", f"Authorization: Bearer {key}", "--exclude-checks", UNTOLD,
             "--phases", "coverage,fuzzing,stateful", "--max-examples", "60",
             "--generation-deterministic", "--no-color"],
            cwd=site.folder, env=dict(os.environ), capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert told.returncode == 0, told.stdout
        assert "9 selected / 9 total" in told.stdout
        assert gateway.ask(key).status == 200
        assert not [one for one in gateway.events() if one["event"] == "error"]
