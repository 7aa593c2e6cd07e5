"""Does this text look like code, and how much of it? Pure, and made of heuristics.

What it weighs are statements: loop headers, assignments of something computed, returns, comprehensions,
calls that change something. Free are literals (`nums = [2, 7], target = 9`), simple expressions,
signatures, single keywords and names. docs/assistants.md says what it cannot see.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from typing import Final

from services.assistants.tutor.statements import BARE, MARKED, NAME

# Words that occur in English sentences and hardly ever as a bare word of code.
_ENGLISH = re.compile(
    r"(?<![\w.`])(?:the|an|of|to|your|you|we|it|its|this|that|these|those|every|what|which|why|how|does|would|should|"
    r"could|have|has|are|was|were|be|been|on|at|my|our|their|they|them|about|into|after|before|because|so|"
    r"there|here|but)(?![\w(\[=.]|\s*=)",
    re.IGNORECASE,
)
_TAGS = re.compile(r"</?(?:code|pre|br|kbd|samp|span|div|p|b|i|em|strong)\b[^>]*>", re.IGNORECASE)
_STRINGS = re.compile(r"(?<!\\)\"(?:[^\"\\\n]|\\.)*\"|(?<![\w'\\])'(?:[^'\\\n]|\\.)*'(?!\w)")
_COMMENT = re.compile(
    r"(?:(?<![\w&'\"])#(?!include|define|\[).*|(?<!:)//\s*[A-Za-z].*|/\*.*?(?:\*/|$)|\s--\s+[A-Za-z].*)"
)
_MATHS = re.compile(r"\$\$?([^$\n]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]")
_MARKERS = re.compile(r"(?:\s|>|[-*+](?=\s)|\d{1,3}[.):](?=\s)|\*{1,2}(?=\w))+")

# A value that says nothing about how it is computed.
_VALUE: Final = r"(?:[-+]?(?:\d[\d_,.]*(?:e[-+]?\d+)?)|\"\"|True|False|None|null|nil|true|false|inf|undefined|Infinity)"
_LITERAL = re.compile(
    rf"\s*(?:{_VALUE}|[\[({{](?:\s|{_VALUE}|[\[\](){{}},:]|\.\.\.|…)*[\])}}]|(?:new\s+)?(?:set|dict|list|Map|Set|vector)\(\s*\))"
    r"(?!\s*(?:[-+*/%<>&|^?.\[(]|\bif\b|\bfor\b|\band\b|\bor\b))"
)
_TYPE: Final = (
    r"(?:(?:let|const|var|val|auto|int|long|double|float|char|bool|boolean|string|String|final|mut|unsigned|size_t)"
    r"\s+)*"
)
_ASSIGNMENT = re.compile(
    rf"(?<![\w.<>!=(\[{{])(?:set\s+)?{_TYPE}(?P<names>{NAME}(?:\s*,\s*{NAME}){{0,9}})(?:\s*:\s*[\w\[\], |.]{{1,40}})?"
    r"\s*(?P<mark>(?:[-+*/%&|^@]|//|\*\*|<<|>>|\?\?|:)?=(?![=>~])|<-|←)\s*(?P<value>[^\s,;].*)"
)
_MOVE = re.compile(rf"\s*{NAME}(?:\s*,\s*{NAME})*\s*(?:=|:=|<-|←)\s*{NAME}(?:\s*,\s*{NAME})*\s*;?\s*")
_WORDED = re.compile(r"(?i)\bset\s+\w+\s+(?:to|:=|=)\s+\w+\s*[-+*/(\[]")

_SIGNATURE = re.compile(
    r"\s*(?!(?:for|while|if|elif|else|return|yield|print|raise|throw|del|assert|with|except|await|in|not|new)\b)"
    r"(?:(?:async|export|public|private|protected|static|final|pub)\s+)*"
    r"(?:def\s+\w+\s*\([^()]*\)\s*(?:->\s*[\w\[\], .|]+)?|class\s+\w+\s*(?:\([\w, .]*\))?"
    r"|(?:function|func|fn|fun)\s+\w+\s*(?:<\w+>)?\([^()]*\)\s*(?:(?:->|:)?\s*[\w<>\[\], ]+)?"
    r"|[A-Za-z][\w:]*(?:<[\w<>:, ]*>)?(?:\[\])*[&*]?\s+(?!in\b)\w+\s*\((?:[\w<>\[\]:*&]+\s+[\w&*]+(?:,\s*)?)*\))"
    r"\s*[:{]?\s*\Z"
)
_TERMINATED = re.compile(r"[\w)\]\"]\s*;\s*$|[\w)\]>]\s*\{\s*$")
_TURNED = re.compile(r"\b(?:nruter|elihw|fed|adbmal|tnirp|rof|erghea|juvyr|sbe|qrs)\b")
_PACKED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?:(?:\\x|0x)?[0-9a-fA-F]{2}[\s,]?){12,}")
_HEAD = re.compile(r"(?:def|class|function|func|fn|public|import|from)\s+\w")
# What every bare statement has at least one of; a sentence without any is not looked at closer.
_MAY_WEIGH = re.compile(
    r"[=(\[{:;|←]|<-|\+\+|--|#include|\.\w+\(|\b(?:return|yield|import|namespace|do|select|insert|set|for)\b", re.I
)
OUTRIGHT: Final = 100  # a weight that no budget covers


def clean(text: str) -> str:
    """The text as a reader would retype it: no disguise, no comments, strings emptied."""
    plain = unicodedata.normalize("NFKC", html.unescape(_TAGS.sub(" ", text)))
    if not plain.isascii():
        plain = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    return _COMMENT.sub("", _STRINGS.sub('""', plain)).rstrip()


def without_markers(line: str) -> str:
    """The line without the marks of lists, quotations and numbering before it."""
    match = _MARKERS.match(line)
    return line[match.end() :] if match else line


def without_maths(text: str) -> str:
    """Formulas are no assignments; what is code in them still counts."""

    def calm(match: re.Match[str]) -> str:
        body = match[1] or match[2] or match[3] or ""
        words = re.search(r"\b(?:return|while|def|for\s+\w+\s+in|elif|else)\b|;", re.sub(r"\\[A-Za-z]+", " ", body))
        return f" {body} " if words else " "

    return _MATHS.sub(calm, text)


def is_english(text: str) -> bool:
    """Whether a sentence's small words stand in it."""
    return _ENGLISH.search(text) is not None


