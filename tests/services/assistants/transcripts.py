"""The transcripts of tests/fixtures/transcripts: answers as models write them, and what the guard should do.

A file has lines `name: value`, a line `---`, and the answer. `leak:` may be repeated: no such text may be passed on.
"""

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "fixtures" / "transcripts"


@dataclass(frozen=True, slots=True)
class Transcript:
    name: str
    level: int
    category: str
    withheld: bool
    problem: str
    solution: str
    own: str
    leaks: tuple[str, ...]
    text: str


def transcripts() -> list[Transcript]:
    problems = json.loads((FOLDER / "problems.json").read_text(encoding="utf-8"))
    return [_read(path, problems) for path in sorted(FOLDER.glob("*.txt"))]


def _read(path: Path, problems: dict[str, dict[str, str]]) -> Transcript:
    head, text = path.read_text(encoding="utf-8").split("\n---\n", 1)
    pairs = [line.split(": ", 1) for line in head.split("\n")]
    fields = dict(pairs)
    problem = problems.get(fields["problem"], {"solution": "", "own": ""})
    return Transcript(
        name=path.stem,
        level=int(fields["level"]),
        category=fields["category"],
        withheld=fields["withheld"] == "yes",
        problem=fields["problem"],
        solution=problem["solution"],
        own=problem["own"] if fields.get("own") == "yes" else "",
        leaks=tuple(value for name, value in pairs if name == "leak"),
        text=text,
    )
