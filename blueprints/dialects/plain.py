"""Markdown and TeX as plain words, for a line or two about a text: snippets, excerpts, previews. Pure.

It is no parser: a piece cut out of the middle of a text has marks without their other halves, and these go too.
The marks of what a search found (services.store.words) stay where they are.
"""

import re
from typing import Final

from services.markdown import LINK

# Longer texts have no place in a line; what stands beyond is left out.
MAX_CHARS: Final = 8_000
_FENCE: Final = re.compile(r"(?:^|(?<=\s))(?:```|~~~)[\w+#-]{0,20}(?=\s|$)")
_LINE: Final = re.compile(r"^[ \t]{0,12}(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+|[-*_=]{3,}[ \t]*$)", re.MULTILINE)
_RULE: Final = r"[ \t]*(?::-{1,40}:?|-{1,40}:|-{3,40})[ \t]*"
_RULED: Final = re.compile(rf"(?<=[\s|]){_RULE}(?:\|{_RULE}){{1,30}}(?=[\s|]|$)|(?<=\|){_RULE}(?=\|)")
_CELL: Final = re.compile(r"(?<!\S)\|(?!\S)")
_TITLE: Final = re.compile(r"(?<=\s)#{2,6}[ \t]+")
_STRONG: Final = re.compile(r"\*{2,3}(?=\S)|(?<=\S)\*{2,3}|(?<![\w\\])_{2,3}|_{2,3}(?!\w)|~~")
# One mark alone counts where it opens or closes a word, as in *this*; `2 * 3`, `n*m` and `snake_case` keep theirs.
_OPENS: Final = re.compile(r"(?<![\w\\*])[*_](?=[\x02\w\"'“(])")
_CLOSES: Final = re.compile(r"(?<=[\x03\w.,;:!?\"'”)])[*_](?![\w*])")
_ESCAPE: Final = re.compile(r"\\([\\`*_{}\[\]()#+.!|>~-])")
# What is surely TeX; a single dollar may be money.
_TEX: Final = re.compile(
    r"\$\$(.{1,1000}?)\$\$|\\\[(.{1,1000}?)\\\]|\\\((.{1,1000}?)\\\)|(?<![\w$\\])\$(?![\s$\d])([^$\n]{1,300}?)(?<!\s)\$(?![\w$])"
    r"|(?<![\w$\\])\$(?!\s)([^$\n]{0,300}?[\\^_=+*/][^$\n]{0,300}?)(?<!\s)\$(?![\w$])",
    re.DOTALL,
)
_FRACTION: Final = re.compile(r"\\[dt]?frac\s*\{([^{}]{0,200})\}\s*\{([^{}]{0,200})\}")
_ROOT: Final = re.compile(r"\\sqrt\s*\{([^{}]{0,200})\}")
_STYLE: Final = re.compile(
    r"\\(?:text|mathrm|mathbf|mathit|mathbb|operatorname|left|right|displaystyle|[,;:!])(?![A-Za-z])"
)
_COMMAND: Final = re.compile(r"\\([A-Za-z]{1,30})")
_SCRIPT: Final = re.compile(r"([\^_])\{([^{}]{0,200})\}")
_SIGNS: Final = {
    "cdot": "·", "times": "×", "div": "÷", "pm": "±", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠",
    "neq": "≠",
    "approx": "≈", "to": "→", "rightarrow": "→", "Rightarrow": "⇒", "leftarrow": "←", "infty": "∞", "sum": "∑",
    "prod": "∏", "int": "∫", "oplus": "⊕", "bigoplus": "⊕", "in": "∈", "degree": "°", "circ": "°", "partial": "∂",
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "Delta": "Δ", "epsilon": "ε", "theta": "θ", "lambda": "λ",
    "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "Sigma": "Σ", "phi": "φ", "omega": "ω", "Omega": "Ω",
}  # fmt: skip
# A formula that is cut off has no end to be known by; these words have no other use.
_CUT: Final = re.compile(rf"\$\$|\\({'|'.join([*_SIGNS, 'dfrac', 'frac', 'sqrt', 'mathrm', 'mathbf'])})(?![A-Za-z])")


def plain(text: str) -> str:
    """The words of a text in one line, without the marks that only a renderer understands."""
    text = _LINE.sub("", _FENCE.sub(" ", text[:MAX_CHARS]))
    text = _TEX.sub(lambda found: _formula(next(filter(None, found.groups()), "")), text)
    text = _CUT.sub(lambda found: _SIGNS.get(found[1] or "", ""), text)
    text = LINK.sub(r"\1", _CELL.sub(" ", _RULED.sub(" ", text)))
    for mark in (_TITLE, _STRONG, _OPENS, _CLOSES):
        text = mark.sub("", text)
    text = _ESCAPE.sub(r"\1", text.replace("`", ""))
    return " ".join(text.split())


def _formula(tex: str) -> str:
    for _ in range(3):  # one within another
        tex = _SCRIPT.sub(r"\1\2", tex)
        tex = _ROOT.sub(r"√(\1)", _FRACTION.sub(r"\1/\2", tex))
    tex = _COMMAND.sub(lambda found: _SIGNS.get(found[1], found[1]), _STYLE.sub("", tex))
    return re.sub(r"\{([^{}]{0,200})\}", r"\1", tex).replace("{", "").replace("}", "").replace("\\", " ").strip()
