"""`make bench`: figures for docs/performance.md. Machines differ: read them as ratios of one run.

`python -m tests.benchmarks [w3 door slow takeover cel] [--database sqlite|postgres|both] [--count N]`
"""

from __future__ import annotations

import argparse
import os
import tempfile


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["cel", "w3", "door", "slow", "takeover"])
    parser.add_argument("--database", default="both", choices=["sqlite", "postgres", "both"])
    parser.add_argument("--count", type=int, default=3000)
    options = parser.parse_args()
    os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="automation-bench-"))
    from tests.benchmarks import bench_cel, w3

    if "cel" in options.parts:
        bench_cel.main()
    for database in ["sqlite", "postgres"] if options.database == "both" else [options.database]:
        print(f"{database}:")
        if "w3" in options.parts:
            w3.compared(database, options.count)
        if "door" in options.parts:
            w3.door(database, options.count)
        if "slow" in options.parts:
            w3.slow_calls(database)
        if "takeover" in options.parts:
            w3.takeover(database)


if __name__ == "__main__":
    main()
