"""Measure how well the search finds, refuses and cites: `python -m scripts.eval_search [--write]`.

Prints recall@5, MRR, citation precision and refusal accuracy on the half of the questions that it was tuned with and on
the half that was kept aside, for our search, each half of it alone, and a plain BM25 library. Exits with 1 if a goal is
missed on the latter.
"""

import app as site  # before all others: its first line is the gevent patch

# isort: split
import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evaluation import corpus, questions
from evaluation.questions import Question
from evaluation.ways import pairs, ways
from services import settings
from services.assistants.search import extract
from services.knowledge import confidence
from services.knowledge.passages import Found
from services.llm.embed import Embedder

assert site.__name__ == "app"

FIRST: Final = 5
# What the answer's engine is given, as in services/assistants/search.
SHOWN: Final = 8
RECALL_GOAL: Final = 0.9
REFUSAL_GOAL: Final = 0.9
DOCS: Final = Path(__file__).parents[1] / "docs" / "search.md"
BEGIN, END = "<!-- eval-search: begin -->", "<!-- eval-search: end -->"
_MARK: Final = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one half; each 0 to 1."""

    recall: float
    mrr: float
    precision: float = 0.0
    accepted: float = 0.0
    refused: float = 0.0

    @property
    def refusal(self) -> float:
        return (self.accepted + self.refused) / 2


def main() -> int:
    """Measure, print, and judge; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/search.md")
    options = parser.parse_args()
    values = settings.load({"SECRET_KEY": "for measuring only, and long enough"})
    searched = corpus.opened(values)
    embedder = Embedder(values)
    embedder.start()
    asked = questions.load()
    halves = {name: [one for one in asked if one.is_unseen == aside] for name, aside in (("tuning", 0), ("unseen", 1))}
    found = {name: [(one, way(one)) for one in asked] for name, way in ways(searched, embedder).items()}
    figures = {
        (name, half): _figures([each for each in all_ if each[0] in ours], is_ours=name == "hybrid")
        for name, all_ in found.items()
        for half, ours in halves.items()
    }
    text = _report(searched, halves, figures, found)
    print(text)
    missed = _missed({name: figures[name, "unseen"] for name, half in figures if half == "unseen"})
    for complaint in missed:
        print(f"MISSED {complaint}")
    if options.write:
        _write(text)
    return 1 if missed else 0


def _figures(found: Sequence[tuple[Question, Found]], *, is_ours: bool) -> Figures:
    answered = [(one, what) for one, what in found if one.has_answer]
    places = [questions.first_gold(one, pairs(what.passages)) for one, what in answered]
    recall = sum(place is not None and place < FIRST for place in places) / len(places)
    mrr = sum(1 / (place + 1) for place in places if place is not None) / len(places)
    if not is_ours:
        return Figures(recall, mrr)
    accepted = [confidence.before(what) >= confidence.THRESHOLD for _, what in answered]
    refused = [confidence.before(what) < confidence.THRESHOLD for one, what in found if not one.has_answer]
    precision = [_precision(one, what) for (one, what), taken in zip(answered, accepted, strict=True) if taken]
    return Figures(
        recall, mrr, sum(precision) / len(precision), sum(accepted) / len(accepted), sum(refused) / len(refused)
    )


def _precision(one: Question, what: Found) -> float:
    """The share of the passages cited by the built-in engine's answer that are gold, or beside gold in its document."""
    shown = what.passages[:SHOWN]
    answer = extract.authored(one.text, shown, context=one.context)
    numbers = {int(number) for number in _MARK.findall(answer)}
    cited = [shown[number - 1] for number in numbers if number <= len(shown)]
    support = [
        questions.is_gold(one, each.document_name, each.text) or _supports(one, each.document_name) for each in cited
    ]
    return sum(support) / len(support) if support else 0.0


def _supports(one: Question, document: str) -> bool:
    """Whether it is another passage of a page that answers: these pages are about one subject each."""
    return any(name == document for name, _ in one.gold)


def _by_kind(found: Sequence[tuple[Question, Found]]) -> list[str]:
    """Recall and refusal of our search, on both halves, by what kind of question it was and when it was written."""
    lines = ["| questions | round | tuning | unseen |", "| --- | --- | --- | --- |"]
    for kind, written in dict.fromkeys((one.kind, one.round) for one, _ in found):
        cells = []
        for aside in (False, True):
            ours = [
                each for each in found if (each[0].kind, each[0].round, each[0].is_unseen) == (kind, written, aside)
            ]
            right = sum(_is_right(one, what) for one, what in ours)
            cells.append(f"{right} of {len(ours)}")
        lines.append(f"| {kind} | {written} | {cells[0]} | {cells[1]} |")
    return lines


def _is_right(one: Question, what: Found) -> bool:
    """Whether the answer is among the first passages, or that there is none is said."""
    if one.has_answer:
        place = questions.first_gold(one, pairs(what.passages))
        return place is not None and place < FIRST
    return confidence.before(what) < confidence.THRESHOLD


def _report(
    searched: corpus.Corpus,
    halves: dict[str, list[Question]],
    figures: dict[tuple[str, str], Figures],
    found: dict[str, list[tuple[Question, Found]]],
) -> str:
    each = [(name, sum(one.has_answer for one in ours), len(ours)) for name, ours in halves.items()]
    counts = ", ".join(f"{name} {with_one} with and {all_ - with_one} without answer" for name, with_one, all_ in each)
    lines = [
        f"{corpus.PACKAGE} {searched.version} ({corpus.LICENCE}): {searched.passages:,} passages. Questions: {counts}.",
        "",
        "| | recall@5, tuning | unseen | MRR, tuning | unseen |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in dict.fromkeys(name for name, _ in figures):
        tuning, unseen = figures[name, "tuning"], figures[name, "unseen"]
        lines.append(f"| {name} | {tuning.recall:.3f} | {unseen.recall:.3f} | {tuning.mrr:.3f} | {unseen.mrr:.3f} |")
    lines += ["", *_by_kind(found["hybrid"]), "", "| hybrid | tuning | unseen |", "| --- | --- | --- |"]
    tuning, unseen = figures["hybrid", "tuning"], figures["hybrid", "unseen"]
    for title, attribute in (
        ("citation precision", "precision"),
        ("answerable and accepted", "accepted"),
        ("unanswerable and refused", "refused"),
        ("refusal accuracy, balanced", "refusal"),
    ):
        lines.append(f"| {title} | {getattr(tuning, attribute):.3f} | {getattr(unseen, attribute):.3f} |")
    return "\n".join(lines)


def _missed(unseen: dict[str, Figures]) -> list[str]:
    ours = unseen["hybrid"]
    missed = []
    for name in ("BM25 alone", "vectors alone"):
        other = unseen[name]
        if ours.recall <= other.recall or ours.mrr <= other.mrr:
            missed.append(f"hybrid does not beat {name}")
    if ours.recall < RECALL_GOAL:
        missed.append(f"recall@5 {ours.recall:.3f}, goal {RECALL_GOAL}")
    if ours.refusal < REFUSAL_GOAL:
        missed.append(f"refusal accuracy {ours.refusal:.3f}, goal {REFUSAL_GOAL}")
    return missed


def _write(text: str) -> None:
    whole = DOCS.read_text()
    before, _, rest = whole.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
