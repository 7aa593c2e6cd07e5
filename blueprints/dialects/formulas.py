"""TeX formulas in Markdown: where they begin and end, and their MathML. Pure.

Taken as formulas: `$$...$$`, `\\(...\\)`, `\\[...\\]`, and `$...$` where it cannot be money. The
backslash forms are read before Markdown's own escapes, which would eat the backslash. Whether a
line opens a displayed formula is decided by that line alone, so that a streamed block that has
ended never has to be taken back.
"""

import re
from functools import lru_cache
from html import escape
from typing import Final

from latex2mathml import converter, exceptions
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

MAX_TEX_CHARS: Final = 2_000
CLOSERS: Final = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
# A formula in single dollars: no space inside the dollars, none of them beside a letter or digit.
SINGLE: Final = re.compile(r"\$(?![\s$])((?:\\.|[^$\\\n]){1,500}?)(?<!\s)\$(?![\w$])")
_BESIDE: Final = re.compile(r"[\w$\\]")
# "20, you have 30" between two dollars is a sentence about money.
_MONEY: Final = re.compile(r"^[\d.,]+(?=\D).*(?<![\\A-Za-z{])[A-Za-z]{3,}", re.DOTALL)
_UNKNOWN_COMMAND: Final = re.compile(r"<m[io]>\\[A-Za-z]+</m[io]>")
# What latex2mathml lets through when the TeX is malformed; its own exceptions share no base class.
_MALFORMED: Final = (
    exceptions.NumeratorNotFoundError,
    exceptions.DenominatorNotFoundError,
    exceptions.ExtraLeftOrMissingRightError,
    exceptions.MissingSuperScriptOrSubscriptError,
    exceptions.DoubleSubscriptsError,
    exceptions.DoubleSuperscriptsError,
    exceptions.NoAvailableTokensError,
    exceptions.InvalidStyleForGenfracError,
    exceptions.MissingEndError,
    exceptions.InvalidAlignmentError,
    exceptions.InvalidWidthError,
    exceptions.LimitsMustFollowMathOperatorError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    StopIteration,
    RecursionError,
)


def cannot_be_money(tex: str) -> bool:
    """Whether what stands between two single dollars is a formula rather than two prices."""
    return not _MONEY.match(tex)


@lru_cache(maxsize=1024)
def mathml(tex: str, *, display: bool) -> str | None:
    """MathML of a formula, not yet sanitised; None if the TeX is malformed, unknown or too long."""
    if not tex.strip() or len(tex) > MAX_TEX_CHARS:
        return None
    try:
        markup: str = converter.convert(tex, display="block" if display else "inline")
    except _MALFORMED:
        return None
    return None if _UNKNOWN_COMMAND.search(markup) else markup


def add_formulas(parser: MarkdownIt) -> None:
    """Teach a parser the formulas."""
    parser.inline.ruler.before("escape", "math_inline", _inline)
    parser.block.ruler.before("fence", "math_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    parser.add_render_rule("math_inline", _render_inline)
    parser.add_render_rule("math_block", _render_block)


def _inline(state: StateInline, silent: bool) -> bool:
    found = _inline_formula(state.src, state.pos, state.posMax)
    if found is None:
        return False
    tex, markup, end = found
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.markup = tex, markup
    state.pos = end
    return True


def _inline_formula(text: str, start: int, limit: int) -> tuple[str, str, int] | None:
    opener = text[start : start + 2]
    if opener in CLOSERS:
        end = text.find(CLOSERS[opener], start + 2, min(limit, start + 2 + MAX_TEX_CHARS))
        tex = text[start + 2 : end] if end > 0 else ""
        return (tex, opener, end + 2) if tex.strip() else None
    if not opener.startswith("$") or (start and _BESIDE.match(text[start - 1])):
        return None
    match = SINGLE.match(text, start, limit)
    if match is None or not cannot_be_money(match[1]):
        return None
    return match[1], "$", match.end()


def _block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    first = state.src[state.bMarks[start_line] + state.tShift[start_line] : state.eMarks[start_line]]
    opener = first[:2]
    if opener not in ("$$", "\\[") or first[2:3] == "$":
        return False
    closer = CLOSERS[opener]
    on_first_line = first.find(closer, 2)
    if on_first_line >= 0 and first[on_first_line + 2 :].strip():
        return False
    if not silent:
        _push_block(state, start_line, end_line, closer)
    return True


def _push_block(state: StateBlock, start_line: int, end_line: int, closer: str) -> None:
    line, closed = start_line, False
    while line < end_line:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        if line > start_line and (not text or state.sCount[line] < state.blkIndent):
            break
        line += 1
        if closer in text[2 if line == start_line + 1 else 0 :]:
            closed = True
            break
    source = state.getLines(start_line, line, state.blkIndent, False).strip()
    tex, _, trailing = source[2:].partition(closer)
    token = state.push("math_block", "math", 0)
    token.block, token.map, token.markup = True, [start_line, line], source[:2]
    token.content = tex.strip() if closed else source
    token.meta = {"closed": closed, "trailing": trailing.strip()}
    state.line = line


def _render_inline(_: RendererHTML, tokens: list[Token], index: int, _o: OptionsDict, _e: EnvType) -> str:
    token = tokens[index]
    displayed = token.markup in ("$$", "\\[")
    return _element("span", token.content.strip(), displayed)


def _render_block(_: RendererHTML, tokens: list[Token], index: int, _o: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    if not token.meta["closed"]:
        return "" if env.get("open") else f"<p>{escape(token.content)}</p>\n"
    trailing = f"<p>{escape(token.meta['trailing'])}</p>\n" if token.meta["trailing"] else ""
    return _element("div", token.content, True) + "\n" + trailing


def _element(tag: str, tex: str, display: bool) -> str:
    markup = mathml(tex, display=display)
    if markup is None:
        code = f"<code>{escape(tex)}</code>"
        return code if tag == "span" else f"<pre>{code}</pre>"
    classes = "math math--display" if display else "math"
    return f'<{tag} class="{classes}" data-tex="{escape(tex)}">{markup}</{tag}>'
