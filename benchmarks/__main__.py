"""``bin/bench``: runs one benchmark, or all, and writes what it found."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure.machine import cores
from benchmarks.measure.options import Options

if TYPE_CHECKING:
    from rich.console import Console

HERE = Path(__file__).parent
TOOLS = {"feed": "a tool: samples/s, MB/s, processor and memory of feeding any training set"}
"""What is called by name like a benchmark, holds no claim and has options of its own."""

MISSED = 8
"""Exit code: a promised figure was not reached (as with evaluations, `labelmill.errors`)."""


def claims() -> dict[str, str]:
    """Benchmark → its claim, the first line of its module; nothing is imported."""
    found = {}
    for path in sorted(HERE.glob("[a-z]*.py")):
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        found[path.stem] = text.splitlines()[0] if text else ""
    return found


def parser(known: dict[str, str]) -> argparse.ArgumentParser:
    """The command line."""
    claims_listed = "\n".join(f"  {name:16} {claim}" for name, claim in {**known, **TOOLS}.items())
    made = argparse.ArgumentParser(
        prog="bin/bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures one claim against its peers, interleaved in one run, prints a table, and\n"
        "writes benchmarks/results/NAME.json, NAME.svg and README.md.\n\n" + claims_listed,
        epilog="Environment: LABELMILL_TEST_DATA (public data; default ../shared/data of the checkout),\n"
        "LABELMILL_KUDU_MASTERS (your own Kudu; otherwise one is started for the run and stopped).\n"
        "Peers with packages of their own are installed by benchmarks/peers/setup.\n"
        "Exit codes: 0 measured; 2 invalid arguments; 3 test data is missing; "
        f"{MISSED} a promised\nfigure was missed; others as with jobs.",
    )
    made.add_argument(
        "name", help="a benchmark, or: list, all, page (rebuild README.md), feed (`feed --help`)"
    )
    made.add_argument("--quick", action="store_true", help="small sizes, two repetitions: a trial")
    made.add_argument("--repetitions", type=int, metavar="N", help="default: 5, quick: 2")
    made.add_argument(
        "--against",
        metavar="CHECKOUT",
        help="a folder or a commit: time only our own contestants, alternately there and here, and write "
        "the ratios this / that to against/NAME.json",
    )
    made.add_argument("--cores", type=int, default=cores(), metavar="N", help="default: all")
    made.add_argument(
        "--micro-batches", type=int, metavar="N", help="of label_soak; default: 10,000, quick: 200"
    )
    made.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="longest time of label_soak; default: 90, quick: 3",
    )
    made.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="default: benchmarks/results; quick: bench/ in LABELMILL_HOME",
    )
    return made


def main(arguments: list[str]) -> int:
    """Runs the command line; returns the exit code."""
    if arguments and arguments[0] in TOOLS:
        return int(importlib.import_module(f"benchmarks.tools.{arguments[0]}").main(arguments[1:]))
    known = claims()
    line = parser(known)
    given = line.parse_args(arguments)
    if given.name == "list":
        for name, claim in known.items():
            print(f"{name:16} {claim}")
        return 0
    if given.name not in {*known, "all", "page"}:
        line.error(f"no benchmark {given.name!r}; there are: {', '.join(known)}")
    if (given.repetitions or 1) < 1 or given.cores < 1 or (given.micro_batches or 1) < 1:
        line.error("--repetitions, --cores and --micro-batches: expected 1 or more")
    if not (given.minutes is None or given.minutes > 0):
        line.error("--minutes: expected more than 0")
    if given.against and given.name not in known:
        line.error("--against: expected the name of one benchmark")

    from rich.console import Console

    from benchmarks.measure import results
    from labelmill.errors import LabelmillError
    from labelmill.settings import default_home
    from labelmill.signals import CODE, Terminated, raise_when_stopped

    folder = given.output or (default_home() / "bench" if given.quick else results.FOLDER)
    if given.name == "page":
        print(results.write_page(folder))
        return 0
    repetitions = given.repetitions or (2 if given.quick else 5)
    options = Options(given.quick, repetitions, given.cores, given.micro_batches, given.minutes)
    console, missed, failed = Console(width=None if sys.stdout.isatty() else 140), [], 0
    raise_when_stopped()
    if given.against:
        return _compare(given.name, given.against, options, folder, console)
    for name in known if given.name == "all" else [given.name]:
        try:
            result = importlib.import_module(f"benchmarks.{name}").run(options)
        except (KeyboardInterrupt, Terminated) as stop:
            return CODE if isinstance(stop, Terminated) else 130
        except LabelmillError as error:
            print(f"{name}: {error}", file=sys.stderr)
            if os.environ.get("LABELMILL_DEBUG"):
                raise
            failed = failed or error.exit_code
            continue
        result.print(console)
        print(result.write(folder))
        missed += [f"{name}: {what}" for what in result.missed]
    for what in missed:
        print(f"missed: {what}", file=sys.stderr)
    return failed or (MISSED if missed else 0)


def _compare(name: str, against: str, options: Options, folder: Path, console: Console) -> int:
    from benchmarks.comparison import result
    from labelmill.errors import LabelmillError
    from labelmill.signals import CODE, Terminated

    try:
        content = result.compare(name, against, options)
    except (KeyboardInterrupt, Terminated) as stop:
        return CODE if isinstance(stop, Terminated) else 130
    except (LabelmillError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        if os.environ.get("LABELMILL_DEBUG"):
            raise
        return error.exit_code if isinstance(error, LabelmillError) else 1
    result.show(content, console)
    print(result.write(content, folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
