"""`python -m bench`: measure, compare, judge. Exit status 1 if a goal is missed, 2 if a measurement failed."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import end_to_end, goals, measures, report
from bench.contenders import Contender, FlaskSse, Rill, RillEvents, RillMerging, StarletteMemory, StarletteRedis
from bench.frames import WireError
from bench.processes import StartError


@dataclass(frozen=True, slots=True)
class Measure:
    """One measurement and who takes part."""

    name: str
    run: Callable[..., measures.Figures]
    contenders: Sequence[type[Contender]]


TITLES = {
    "W1": '**W1 throughput**: 200 streams x 1 viewer, producers unpaced, payload `{"d":"ab"}`; CPU is user + system of '
    "the web server with its producers, and of Valkey. `rill, not text`: events that the engine may not merge, as many "
    "at a time as it takes; `rill`: text of which each part waits for the one before to be in the log, so that no two "
    "share a write; `rill, merging`: text as fast as it comes.",
    "W2": "**W2 paced viewers**: 1,000 viewers on streams of their own x 20 events/s, one worker; from making an "
    "event to reading it. (sse-starlette over Redis and Flask-SSE cannot: see W1's events/s.)",
    "W3": "**W3 memory**: resident growth of the web process per idle viewer.",
    "W4": "**W4 first event**: POST, then GET on the same new connection, until the first event; 200 in sequence.",
    "W4-tutor": "**W4 through the tutor's API** (no goal): identity, limits, database and model included; the "
    "peers, which have none of these, by one GET.",
    "W5": "**W5 catching up**: by Last-Event-ID, 1,000 of 2,000 events; text comes merged, other events do not.",
    "gone": "**Client gone**: until the server knows; the slowest of 10 idle viewers.",
    "durable": "**Durable**: every event looked up in Valkey on receipt; then Valkey stopped for half a second in "
    "mid-stream, when nothing may be sent.",
    "E2E": "**End to end**: scripted unpaced model server to viewer, 20 answers at once, ours through the tutor's API "
    "with all that belongs to a question; CPU per token.",
    "E2E-paced": "**End to end at 40 tokens/s** and answer, 20 answers (no goal: few events share a loop turn).",
}
MEASURES = (
    Measure("W1", measures.throughput, (RillEvents, Rill, RillMerging, StarletteRedis, StarletteMemory, FlaskSse)),
    Measure("W2", measures.paced, (Rill, StarletteMemory)),
    Measure("W3", measures.idle_memory, (Rill, StarletteRedis, StarletteMemory, FlaskSse)),
    Measure("W4", measures.first_event, (Rill, StarletteRedis)),
    Measure("W4-tutor", end_to_end.first_delta, end_to_end.CHATS),
    Measure("W5", measures.catching_up, (Rill, RillEvents, StarletteRedis)),
    Measure("gone", measures.departure, (Rill, StarletteRedis, StarletteMemory, FlaskSse)),
    Measure("durable", measures.durability, (Rill,)),
    Measure("E2E", end_to_end.unpaced_answers, end_to_end.CHATS),
    Measure("E2E-paced", end_to_end.paced_answers, end_to_end.CHATS),
)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the engine beside its peers.")
    names = ", ".join(measure.name for measure in MEASURES)
    parser.add_argument("--only", metavar="LIST", help=f"measurements, separated by commas, of {names}")
    parser.add_argument("--contenders", metavar="TEXT", default="", help="only those whose name contains the text")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds of each measurement (3)")
    parser.add_argument("--quick", action="store_true", help="one short round; figures are rough")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/operations.md")
    options = parser.parse_args(argv)
    wanted = {name.strip().upper() for name in options.only.split(",")} if options.only else None
    options.measures = [measure for measure in MEASURES if wanted is None or measure.name.upper() in wanted]
    if wanted and len(options.measures) != len(wanted):
        parser.error(f"--only takes {names}")
    return options


def measure_all(options: argparse.Namespace) -> goals.Results:
    """Every measurement: rounds in turn over the contenders, fresh processes each time; medians."""
    rounds, size = (1, 0.25) if options.quick else (options.rounds, 1.0)
    results: dict[str, dict[str, dict[str, float]]] = {}
    for measure in options.measures:
        gathered: dict[str, list[measures.Figures]] = {}
        contenders = [one for one in measure.contenders if options.contenders in one.name]
        for number in range(1, rounds + 1):
            for contender in contenders:
                started = time.monotonic()
                with contender() as running:
                    try:
                        figures = measure.run(running, size=size)
                    except WireError as problem:
                        raise WireError(
                            f"{measure.name}, {contender.name}: {problem}\n{running.web.output()}"
                        ) from None
                gathered.setdefault(contender.name, []).append(figures)
                shown = " ".join(f"{name}={value:.4g}" for name, value in figures.items())
                took = time.monotonic() - started
                print(f"{measure.name} round {number} {contender.name}: {shown} ({took:.1f} s)", file=sys.stderr)
        if gathered:
            results[measure.name] = {name: _medians(of_rounds) for name, of_rounds in gathered.items()}
    return results


def _medians(of_rounds: Sequence[measures.Figures]) -> dict[str, float]:
    return {name: statistics.median(figures[name] for figures in of_rounds) for name in of_rounds[0]}


def main() -> int:
    options = arguments()
    try:
        results = measure_all(options)
    except (WireError, StartError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    verdicts = goals.judge(results)
    rounds = 1 if options.quick else options.rounds
    text = "\n\n".join(
        [report.machine(rounds, now=datetime.now(UTC)), report.goals(verdicts), report.figures(TITLES, results)]
    )
    print(text)
    if options.write:
        report.write(text)
    return 0 if all(verdict.met for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
