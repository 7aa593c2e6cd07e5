"""What an answer says besides the sentences of its steps, which a page has told already. Pure.

The built-in engine says in its text what it has done, in the very words of the steps; shown twice that would only be
noise. A line that is such a sentence is left out, and of one that goes on after it what follows is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

_BULLET = "- "


@dataclass(slots=True)
class Untold:
    """Takes a text as it grows, cut anywhere; what is not told yet comes out of it.

    Attributes:
        told: The sentences of the steps so far, as Markdown.
    """

    told: set[str] = field(default_factory=set)
    # What has come of the line and is not shown, what is shown of it, and whether lines before it announce a list.
    _held: str = ""
    _shown: str = ""
    _announces: bool = False

    def add(self, text: str) -> str:
        """What of the text can be shown by now."""
        self._held += text
        out = ""
        while "\n" in self._held:
            line, _, self._held = self._held.partition("\n")
            out += self._ended(line, "\n")
        if self._held and (self._shown or not self._may_be_told(self._held)):
            piece = self._held if self._shown else self._left(self._held)
            out += piece
            self._shown += piece
            self._held = ""
        return out

    def finish(self) -> str:
        """What was held back to the end."""
        held, self._held = self._held, ""
        return self._ended(held, "")

    def _ended(self, line: str, end: str) -> str:
        """What is left of a line that has come to its end."""
        left = line if self._shown else self._left(line)
        whole, self._shown = self._shown + left, ""
        if line and not whole:
            return ""
        if whole.strip():
            is_item = self._announces and whole.lstrip().startswith(_BULLET)
            self._announces = is_item or whole.rstrip().endswith(":")
        return left + end

    def _left(self, line: str) -> str:
        said = self._bare(line)
        for sentence in sorted(self.told, key=len, reverse=True):
            if said.rstrip() == sentence or said.startswith(f"{sentence}."):
                return said[len(sentence) + 1 :].lstrip()
        return line

    def _may_be_told(self, line: str) -> bool:
        said = self._bare(line)
        if self.told and not self._announces and _BULLET.startswith(said):
            return True
        if any(f"{sentence}.".startswith(said) for sentence in self.told):
            return True
        # What follows a sentence within its line is shown as soon as there is any.
        return any(said.startswith(f"{sentence}.") for sentence in self.told) and not self._left(line)

    def _bare(self, line: str) -> str:
        """A line without its bullet; after words that announce a list, its items stay."""
        said = line.lstrip()
        if self._announces and said.startswith(_BULLET.strip()):
            return line
        return said.removeprefix(_BULLET)


def untold(text: str, told: Iterable[str]) -> str:
    """What a whole text says besides these sentences."""
    rest = Untold(set(told))
    return rest.add(text) + rest.finish()
