"""Markdown to inert HTML: the one place where text becomes markup.

The text is a model's, a user's or an author's, and is trusted alike: not at all. The parser knows
no raw HTML, and what it writes passes an allow-list (no images, no ids, no event or `hx-`
attributes, known classes only, http, https and mailto links). `BlockRenderer` is the same
renderer for a text that is still growing.
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import StringIO
from typing import Any, Final

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

from blueprints.dialects.dangling import settled, settled_with_cites, without_undecided_line
from blueprints.dialects.formulas import add_formulas

Lexed = tuple[Any, str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CODE_CLASS_PREFIX: Final = "tok-"
# Highlighting is for reading; what is longer than this is not read line by line.
_MAX_HIGHLIGHTED_CHARS: Final = 20_000
# Of this thread's own time, for a block: lexers take a millisecond a kilobyte, but quadratic time where delimiters are
# opened and never closed, and nobody else is served meanwhile.
_HIGHLIGHT_S: Final = 0.2
# What is longer than this is shown as it was written: the parser would hold up everybody else for seconds.
MAX_MARKDOWN_CHARS: Final = 200_000
# The same for a text of little else than marks, each of which may take 25 us, and a line three times that. Prose with
# code in it has one of them for ten characters.
MAX_MARKS: Final = 25_000
_MARKS: Final = "\n\n\n!*[]_~`<&$|\\("
# A tail whose rendering takes longer than this is rendered for a tenth of the time at most.
_COSTLY_S: Final = 0.02
_REST: Final = 10
_LANGUAGES: Final = _words(
    "bash c c++ clojure cpp c# cs csharp css dart diff dockerfile elixir erlang go haskell html java javascript js "
    "json julia kotlin lua make matlab ocaml perl php powershell python python3 py r ruby rust scala sh shell sql "
    "swift toml ts typescript xml yaml yml zig"
)
_NUMBER: Final = re.compile(r"\[(\d{1,3})\]", re.ASCII)
_LANGUAGE_NAME: Final = re.compile(r"[A-Za-z0-9+#-]{1,20}")
# Headings of an answer stand below those of the page around it.
_HEADING_SHIFT: Final = 2
_MATHML: Final = _words(
    "math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mroot mrow ms mspace msqrt mstyle msub "
    "msubsup msup mtable mtd mtext mtr munder munderover mprescripts none"
)
_TAGS: Final = (
    _words("a blockquote br code div em h3 h4 h5 h6 hr li ol p pre s span strong sup table tbody td th thead tr ul")
    | _MATHML
)
_MATHML_ATTRIBUTES: Final = _words(
    "accent columnalign columnlines columnspacing depth display displaystyle fence form height linethickness lspace "
    "mathsize mathvariant maxsize minsize movablelimits notation rowlines rowspacing rspace scriptlevel separator "
    "stretchy symmetric width"
)
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "a": {"href"},
    "ol": {"start"},
    "pre": {"data-language"},
    "span": {"data-tex"},
    "div": {"data-tex"},
} | {tag: set(_MATHML_ATTRIBUTES) for tag in _MATHML}
_CLASSES: Final = {
    "div": {"math", "math--display", "table"},
    "span": {"math", "math--display"} | {CODE_CLASS_PREFIX + name for name in STANDARD_TYPES.values() if name},
    "sup": {"cite"},
    "td": {"align-left", "align-center", "align-right"},
    "th": {"align-left", "align-center", "align-right"},
}
_CLEANER: Final = nh3.Cleaner(
    tags=set(_TAGS),
    attributes=_ATTRIBUTES,
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)
_FORMATTER: Final = HtmlFormatter(nowrap=True, classprefix=CODE_CLASS_PREFIX)


# What the citing parser writes; no other text becomes a `sup`.
_CITE: Final = re.compile(r'<sup class="cite">(\d{1,3})</sup>')


@lru_cache(maxsize=256)
def render_markdown(text: str, cites: str = "") -> Markup:
    """A whole text as inert HTML.

    Args:
        cites: Numbers in brackets lead to the element of the page whose id is this with the number after it, which
            is the caller's own word; empty: they are only text.
    """
    return _rendered(text, {}, cites)


def _rendered(text: str, env: EnvType, cites: str = "") -> Markup:
    if _is_too_much(text):
        return _inert(f"<pre><code>{escape(text)}</code></pre>\n")
    if not cites:
        return _inert(_PARSER.render(text, env))
    return _inert(_CITING.render(text, {**env, "cites": cites}), cites)


def _is_too_much(text: str) -> bool:
    return len(text) > MAX_MARKDOWN_CHARS or sum(map(text.count, _MARKS)) > MAX_MARKS


def _inert(html: str, cites: str = "") -> Markup:
    clean = _CLEANER.clean(html)
    if cites:
        link = rf'<sup class="cite"><a href="#{escape(cites)}\1" aria-label="Source \1">\1</a></sup>'
        clean = _CITE.sub(link, clean)
    return Markup(clean)  # noqa: S704 (sanitised right here: the project's one such call)


class BlockRenderer:
    """A growing text as HTML whose finished top-level blocks never change.

    Only the last block is rendered again as it grows. A long one is rendered each time it has
    grown by a 64th, so that the work stays proportional to the text, and one that is slow to render
    less often still.

    Args:
        cites: As for `render_markdown`.

    Attributes:
        blocks: The finished blocks, each a run of whole top-level elements.
        tail: The block that is being written, without what is left dangling.
        parsed_chars: How many characters have been parsed so far, over and over; for tests.
    """

    _STEP = 64

    def __init__(self, cites: str = "") -> None:
        self._cites = cites
        self.blocks: list[Markup] = []
        self.tail: Markup = _inert("")
        self.parsed_chars = 0
        self._parts: list[str] = []
        self._source = ""
        self._searched = 0
        self._rendered = 0
        self._rest_until_s = 0.0
        self._references: dict[str, object] = {}

    @property
    def text(self) -> str:
        """All that was added."""
        return "".join(self._parts)

    def add(self, text: str) -> None:
        """Take more text."""
        self._parts.append(text)
        self._source += text
        if (
            len(self._source) - self._rendered < len(self._source) // self._STEP
            or time.monotonic() < self._rest_until_s
        ):
            return
        began_s = time.thread_time()
        self._freeze()
        self.tail = self._render(without_undecided_line(self._source), is_open=True)
        self._rendered = len(self._source)
        cost_s = time.thread_time() - began_s
        if cost_s > _COSTLY_S:
            self._rest_until_s = time.monotonic() + _REST * cost_s

    def finish(self) -> Markup | None:
        """Take the text as complete: the tail becomes the last finished block.

        Returns:
            The whole text anew if finished blocks had to change after all, which happens where a
            link's address is given after its use; else None.
        """
        if last := self._render(self._source, is_open=False):
            self.blocks.append(last)
        self.tail = _inert("")
        self._source = ""
        if not self._references:
            return None
        text = self.text
        self.parsed_chars += len(text)
        whole = render_markdown(text, self._cites)
        return whole if whole != "".join(self.blocks) else None

    def _freeze(self) -> None:
        end = self._source.rfind("\n") + 1
        if end <= self._searched:
            return
        lines = self._finished_lines(self._source[:end])
        if not lines:
            self._searched = end
            return
        cut = 0
        for _ in range(lines):
            cut = self._source.index("\n", cut) + 1
        block = self._render(self._source[:cut], is_open=False)
        if block:
            self.blocks.append(block)
        self._source = self._source[cut:]
        self._searched = end - cut

    def _finished_lines(self, source: str) -> int:
        """How many of these complete lines belong to blocks that nothing can change any more."""
        if _is_too_much(source):
            return 0
        self.parsed_chars += len(source)
        tokens: list[Token] = []
        parser = _CITING if self._cites else _PARSER
        parser.block.parse(source, parser, {"references": dict(self._references)}, tokens)
        tops = [token for token in tokens if token.level == 0 and token.nesting >= 0 and token.map]
        if not tops:
            return 0
        last = tops[-1]
        start, end = last.map or (0, 0)
        return end if _is_final(last, source.split("\n"), end) else start

    def _render(self, source: str, *, is_open: bool) -> Markup:
        self.parsed_chars += len(source)
        references = dict(self._references) if is_open else self._references
        return _rendered(source, {"references": references, "open": is_open}, self._cites)


def _is_final(token: Token, lines: Sequence[str], end: int) -> bool:
    """Whether a last block has been ended by its own form or by the blank line after it."""
    # A line with a pipe may still turn out to be a table's head, whatever else it looks like.
    if token.type in ("heading_open", "hr") and "|" not in lines[end - 1]:
        return True
    if token.type == "fence":
        return _has_closer(token, lines)
    if token.type == "math_block":
        return bool(token.meta["closed"])
    closes_at_blank = token.type in ("heading_open", "paragraph_open", "table_open", "blockquote_open", "math_block")
    return closes_at_blank and end < len(lines) - 1 and not lines[end].strip()


def _mark_closed_fences(state: StateCore) -> None:
    """Say of each fence whether it has been closed; the renderer colours only those."""
    lines = state.src.split("\n")
    for token in state.tokens:
        if token.type == "fence" and token.map:
            token.meta["closed"] = _has_closer(token, lines)


def _has_closer(token: Token, lines: Sequence[str]) -> bool:
    start, end = token.map or (0, 0)
    line = lines[end - 1] if start + 1 < end <= len(lines) else ""
    if token.level == 0 and len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip(" ")) > 3:
        return False
    marker = line.strip(" \t>")
    return len(marker) >= len(token.markup) and not marker.strip(token.markup[0])


def _hold_back(state: StateCore) -> None:
    """Complete or hold back what dangles at the end of a text that is still growing."""
    if not state.env.get("open"):
        return
    for token in reversed(state.tokens):
        if token.type == "inline":
            token.content = settled_with_cites(token.content) if "cites" in state.env else settled(token.content)
        if token.nesting >= 0:
            return


def _render_fence(_: RendererHTML, tokens: Sequence[Token], index: int, _o: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    name = token.info.split()[0] if token.info.strip() else ""
    label = f' data-language="{name}"' if _LANGUAGE_NAME.fullmatch(name) else ""
    if env.get("open") and not token.meta.get("closed"):
        return f"<pre{label}><code>{escape(token.content)}</code></pre>\n"
    return f"<pre{label}><code>{_coloured(token.content, name.lower())}</code></pre>\n"


def _coloured(code: str, language: str) -> str:
    if language not in _LANGUAGES or len(code) > _MAX_HIGHLIGHTED_CHARS:
        return str(escape(code))
    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    coloured = StringIO()
    try:
        _FORMATTER.format(_in_time(lexer.get_tokens(code)), coloured)
    except TimeoutError:
        return str(escape(code))
    return coloured.getvalue()


def _in_time(tokens: Iterable[Lexed]) -> Iterator[Lexed]:
    patience = time.thread_time() + _HIGHLIGHT_S
    for token in tokens:
        if time.thread_time() > patience:
            raise TimeoutError
        yield token


def _render_image(_: RendererHTML, tokens: Sequence[Token], index: int, _o: OptionsDict, _e: EnvType) -> str:
    """An image is never fetched: its address would tell where it was read. It becomes a link."""
    token = tokens[index]
    return f'<a href="{escape(token.attrGet("src") or "")}">{escape(token.content or "image")}</a>'


def _shift_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _HEADING_SHIFT)}"


def _align_by_class(state: StateCore) -> None:
    """Style attributes are refused by the pages' content security policy; classes are not."""
    for token in state.tokens:
        style = token.attrs.pop("style", None) if token.type in ("td_open", "th_open") else None
        if style:
            token.attrSet("class", "align-" + str(style).rpartition(":")[2])


