"""The second look at an answer: withholds solution code while it streams. Pure.

Prose passes word by word. What may be code waits: inside a line until it is clear what it is, at most
to the line's end, and a fenced block until it closes. What is withheld is never given out; one calm
sentence stands in its place. What waits is looked at again when it has grown by an eighth, and what asks
for more looking than a hint can need is withheld unseen: the work is in proportion to the text. What counts
as code, and how much of it is too much, is in `codelike` and `accounts`; the limits of this check are in
docs/assistants.md.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.assistants.tutor.accounts import Account, without_quote
from services.assistants.tutor.fences import Fence, Tests, closes, opening
from services.assistants.tutor.reference import OwnCode, Reference

WITHHELD: Final = "*I have left code out here: writing it is your part. Ask me about any step of it.*"
ELLIPSIS: Final = "…"
MAX_LINE_CHARS: Final = 800  # a line longer than this is judged in pieces

# Ideographs are words of their own: they have no blanks between them to wait for.
_TOKEN = re.compile(r"\s+|[\u2e80-\ufdff]|[^\s`\u2e80-\ufdff]+")
_ENDS_WORD = re.compile(r"[\s\u2e80-\ufdff]")
_PLAIN = re.compile(
    r"[(\"'“‘«*_¿¡]*(?:[^\W\d_]{1,24}(?:['’\-‐/][^\W\d_]{1,24})*|[^\W\d_]{1,24}[\-‐]?\d{1,6})"
    r"[.,;:!?)\"'”’»*_…]*|[–—]|&"
)
# A number in a sentence speaks neither for code nor against it.
_NUMBER = re.compile(r"[(]?\d{1,6}[.,;:!?)]?")
# Words that begin code, those of two disguises among them; in a sentence they only make it wait for the next words.
_KEYWORD = re.compile(
    r"for|while|if|elif|else|def|class|return|yield|lambda|let|const|var|int|long|double|float|char|bool|auto|string"
    r"|function|func|fn|fun|import|from|print|try|except|with|do|set|switch|case|public|private|static|void"
    r"|select|SELECT|INSERT|define|defun|defn|nruter|elihw|fed|adbmal|tnirp|rof|erghea|juvyr|qrs|sbe"
)
_MAY_FENCE = re.compile(r"[\s>*+.)\d-]*(?:`{0,2}|`{3,}[^`\n]*|~{0,2}|~{3,}[^\n]*)\Z")
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", re.DOTALL)
_CONTAINER = re.compile(r"(?:\s|>|[-*+](?=\s)|\d{1,3}[.)](?=\s))+")
# What a token says: nothing, maybe code, a sentence's plain token, or one that speaks for a sentence.
_NEUTRAL, _DOUBTFUL, _PLAIN_TOKEN, _WORD = range(4)
# So many plain words in a row mean that a sentence goes on.
_CLEAR_RUN: Final = 4
# The last words wait with what follows: `seen` may be the left side of an assignment.
_LOOKAHEAD: Final = 2
# What waits is looked at again when it has grown by this part.
_GROWTH: Final = 8


class Guard:
    """One answer's. Feed it the text; pass on what it returns and nothing else."""

    def __init__(self, level: int, *, reference: Mapping[str, Any] | None = None, own: Iterable[str] = ()) -> None:
        self._account = Account(level, Reference(reference), OwnCode(own))
        self._tail = ""  # of the current line, what has not been decided
        self._unread: list[str] = []  # what came after it since it was last looked at
        self._unread_chars = 0
        self._word_ended = False  # in what is unread
        self._begun = False  # whether some of the current line was given out
        self._dropping = False  # the rest of the current line is withheld
        self._fence: Fence | None = None
        self._block: list[str] = []
        self._running = False  # the line before was withheld, so an indented one belongs to it
        self._chain = ""  # neighbouring pieces of inline code
        self._skip = 0  # characters that were sent by an earlier run
        self._told = False
        self._cut = False  # something was cut out of a sentence, without a word about it yet
        self._last = "\n"

    @property
    def withheld(self) -> bool:
        """Whether anything was."""
        return self._account.refused

    def prime(self, text: str) -> None:
        """Go on after text that has been sent already."""
        self._skip = len(text)
        self._told = self._account.refused = WITHHELD in text
        self.feed(text)

    def feed(self, text: str) -> str:
        """The text that may be passed on now."""
        out = []
        position = 0
        while position < len(text):
            if self._account.exhausted:
                self._cut = True
                break
            cut = text.find("\n", position, position + MAX_LINE_CHARS) + 1 or position + MAX_LINE_CHARS
            fresh = text[position:cut]
            position = cut
            self._unread.append(fresh)
            self._unread_chars += len(fresh)
            self._word_ended = self._word_ended or _ENDS_WORD.search(fresh) is not None
            if fresh.endswith("\n"):
                out.append(self._line_ended())
            elif self._word_ended and self._unread_chars * _GROWTH >= len(self._tail):
                out.append(self._line_grew())
        return "".join(out)

    def finish(self) -> str:
        """The text has ended: what is held, as far as it may be shown."""
        out = self._line_ended() if self._tail or self._unread else ""
        if self._fence is not None:
            out += self._end_block()
        if self._cut and not self._told:
            out += ("" if self._last == "\n" and not out else "\n\n") + WITHHELD
            self._told = True
        return out

    def tests(self, tests: Tests) -> Tests:
        """The suggested tests whose fields are values, not programs."""
        return [test for test in tests if all(self._account.allows_value(text) for text in test.values())]

    def _read(self) -> None:
        self._tail += "".join(self._unread)
        self._unread, self._unread_chars, self._word_ended = [], 0, False

    def _line_ended(self) -> str:
        self._read()
        if self._fence is not None:
            return self._block_grew(self._tail_taken(len(self._tail)))
        if not self._begun and not self._dropping:
            match = _CONTAINER.match(self._tail)
            self._fence = opening(self._tail[match.end() :] if match else self._tail)
            if self._fence is not None:
                self._block = [self._tail_taken(len(self._tail))]
                return ""
        # The same pieces as if the line had come letter by letter: the verdict does not hang on the deltas.
        out = "" if self._must_wait() else self._judge_clear_part()
        out += self._judge(self._tail_taken(len(self._tail)))
        self._begun = self._dropping = False
        return out

    def _line_grew(self) -> str:
        self._read()
        if self._dropping:
            return self._drop(self._tail_taken(len(self._tail)))
        return "" if self._must_wait() else self._judge_clear_part()

    def _block_grew(self, line: str) -> str:
        self._block.append(line)
        ended = self._fence is not None and closes(without_quote(line).lstrip(), self._fence)
        return self._end_block() if ended else ""

    def _must_wait(self) -> bool:
        """Whether the line's beginning says that the line must be seen as a whole."""
        if self._fence is not None:
            return True
        line = self._tail.rstrip("\n")
        return not self._begun and bool(_MAY_FENCE.match(line) or line.lstrip().startswith("|"))

    def _judge_clear_part(self) -> str:
        """Pass on the part of the current line about which nothing can change any more."""
        out = []
        more = True
        while more:
            end, plain, more = self._clear_end()
            if not end:
                break
            piece = self._tail_taken(end)
            if plain and (self._begun or not self._running):
                self._chain = ""
                out.append(self._drop(piece) if self._dropping else self._give(piece))
            else:
                out.append(self._judge(piece))
        return "".join(out)

    def _clear_end(self) -> tuple[int, bool, bool]:
        """The next piece of the tail that can be judged now.

        Returns:
            Where it ends, 0 if there is none; whether it is words only; whether another may follow it.
        """
        words: list[int] = []  # starts of the plain words since the last doubtful one
        doubtful, plain = False, True
        position = end = 0
        tail = self._tail[:MAX_LINE_CHARS]
        while position < len(tail):
            if tail[position] == "`":
                span = _SPAN.match(tail, position)
                if span is None or span.end() == len(tail):
                    break
                position, words, plain = span.end(), [], False
                end = end if doubtful else position
                continue
            token = _TOKEN.match(tail, position)
            if token is None or (token.end() == len(tail) and not _ends_itself(token[0])):
                break
            kind, start = _kind(token[0]), position
            position = token.end()
            if kind == _NEUTRAL:
                continue
            if kind != _DOUBTFUL:
                if not doubtful or kind == _WORD:
                    words.append(start)
                if doubtful and len(words) >= _CLEAR_RUN:
                    return start, False, True
                if not doubtful and len(words) > _LOOKAHEAD:
                    end = words[-_LOOKAHEAD]
            elif end:
                return end, plain, True
            else:
                doubtful, words = True, []
        if not end and len(tail) == MAX_LINE_CHARS:
            return MAX_LINE_CHARS, False, True
        # All of the tail has been looked at: after this piece it holds too few words for another.
        return end, plain, len(tail) < len(self._tail)

    def _tail_taken(self, end: int) -> str:
        taken, self._tail = self._tail[:end], self._tail[end:]
        return taken

    def _judge(self, text: str) -> str:
        """A line, or a piece of one, outside of fences."""
        if not self._begun and self._running:
            self._running = bool(re.match(r"[ \t]{2}|[})\]]", text)) and bool(text.strip())
            self._dropping = self._dropping or self._running
        if self._dropping:
            return self._drop(text)
        spans = list(_SPAN.finditer(text))
        if not (self._begun or spans) and self._account.is_code_line(text):
            if self._account.allows_line(text):
                return self._give(text)
            self._dropping = not text.endswith("\n")
            self._running = True
            return self._replace(text)
        return self._judge_pieces(text, spans)

    def _judge_pieces(self, text: str, spans: list[re.Match[str]]) -> str:
        """A sentence with its inline code: first the words between, then each piece of code."""
        starts = [0, *(span.end() for span in spans)]
        bare = [text[start:end] for start, end in zip(starts, [*(s.start() for s in spans), len(text)], strict=True)]
        rest, tick, unclosed = bare[-1].partition("`")
        if not self._account.allows_line(" ` ".join([*bare[:-1], rest])):
            self._cut = True
            return self._swap(text)
        out = []
        for before, span in zip(bare, spans, strict=False):
            out.append(self._words(before))
            out.append(self._span(span[0], span[2]))
        out.append(self._words(rest))
        if tick and not self._account.allows_span(unclosed.strip("` \n")):
            self._cut = True
            out.append(self._swap(tick + unclosed))
        else:
            out.append(self._give(tick + unclosed))
        return "".join(out)

    def _words(self, text: str) -> str:
        if re.search(r"\w\w", text):
            self._chain = ""
        return self._give(text)

    def _span(self, raw: str, content: str) -> str:
        chained = f"{self._chain} {content}".strip()
        allowed = self._account.allows_span(content)
        if allowed and self._chain and self._chain != chained:
            allowed = self._account.allows_span(chained)
        self._chain = chained[-400:]
        if allowed:
            return self._give(raw)
        self._cut = True
        return self._swap(raw)

    def _end_block(self) -> str:
        lines, self._block = self._block, []
        fence, self._fence = self._fence, None
        closed = len(lines) > 1 and fence is not None and closes(without_quote(lines[-1]).lstrip(), fence)
        content = lines[1 : -1 if closed else None]
        if self._account.allows_fence([line.rstrip("\n") for line in content], fence.info if fence else ""):
            return self._give("".join(lines))
        return self._replace("".join(lines))

    def _give(self, text: str) -> str:
        fresh = self._fresh(text)
        if text:
            self._begun = not text.endswith("\n")
            self._last = text[-1]
        return fresh

    def _fresh(self, text: str) -> str:
        """Of text in its order, the part that no earlier run has sent."""
        sent = min(self._skip, len(text))
        self._skip -= sent
        return text[sent:]

    def _drop(self, text: str) -> str:
        """Withhold the rest of a line that was replaced."""
        self._fresh(text)
        return ""

    def _replace(self, text: str) -> str:
        """Withhold whole lines; the sentence stands in their place, once in an answer."""
        if not self._fresh(text) or self._told:
            return ""
        self._told = True
        lead = "" if self._last == "\n" else "\n\n"
        self._last = "\n"
        return f"{lead}{WITHHELD}\n"

    def _swap(self, text: str) -> str:
        """Withhold a part of a line; the line's end stays."""
        fresh = self._fresh(text)
        if not fresh:
            return ""
        line_end = "\n" if text.endswith("\n") else ""
        mark = "" if self._last == ELLIPSIS else ELLIPSIS
        self._begun = not line_end
        self._last = line_end or ELLIPSIS
        blank = " " if not line_end and text[-1:].isspace() else ""
        return f"{mark}{blank}{line_end}"


@functools.lru_cache(maxsize=4096)
def _kind(token: str) -> int:
    """What a token says about the sentence or the code that it stands in; answers repeat their words."""
    if token.isspace() or _NUMBER.fullmatch(token):
        return _NEUTRAL
    bare = token.strip("(\"'*_.,;:!?)")
    if not _PLAIN.fullmatch(token) or _KEYWORD.fullmatch(bare):
        return _DOUBTFUL
    # No variable's letter, nothing that code uses as a word.
    is_word = len(bare) > 1 and bare.lower() not in ("in", "not", "and", "or", "is", "of", "then", "to", "as", "end")
    return _WORD if is_word else _PLAIN_TOKEN


def _ends_itself(token: str) -> bool:
    return token.isspace() or "\u2e80" <= token[0] <= "\ufdff"
