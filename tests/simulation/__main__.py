"""Run seeds until one breaks an invariant: `python -m simulation --seeds 200 --start 0`, from the folder `tests`."""

import argparse
import sys
import time
import traceback
from collections import Counter

from simulation.failovers import FailoverWorld
from simulation.server import running_server
from simulation.simulator import World, simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--failovers", action="store_true", help="let the store lose what it acknowledged last")
    options = parser.parse_args()
    world, replay = (FailoverWorld, " FAILOVERS=1") if options.failovers else (World, "")
    begun, scripts, hours, failed = time.monotonic(), 0, 0.0, 0
    ends, hits, statuses = Counter[str](), Counter[str](), Counter[int]()
    with running_server() as redis:
        for seed in range(options.start, options.start + options.seeds):
            try:
                result = simulate(seed, redis, world=world)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                failed += 1
                traceback.print_exc(limit=-3)
                print(
                    f"seed {seed} fails: {str(error)[:600]}\nreplay: make simulate SEEDS=1 START={seed}{replay}",
                    flush=True,
                )
                if not options.keep_going:
                    return 1
                continue
            scripts, hours = scripts + result.scripts, hours + result.simulated_s / 3600
            ends.update(result.ends)
            hits.update(result.hits)
            statuses.update(result.statuses)
            wall = time.monotonic() - begun
            print(
                f"seed {seed} {result.digest} {result.scripts} scripts, {result.admitted} admitted · "
                f"{scripts / wall:.0f} scripts/s, {hours / wall * 60:.1f} simulated hours/min",
                flush=True,
            )
    print(f"ends: {dict(ends)}\nanswers: {dict(statuses)}\nfaults: {dict(hits)}\n{failed} of {options.seeds} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
