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

# Words that occur in English sentences and hardly ever as a bare word of code.
_ENGLISH = re.compile(
    r"(?<![\w.`])(?:the|an|of|to|your|you|we|it|its|this|that|these|those|every|what|which|why|how|does|would|should|"
    r"could|have|has|are|was|were|be|been|on|at|my|our|their|they|them|about|into|after|before|because|so|"
    r"there|here|but)(?![\w(\[=.]|\s*=)",
    re.IGNORECASE,
)
_TAGS = re.compile(r"</?(?:code|pre|br|kbd|samp|span|div|p|b|i|em|strong)\b[^>]*>", re.IGNORECASE)
_STRINGS = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|(?<![\w'])'(?:[^'\\\n]|\\.)*'(?!\w)")
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
_NAME: Final = r"[A-Za-z_]\w*(?:(?:\.|->|::)\w+)*(?:\[[^\]\n]*\])*"
_TYPE: Final = r"(?:(?:let|const|var|val|auto|int|long|double|float|char|bool|boolean|string|String|final|mut|unsigned|size_t)\s+)*"
_ASSIGNMENT = re.compile(
    rf"(?<![\w.<>!=(\[{{])(?:set\s+)?{_TYPE}(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)(?:\s*:\s*[\w\[\], |.]{{1,40}})?\s*"
    r"(?P<mark>(?:[-+*/%&|^@]|//|\*\*|<<|>>|\?\?|:)?=(?![=>~])|<-|←)\s*(?P<value>[^\s,;].*)"
)
_WORDED = re.compile(r"(?i)\bset\s+\w+\s+(?:to|:=|=)\s+\w+\s*[-+*/(\[]")

# Pattern and weight, for text of which nothing says that it is code.
_BARE: Final = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        (r"(?<=[\[({])[^\])}\n]*\bfor\s+\w+(?:\s*,\s*\w+)*\s+in\s[^\])}\n]*\bif\b", 3),
        (r"(?<=[\[({])[^\])}\n]*\bfor\s+\w+(?:\s*,\s*\w+)*\s+in\s", 2),
        (r"\bfor\s+\(?\w+(?:\s*,\s*\w+)*\)?\s+in\s+[^:\n]{1,80}:(?=\s|$)", 1),
        (r"\bfor\s+\w+\s*(?:=|:=|←|from)\s*[\w-]+\s*(?:to|\.\.|upto|downto|,)\s*[^\n]{1,40}?(?:\bdo\b|:|$)", 1),
        (r"\bfor\s+\w+(?:\s*,\s*\w+)*\s*(?::=\s*range|in)\s+[\w.()\[\]]+\s*\{", 1),
        (r"\b(?:while|(?:el|els|else )?if)\s+(?=[^:\n]*(?:[=<>!(\[]|\bin\b|\bnot\b))[^:\n]{1,120}:(?=\s|$)", 1),
        (r"\b(?:while|if)\s+[^:\n{]{1,80}[=<>!(\[][^:\n{]{0,80}\{", 1),
        (
            r"(?<!\w)(?:for|while|if|switch|foreach|until)\s*\((?=[^\n]*(?:[=<>!;]|\.\w|\bin\b|\bof\b| : )[^\n]*\))[^\n]*\)",
            1,
        ),
        (r"(?<!\w)for\s*\([^)\n]*;", 1),
        (r"\[\[?\s+[^\]\n]+\]\]?\s*;\s*then\b", 1),
        (
            r"\b(?:return|yield)\s+(?=[^\n]{0,60}(?:\w[\[(]|[\[(]\s*[a-z_]|\w\s*(?:[-+*/%]|==|<=?|>=?|&&|\|\||\?)\s*\w))[^\n]+",
            2,
        ),
        (r"(?<![-=])(?<!\w)(?:\([\w\s,:]*\)|\w+)\s*=>\s*(?:\{|\w+\s*[-+*/%.(\[=<>])[^\n]*", 2),
        (r"\blambda\s+[\w\s,]*:|\|\w+(?:,\s*\w+)*\|\s*[\w{(]", 1),
        (r"(?<!\w)(?:\w+\+\+|\w+--|\+\+\w+|--\w+)(?=\s*[;)\s]|$)", 1),
        (r"(?:\.\w+\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)\s*){3,}", 2),
        (r"(?i:\bselect\b)[^\n]+\bFROM\b|\bINSERT\s+INTO\b|\bSELECT\b[^\n]+\bfrom\b", 2),
        (r"\(\s*(?:define|defun|defn|let\*?|lambda|loop|setq|cond|fn)\s+[(\[\w]", 2),
        (r"^\s*\w+(?:\s+[\w():\[\]]+)+\s*=\s*\S.*|^\s*\|\s*[^|\n]+=\s*\S.*", 1),
        (r"\.each(?:_with_index)?\s+do\b|\bdo\s+\|\w+", 1),
        (r"^\s*(?:from\s+[\w.]+\s+import\s+\w|import\s+[\w.*]+;?\s*$|#include\b|using\s+namespace\b)", 1),
    )
)
# More of them for text that stands in backticks or a fence.
_MARKED: Final = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        (r"\bfor\s+\(?\w+(?:\s*,\s*\w+)*\)?\s+(?:in|of)\s+\S", 1),
        (
            r"^\s*(?:\}\s*)?(?:while|(?:el|els|else )?if|unless|until|case|when|match)\b(?=.*[=<>!(\[.]|.*\bin\b|.*\bnot\b)\s*\S",
            1,
        ),
        (r"^\s*(?:return|yield)\s+(?![-+]?[\w.]+\s*;?\s*$|\"\"|\[\s*\]|\{\s*\})\S.*", 1),
        (r"^\s*(?:return|yield)\s+(?!(?:-?\d+|True|False|None|null|true|false)\s*;?\s*$)[A-Za-z_]\w*\s*;?\s*$", 1),
        (rf"^\s*{_NAME}\((?=[^)\n]*[A-Za-z_])[^\n]*\)\s*;\s*$", 1),
        (
            r"\.(?:append|add|push|pop|put|insert|remove|push_back|popleft|appendleft|extend|update|set|sort)\((?=[^)\n]*[A-Za-z_\d])",
            1,
        ),
        (r"\b(?:print|println|console\.log|System\.out\.\w+|printf|heappush|heappop)!?\s*\((?=[^)\n]*[A-Za-z_])", 1),
    )
)
_SIGNATURE = re.compile(
    r"^\s*(?:async\s+|public\s+|private\s+|static\s+|export\s+|pub\s+|class\s+\w+.*|def\s+\w+\s*\(.*\).*|"
    r"(?:function|func|fn|fun)\s+\w+\s*[(<].*|[\w<>\[\],:*& ]+\s+\w+\s*\([^()]*\)\s*(?:\{|->.*)?)+\s*\{?:?\s*$"
)
_TERMINATED = re.compile(r"[\w)\]\"]\s*;\s*$|[\w)\]>]\s*\{\s*$")
_TURNED = re.compile(r"\b(?:nruter|elihw|fed|adbmal|tnirp|rof|erghea|juvyr|sbe|qrs)\b")
_PACKED = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"(?:(?:\\x|0x)?[0-9a-fA-F]{2}[\s,]?){12,}")
_HEAD = re.compile(r"(?:def|class|function|func|fn|public|import|from)\s+\w")
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
    total = 0
    for pattern, weight in (*_BARE, *_MARKED) if marked else _BARE:
        matches = [match for match in pattern.finditer(text) if marked or not is_english(match[0])]
        for match in reversed(matches):
            total += weight
            # What has been counted is not counted again, except the statements after a header.
            text = f"{text[: match.start()]} ; {text[match.end() :]}"
    return total + _assignments(text, marked=marked) + (1 if _WORDED.search(text) else 0)


def looks_like_line(text: str) -> bool:
    """Whether a cleaned, unmarked line is a line of code rather than a sentence."""
    if not text.strip() or is_english(text) or is_literal(text):
        return False
    return bool(weigh(text, marked=False) or _TERMINATED.search(text) and re.search(r"[=(.\[]", text))


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
