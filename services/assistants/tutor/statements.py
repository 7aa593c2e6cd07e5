"""What statements look like, in the languages that models answer in: patterns and their weights. Pure."""

import re
from typing import Final

# Bounded, for a pattern that may begin anywhere takes the square of what it may run over.
NAME: Final = r"[A-Za-z_]\w*(?:(?:\.|->|::)\w+){0,9}(?:\[[^\]\n]*\]){0,9}"
_CHANGING: Final = (
    r"(?:append|add|push|pop|put|insert|remove|push_back|popleft|appendleft|extend|update|set|sort|discard|setdefault)"
)
# Pattern and weight, for text of which nothing says that it is code.
BARE: Final = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        # A whole function on one line.
        (r"\bdef\s+\w+\s*\([^()\n]*\)[^:\n]{0,40}:(?=\s*\S)", 2),
        (r"\b(?:function|func|fn|fun)\b\s*\w*\s*\([^()\n]*\)[^{\n]{0,40}\{(?=\s*\S)", 2),
        (r"\b[A-Za-z_]\w*\s*=\s*(?:lambda\b[^:\n]{0,40}:|\(?[\w\s,]{0,40}\)?\s*=>)(?=\s*\S)", 3),
        (r"(?<=[\[({])[^\n\[({]*?\bfor\s+\(?\w+(?:\s*,\s*\w+)*\)?\s+in\s[^\n]*\bif\b[^\n]*", 3),
        (r"(?<=[\[({])[^\n\[({]*?\bfor\s+\(?\w+(?:\s*,\s*\w+)*\)?\s+in\s", 2),
        (r"\bfor\s+\(?\w+(?:\s*,\s*\w+)*\)?\s+in\s+[^:\n]{1,80}:(?=\s|$)", 1),
        (r"\bfor\s+\w+\s*(?:=|:=|←|from)\s*[\w-]+\s*(?:to|\.\.|upto|downto|,)\s*[^\n]{1,40}?(?:\bdo\b|:|$)", 1),
        (r"\bfor\s+\w+(?:\s*,\s*\w+)*\s*(?::=\s*range|in)\s+[\w.()\[\]]+\s*\{", 1),
        (r"\b(?:while|(?:el|els|else )?if)\s+(?=[^:\n]*(?:[=<>!(\[]|\bin\b|\bnot\b))[^:\n]{1,120}:(?=\s|$)", 1),
        (r"\b(?:while|if)\s+(?=[^:\n{]{1,80}[=<>!(\[])[^:\n{]{1,160}\{", 1),
        (
            r"(?<!\w)(?:for|while|if|switch|foreach|until)\s*\("
            r"(?=[^\n]{0,160}(?:[=<>!;]|\.\w|\bin\b|\bof\b| : )[^\n]{0,160}\))[^\n]*\)",
            1,
        ),
        (r"(?<!\w)for\s*\([^)\n]*;", 1),
        (r"\[\[?\s+[^\]\n]+\]\]?\s*;\s*then\b", 1),
        (
            r"\b(?:return|yield)\s+(?=[^\n]{0,60}(?:\w[\[(]|[\[(]\s*[a-z_]"
            r"|\w\s*(?:[-+*/%]|==|<=?|>=?|&&|\|\||\?)\s*\w))[^\n]+",
            2,
        ),
        (r"(?<![-=])(?<!\w)(?:\([\w\s,:]*\)|\w+)\s*=>\s*(?:\{|\w+\s*[-+*/%.(\[=<>])[^\n]*", 2),
        (r"\blambda\s+[\w\s,]*:|\|\w+(?:,\s*\w+)*\|\s*[\w{(]", 1),
        (r"(?<!\w)(?:\w+\+\+|\w+--|\+\+\w+|--\w+)(?=\s*[;)\s]|$)", 1),
        (r"(?:\.\w+\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)\s*){3,}", 2),
        (r"(?i:\bselect\b)[^\n]+\bFROM\b|\bINSERT\s+INTO\b|\bSELECT\b[^\n]+\bfrom\b", 2),
        (r"\(\s*(?:define|defun|defn|let\*?|lambda|loop|setq|cond|fn)\s+[(\[\w]", 3),
        (r"^\s*\w+(?:\s+[\w():\[\]]+)+\s*=\s*\S.*|^\s*\|\s*[^|\n]+=\s*\S.*", 1),
        (rf"^\s*{NAME}\.{_CHANGING}\([^\n]*[A-Za-z_][^\n]*\)\s*;?\s*$", 1),
        (r"\.each(?:_with_index)?\s+do\b|\bdo\s+\|\w+", 1),
        (r"^\s*(?:from\s+[\w.]+\s+import\s+\w|import\s+[\w.*]+;?\s*$|#include\b|using\s+namespace\b)", 1),
    )
)
# More of them for text that stands in backticks or a fence.
MARKED: Final = tuple(
    (re.compile(pattern), weight)
    for pattern, weight in (
        (r"\bfor\s+\(?\w+(?:\s*,\s*\w+)*\)?\s+(?:in|of)\s+\S", 1),
        (
            r"^\s*(?:\}\s*)?(?:while|(?:el|els|else )?if|unless|until|case|when|match)\b"
            r"(?=.*[=<>!(\[.]|.*\bin\b|.*\bnot\b)\s*\S",
            1,
        ),
        (r"^\s*(?:return|yield)\s+(?![-+]?[\w.]+\s*;?\s*$|\"\"|\[\s*\]|\{\s*\})\S.*", 1),
        (r"^\s*(?:return|yield)\s+(?!(?:-?\d+|True|False|None|null|true|false)\s*;?\s*$)[A-Za-z_]\w*\s*;?\s*$", 1),
        (rf"^\s*{NAME}\((?=[^)\n]*[A-Za-z_])[^\n]*\)\s*;\s*$", 1),
        (rf"\.{_CHANGING}\((?=[^)\n]*[A-Za-z_\d])", 1),
        (r"(?<!\S)\S+(?:\s+\|\s+\w+[^|\n]*){2,}", 3),
        (r"\b(?:print|println|console\.log|System\.out\.\w+|printf|heappush|heappop)!?\s*\((?=[^)\n]*[A-Za-z_])", 1),
    )
)
