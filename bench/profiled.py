"""Runs a service under a profiler: `python -m bench.profiled FOLDER MODULE`.

When it stops, FOLDER/<module>.txt has the functions by their own time and by their total, and
every SQL statement with its calls and its seconds between question and answer.
"""

import cProfile
import io
import pstats
import runpy
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from asyncpg import Connection

_LINES = 45
_statements: defaultdict[str, list[float]] = defaultdict(list)


def _timed(name: str) -> None:
    """Replace a method of the driver by one that notes how long each statement took."""
    method = getattr(Connection, name)

    async def timed(self: Any, query: str, *more: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return await method(self, query, *more, **options)
        finally:
            _statements[" ".join(query.split())[:90]].append(time.perf_counter() - began)

    setattr(Connection, name, timed)


def _statement_lines() -> str:
    rows = sorted(_statements.items(), key=lambda item: -sum(item[1]))
    return "\n".join(
        f"{sum(seconds):9.3f} s {len(seconds):7} calls {1000 * sum(seconds) / len(seconds):8.2f} ms  {query}"
        for query, seconds in rows
    )


def _write(profile: cProfile.Profile, path: Path) -> None:
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    for order in ("tottime", "cumulative"):
        stats.sort_stats(order).print_stats(_LINES)
    path.write_text(f"{text.getvalue()}\n{_statement_lines()}\n")


def main(folder: Path, module: str) -> None:
    """Run the module until it stops, then write the tables."""
    # The prepared path, and the simple one of begin and commit; a pool reaches both.
    _timed("_do_execute")
    # CPU time, because a profile is of use on a busy machine too.
    profile = cProfile.Profile(time.process_time)
    sys.argv = [module]
    profile.enable()
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        profile.disable()
        folder.mkdir(parents=True, exist_ok=True)
        _write(profile, folder / f"{module}.txt")
        profile.dump_stats(folder / f"{module}.prof")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