def _cite(state: StateInline, silent: bool) -> bool:
    """A number in brackets, which is no link's words here, whatever follows it."""
    found = _NUMBER.match(state.src, state.pos)
    if found is None or state.linkLevel:
        return False
    if not silent:
        # It belongs to the word before it, and goes to the next line with it.
        state.pending = state.pending.rstrip(" ")
        state.push("cite", "", 0).content = found[1]
    state.pos = found.end()
    return True


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    parser.enable(["table", "strikethrough"])
    add_formulas(parser)
    parser.core.ruler.before("inline", "hold_back", _hold_back)
    parser.core.ruler.after("block", "mark_closed_fences", _mark_closed_fences)
    parser.core.ruler.push("shift_headings", _shift_headings)
    parser.core.ruler.push("align_by_class", _align_by_class)
    parser.add_render_rule("fence", _render_fence)
    parser.add_render_rule("image", _render_image)
    parser.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _citing_parser() -> MarkdownIt:
    """As the other, for texts whose numbers in brackets are sources: none of them is a link's address."""
    parser = _parser()
    parser.disable("reference")
    parser.inline.ruler.before("link", "cite", _cite)
    parser.add_render_rule("cite", lambda _s, tokens, at, *_: f'<sup class="cite">{tokens[at].content}</sup>')
    return parser


_PARSER: Final = _parser()
_CITING: Final = _citing_parser()
