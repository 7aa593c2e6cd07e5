"""What the figures are held against: PERFORMANCE goals as ratios and limits.

A goal whose measurement did not run is left out; one that was measured is met or missed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# measure -> contender -> figure -> median over the rounds
Results = Mapping[str, Mapping[str, Mapping[str, float]]]

RILL, NOT_TEXT, TUTOR = "rill", "rill, not text", "rill, tutor API"
IN_MEMORY, OVER_REDIS, FLASK_SSE = "sse-starlette, memory", "sse-starlette, Redis", "Flask-SSE"
BY_HAND = ("Flask generator, SDK iterator", "sse-starlette, AsyncOpenAI")


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure and its bound.

    Attributes:
        value: Takes the figure out of the results; KeyError if it was not measured.
        bound: At most this; at least this when `at_least`.
    """

    text: str
    value: Callable[[Results], float]
    bound: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Verdict:
    goal: Goal
    value: float
    met: bool


def _figure(measure: str, contender: str, name: str) -> Callable[[Results], float]:
    return lambda results: results[measure][contender][name]


def _ratio(measure: str, ours: str, theirs: str, name: str = "cpu_us") -> Callable[[Results], float]:
    return lambda results: results[measure][ours][name] / results[measure][theirs][name]


def _departure(results: Results) -> float:
    return max(results["gone"][RILL][f"{how}_ms"] for how in ("fin", "rst", "half"))


def _limit(text: str, measure: str, name: str, bound: float, *, at_least: bool = False) -> Goal:
    return Goal(text, _figure(measure, RILL, name), bound, at_least)


GOALS: tuple[Goal, ...] = (
    *(
        Goal(f"CPU per delivered durable event: share of {theirs}'s", _ratio("W1", NOT_TEXT, theirs), bound)
        for theirs, bound in ((FLASK_SSE, 1 / 12), (OVER_REDIS, 1 / 12), (IN_MEMORY, 0.6))
    ),
    _limit("1,000 viewers x 20/s: share of the rate held", "W2", "rate_held", 0.99, at_least=True),
    _limit("1,000 viewers x 20/s: added p50, ms", "W2", "p50_ms", 1.0),
    _limit("1,000 viewers x 20/s: added p99, ms", "W2", "p99_ms", 10.0),
    _limit("Idle viewer, KB resident", "W3", "kb", 20.0),
    _limit("POST to first event: p50, ms", "W4", "p50_ms", 2.0),
    *(
        Goal(f"Catching up 1,000 events{what}, {where} worker, ms", _figure("W5", ours, f"{where}_ms"), bound)
        for ours, what in ((RILL, ""), (NOT_TEXT, " that are not text"))
        for where, bound in (("warm", 3.0), ("cold", 30.0))
    ),
    Goal("Client gone noticed (slowest of FIN, RST, half-close), ms", _departure, 50.0),
    *(
        Goal(f"End to end, CPU per token: share of {theirs}", _ratio("E2E", TUTOR, theirs, "token_us"), 1 / 4)
        for theirs in BY_HAND
    ),
    _limit("Events found in the log on receipt (of 500)", "durable", "found", 500, at_least=True),
    _limit(
        "Events held back while the log took none, then all received (of 20,000)",
        "durable",
        "held_back",
        20_000,
        at_least=True,
    ),
)


def judge(results: Results) -> list[Verdict]:
    """Every goal that was measured."""
    verdicts = []
    for goal in GOALS:
        try:
            value = goal.value(results)
        except KeyError:
            continue
        verdicts.append(Verdict(goal, value, goal.is_met(value)))
    return verdicts