def is_literal(text: str) -> bool:
    """Whether it is only values, named or not, as in an example's input or a trace."""
    rest = re.sub(r"[A-Za-z_]\w*\s*[:=](?!=)", " ", text)
    rest = re.sub(rf"{_VALUE}|\.\.\.|[-=]>|[→…\s\[\](){{}},;:|^.\"'+*_-]", " ", rest)
    return not rest.strip()


def is_signature(text: str) -> bool:
    """Whether it is the head of a function or a class, which the problem gives away itself."""
    return _SIGNATURE.match(text) is not None


def weigh(text: str, *, marked: bool) -> int:
    """How many statements stand in a cleaned text; a dense one counts more.

    Args:
        marked: It stands in backticks or in a fence, so less proof is asked for.
    """
    if marked and (is_literal(text) or is_signature(text)):
        return 0
    if not marked and not _MAY_WEIGH.search(text):
        return 0
    total = 0
    for pattern, weight in (*BARE, *MARKED) if marked else BARE:
        matches = [match for match in pattern.finditer(text) if marked or not _is_sentence(match[0])]
        for match in reversed(matches):
            total += weight
            # What has been counted is not counted again, except the statements after a header.
            text = f"{text[: match.start()]} ; {text[match.end() :]}"
    if _MOVE.fullmatch(text):
        return total + 1
    return total + _assignments(text, marked=marked) + (1 if _WORDED.search(text) else 0)


def looks_like_line(text: str) -> bool:
    """Whether a cleaned, unmarked line is a line of code rather than a sentence."""
    if not text.strip() or is_english(text) or is_literal(text):
        return False
    return bool(weigh(text, marked=False) or (_TERMINATED.search(text) and re.search(r"[=(.\[]", text)))


def disguised(text: str) -> bool:
    """Whether code hides in it: base64, hexadecimal, written backwards, or rotated by 13 letters."""
    for match in _PACKED.finditer(text):
        if _is_program(_unpacked(match[0])):
            return True
    for match in _HEX.finditer(text):
        digits = re.sub(r"\\x|0x|[\s,]", "", match[0])
        if _is_program(bytes.fromhex(digits[: len(digits) // 2 * 2])):
            return True
    if not _TURNED.search(text):
        return False
    lines = text.split("\n")
    turned = [line[::-1].translate(_MIRROR) for line in lines] + [codecs.encode(line, "rot13") for line in lines]
    turned += [line[::-1] for line in lines]
    return any(weigh(clean(line), marked=True) or _HEAD.match(clean(line)) for line in turned)


_MIRROR: Final = str.maketrans("()[]{}<>", ")(][}{><")


def _is_sentence(text: str) -> bool:
    """Whether what looks like a statement is English; a `return` shows it in its first words."""
    return is_english(" ".join(text.split()[:3]) if text.startswith(("return", "yield")) else text)


def _assignments(text: str, *, marked: bool) -> int:
    total, rest = 0, text
    for _ in range(8):
        match = _ASSIGNMENT.search(rest)
        if match is None:
            break
        value, computed = match["value"], match["mark"] not in ("=", ":=", "<-", "←")
        literal = None if computed else _LITERAL.match(value)
        sentence = not marked and is_english(value[:24])
        single = re.match(r"[A-Za-z_]\w*(?=\s*(?:[,;.)]|$|\s[a-z]))", value)
        if literal is None and not sentence and not (single and not marked and not rest.rstrip().endswith(";")):
            total += 1
        rest = value[literal.end() :] if literal else value
    return total


def _unpacked(token: str) -> bytes:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(body[: len(body) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""


def _is_program(data: bytes) -> bool:
    """Readable text with a statement or a function's head in it, which no random bytes are."""
    if len(data) < 12 or not all(32 <= byte < 127 or byte in (9, 10, 13) for byte in data):
        return False
    lines = [clean(line).strip() for line in data.decode("ascii").split("\n")]
    return any(weigh(line, marked=True) or _HEAD.match(line) for line in lines)
