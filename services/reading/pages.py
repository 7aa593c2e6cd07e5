"""What makes the pages of a PDF one text: its headings marked, and what is printed on every page left out. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

# Lines at the top and at the foot of a page that may be the book's instead of the page's.
_EDGE: Final = 2
_MIN_PAGES: Final = 4
_MIN_SHARE: Final = 0.5
_DIGITS: Final = re.compile(r"\d+")
_NUMBERING: Final = re.compile(
    r"^(?:chapter|section|part|appendix)?\s*[\dA-Z]{0,3}(?:[.:]\d+)*[.:)]?\s+", re.IGNORECASE
)
_MARK: Final = re.compile(r"^(#{1,6}\s|```|~~~)", re.MULTILINE)


class Heading(Protocol):
    """A line of a PDF's outline; `page` counts from 0, `level` from 1."""

    @property
    def page(self) -> int: ...
    @property
    def level(self) -> int: ...
    @property
    def title(self) -> str: ...


def cleared(pages: Sequence[str]) -> list[str]:
    """The pages without the lines that most of them begin or end with, page numbers in them aside."""
    parted = [page.split("\n") for page in pages]
    full = [lines for lines in parted if any(line.strip() for line in lines)]
    if len(full) < _MIN_PAGES:
        return list(pages)
    counted = Counter(form for lines in full for form in {_form(line) for line in _edges(lines)} if form)
    running = {form for form, times in counted.items() if times >= _MIN_SHARE * len(full)}
    return ["\n".join(_without(lines, running)).strip() for lines in parted] if running else list(pages)


def marked(pages: Sequence[str], headings: Iterable[Heading]) -> list[str]:
    """The pages with `#` before the lines that the outline names; a title that no line says is put above its page."""
    marked = [_MARK.sub(r" \1", page) for page in pages]
    above: dict[int, list[str]] = {}
    for heading in headings:
        if not 0 <= heading.page < len(pages):
            continue
        mark = "#" * min(heading.level, 6)
        line = _line_of(marked[heading.page], heading.title)
        if line is None:
            above.setdefault(heading.page, []).append(f"{mark} {heading.title}")
        else:
            start, end = line
            text = marked[heading.page]
            marked[heading.page] = f"{text[:start]}{mark} {text[start:end].strip()}{text[end:]}"
    for number, titles in above.items():
        marked[number] = "\n".join([*titles, marked[number]])
    return marked


def _line_of(page: str, title: str) -> tuple[int, int] | None:
    """Where the line stands that says the title, numbering aside; None if no line does."""
    wanted = _bare(title)
    start = 0
    for line in page.split("\n"):
        if not line.startswith("#") and len(line) <= 2 * len(title) + 20 and _bare(line) == wanted:
            return start, start + len(line)
        start += len(line) + 1
    return None


def _bare(text: str) -> str:
    return " ".join(_NUMBERING.sub("", text.strip()).casefold().split())


def _form(line: str) -> str:
    return _DIGITS.sub("0", " ".join(line.split()))


def _edges(lines: Sequence[str]) -> Sequence[str]:
    return lines if len(lines) <= 2 * _EDGE else [*lines[:_EDGE], *lines[-_EDGE:]]


def _without(lines: Sequence[str], running: set[str]) -> list[str]:
    last = len(lines) - 1
    return [
        line for number, line in enumerate(lines) if not (min(number, last - number) < _EDGE and _form(line) in running)
    ]
