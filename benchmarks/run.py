"""Run benchmarks and rewrite their tables: ``python -m benchmarks.run [--list] [NAME ...]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from benchmarks.table import ROOT, CannotRunError, Table, origin, write


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One measurement: ``module:function`` makes its table, which a page of docs/ shows."""

    entry: str
    page: str
    says: str

    def measure(self) -> Table:
        """Load and run it."""
        module, _, function = self.entry.partition(":")
        make: Callable[[], Table] = getattr(import_module(f"benchmarks.{module}"), function)
        return make()


BENCHMARKS = {
    "demo": Benchmark("demo_seeds:measure", "reproductions.md", "the demo on five seeds"),
    "steak-tree": Benchmark(
        "steak_tree:measure", "reproductions.md", "Fredrikson 2015 on the steak survey"
    ),
    "forest-steak": Benchmark(
        "forests:steak", "reproductions.md", "default forest, steak survey, 20 splits"
    ),
    "forest-gss": Benchmark(
        "forests:gss", "reproductions.md", "default forest, General Social Survey, 20 splits"
    ),
    "forest-adult": Benchmark(
        "forests:adult",
        "reproductions.md",
        "forests on Adult, 2 splits (a quarter of an hour)",
    ),
    "canaries": Benchmark(
        "coins:measure", "reproductions.md", "attribute canaries by leaf size, affairs survey"
    ),
    "attacks": Benchmark(
        "all_attacks:measure", "reproductions.md", "every attack on three surveys, default forest"
    ),
    "one-query": Benchmark(
        "one_query:measure", "reproductions.md", "one query per record against a sweep"
    ),
    "white-box-peer": Benchmark(
        "white_box_peer:measure", "benchmarks.md", "tree inversion beside ART 1.20"
    ),
    "grid": Benchmark("grid_cost:measure", "benchmarks.md", "a sweep beside the bare model calls"),
    "audit": Benchmark("audit_cost:measure", "benchmarks.md", "where an audit's time goes"),
    "serving": Benchmark(
        "serving:measure", "benchmarks.md", "CPU time of a guarded answer beside unguarded servers"
    ),
    "serving-latency": Benchmark(
        "serving:latency", "benchmarks.md", "how long callers wait, beside the disk's fsync"
    ),
    "serving-soak": Benchmark("soak:soak", "benchmarks.md", "memory over ten minutes of load"),
    "serving-principals": Benchmark(
        "soak:principals", "benchmarks.md", "memory with a million principals (long)"
    ),
    "serving-replicas": Benchmark(
        "replicas:measure", "benchmarks.md", "budgets of two replicas on one PostgreSQL"
    ),
    "detection": Benchmark(
        "detection:measure", "benchmarks.md", "simulated attacks and honest callers (minutes)"
    ),
    "detection-linked": Benchmark(
        "detection:collusion", "benchmarks.md", "accounts that share a sweep, among honest ones"
    ),
    "watching": Benchmark(
        "watching:cost", "benchmarks.md", "the watch alone: CPU time a query, memory a caller"
    ),
    "watching-strangers": Benchmark(
        "watching:strangers", "benchmarks.md", "a million callers of one query each"
    ),
    "row-search": Benchmark(
        "records:search", "explanation/record.md", "whole training rows from forests, 2 surveys"
    ),
    "informed": Benchmark(
        "records:informed", "explanation/record.md", "all rows but one known, linear and Bayes"
    ),
    "embedding-text": Benchmark(
        "embeddings:sentences", "explanation/embedding.md", "sentence embeddings inverted, by pairs"
    ),
    "embedding-table": Benchmark(
        "embeddings:layers", "explanation/embedding.md", "a hidden layer and scores inverted"
    ),
    "linkage-copies": Benchmark(
        "linkages:copies", "explanation/linkage.md", "copied rows in a synthetic table, Adult"
    ),
    "linkage-scores": Benchmark(
        "linkages:fingerprints", "explanation/linkage.md", "people named by a released score"
    ),
    "faces": Benchmark(
        "faces:measure", "explanation/face.md", "faces by every attack, 5 divisions"
    ),
    "faces-abstaining": Benchmark(
        "faces:abstaining", "explanation/face.md", "a gate's trade on faces (10 minutes)"
    ),
    "faces-digits": Benchmark(
        "faces:digits", "explanation/face.md", "digits: distance to the class's mean"
    ),
    "faces-peer": Benchmark(
        "faces_peer:measure", "explanation/face.md", "descent among pixels beside ART 1.20"
    ),
    "serving-kills": Benchmark("crash:measure", "benchmarks.md", "kill -9 fifty times under load"),
    "membership": Benchmark(
        "memberships:adult",
        "explanation/membership.md",
        "membership attacks on Adult, 4 references and 32 (minutes)",
    ),
    "membership-lira": Benchmark(
        "memberships:lira_peer", "explanation/membership.md", "LiRA beside sacroml"
    ),
    "membership-label": Benchmark(
        "memberships:label_peer",
        "explanation/membership.md",
        "label-only membership beside ART (minutes)",
    ),
}


def run(name: str) -> bool:
    """Run one benchmark, print its table and put it into its page; say whether it could run."""
    benchmark, started = BENCHMARKS[name], time.process_time()
    print(f"{name}: {benchmark.says}", file=sys.stderr, flush=True)
    try:
        table = benchmark.measure()
        minutes = (time.process_time() - started) / 60
        text = f"{table.markdown()}\n\n{origin(name, table, minutes)}"
        write(ROOT / "docs" / benchmark.page, name, text)
    except CannotRunError as lack:
        print(f"{name}: skipped: {lack}", file=sys.stderr, flush=True)
        return False
    print(text, flush=True)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all; the exit status is 1 when one was skipped."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all by default")
    parser.add_argument("--list", action="store_true", help="name them and stop")
    asked = parser.parse_args(arguments)
    for name in asked.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark {name!r}: choose from {', '.join(BENCHMARKS)}")
    if asked.list:
        for name, benchmark in BENCHMARKS.items():
            print(f"{name:18} {benchmark.says} -> docs/{benchmark.page}")
        return 0
    ran = [run(name) for name in asked.names or BENCHMARKS]
    return 0 if all(ran) else 1


if __name__ == "__main__":
    sys.exit(main())
