"""Web pages: what a reader sees of them, as plain text. Nothing of their markup, scripts or addresses is left.

Source: HTML Standard, "Rendering" (which elements are blocks), through Lexbor's parser, which builds the tree that
browsers build, whatever the markup.
"""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.reading.marks import Lines

# What shows nothing, or shows the way around a site instead of what it says.
_UNSEEN: Final = frozenset(
    {
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "canvas",
        "iframe",
        "object",
        "embed",
        "audio",
        "video",
        "head",
        "nav",
        "form",
        "button",
        "select",
        "textarea",
        "input",
        "dialog",
        "menu",
    }
)
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_BLOCKS: Final = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hgroup",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
        "caption",
    }
)
_CELLS: Final = frozenset({"td", "th"})
_HIDDEN: Final = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
# Signs that makers of documentation put beside headings.
_SIGNS: Final = frozenset({"headerlink", "anchor", "anchorjs-link", "hash-link", "permalink"})
# What shows the way around, as the makers of documentation and blogs mark it (DocBook, Sphinx, MkDocs, Hugo).
_WAYS: Final = frozenset(
    {
        "navheader",
        "navfooter",
        "toc",
        "breadcrumb",
        "breadcrumbs",
        "related",
        "sphinxsidebar",
        "md-nav",
        "table-of-contents",
    }
)
# Less text than this is no article, whatever the element is called.
_MIN_MAIN_CHARS: Final = 200
_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_CHARSET_BYTES: Final = 4096


def text_of(content: bytes) -> str:
    """What a reader sees of a page: headings with `#`, lists with `-`, tables as lines, code between fences."""
    tree = LexborHTMLParser(decoded(content))
    start = _main(tree) or tree.body or tree.root
    lines = Lines()
    title = tree.css_first("head > title")
    if start is None:
        return ""
    if title is not None and start.css_first("h1") is None:
        lines.heading(1, title.text())
    for node, entered in _walk(start):
        _take(lines, node, entered=entered)
    return lines.text()


def decoded(content: bytes) -> str:
    """The page's markup, by the encoding that it names if it is no UTF-8."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        named = _CHARSET.search(content[:_CHARSET_BYTES])
    try:
        return content.decode(named[1].decode() if named else "cp1252", "replace")
    except (LookupError, ValueError):
        return content.decode("cp1252", "replace")


def _main(tree: LexborHTMLParser) -> LexborNode | None:
    """The part of the page that is what it is about, if it says which."""
    for selector in ("main", '[role="main"]', "article"):
        found = tree.css(selector)
        if len(found) == 1 and len(found[0].text(strip=True)) >= _MIN_MAIN_CHARS:
            return found[0]
    return None


def _walk(start: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node as it is entered and as it is left. Without recursion: pages can be nested as deep as they are long."""
    node: LexborNode | None = start
    depth = 0
    while node is not None:
        is_seen = not _is_unseen(node)
        if is_seen:
            yield node, True
        child = node.child if is_seen else None
        if child is not None:
            node, depth = child, depth + 1
            continue
        if is_seen:
            yield node, False
        while depth and node.next is None:
            parent = node.parent
            assert parent is not None
            node, depth = parent, depth - 1
            yield node, False
        node = node.next if depth else None


def _is_unseen(node: LexborNode) -> bool:
    if not node.is_element_node:
        return not node.is_text_node
    if node.tag in _UNSEEN:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") == "navigation"
        or bool(_HIDDEN.search(attributes.get("style") or ""))
        or (node.tag == "div" and not _WAYS.isdisjoint((attributes.get("class") or "").split()))
        or (node.tag == "a" and not _SIGNS.isdisjoint((attributes.get("class") or "").split()))
    )


def _take(lines: Lines, node: LexborNode, *, entered: bool) -> None:
    tag = node.tag
    if node.is_text_node:
        if entered:
            lines.add(node.text_content or "")
    elif tag in _HEADINGS:
        lines.end_block()
        lines.level = _HEADINGS[tag] if entered else 0
    elif tag == "pre":
        lines.code(begins=entered)
    elif tag == "br":
        if entered:
            lines.end_line()
    elif tag in _CELLS:
        lines.cell(begins=entered)
    elif tag == "tr":
        lines.row(begins=entered)
    elif tag == "li":
        lines.item(begins=entered)
    elif tag in _BLOCKS:
        lines.end_block()
