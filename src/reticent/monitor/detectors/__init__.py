"""What can be seen of an inversion in progress: a file a detector, each with its blind spots."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reticent.monitor.detectors.detector import Detector

DETECTORS = {
    "sweep": "reticent.monitor.detectors.sweep:Sweep",
    "jitter": "reticent.monitor.detectors.jitter:Jitter",
    "coverage": "reticent.monitor.detectors.coverage:Coverage",
    "refusals": "reticent.monitor.detectors.refusals:Refusals",
    "spread": "reticent.monitor.detectors.spread:Spread",
    "manifold": "reticent.monitor.detectors.manifold:Manifold",
    "grid": "reticent.monitor.detectors.grid:Grid",
    "climb": "reticent.monitor.detectors.climb:Climb",
    "volume": "reticent.monitor.detectors.volume:Volume",
    "frequency": "reticent.monitor.detectors.frequency:Frequency",
    "source": "reticent.monitor.detectors.source:Source",
}


def detector_named(name: str) -> type[Detector]:
    """Import one detector's class."""
    module, _, found = DETECTORS[name].partition(":")
    kind: type[Detector] = getattr(import_module(module), found)
    return kind
