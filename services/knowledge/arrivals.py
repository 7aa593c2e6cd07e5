"""What a document that arrives is: its kind, by its first bytes and, among texts, its name. Pure.

A guess that costs nothing: whether a PDF is whole, and an archive really a Word document, is for its reader to say.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from services.errors import UnsupportedType
from services.media import names
from services.reading import kinds

Kind = Literal["pdf", "docx", "html", "markdown", "text", "csv"]

TAKEN: Final = "PDF, Word (.docx), HTML, Markdown, CSV and plain text"
# What a page's picker offers; content decides all the same.
ACCEPT: Final = ".pdf,.docx,.html,.htm,.md,.markdown,.txt,.csv,.tsv,text/*,application/pdf"
HEAD_BYTES: Final = kinds.HEAD_BYTES
_MIMES: Final[dict[Kind, str]] = {
    "pdf": kinds.PDF,
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
    "markdown": kinds.MARKDOWN,
    "text": kinds.TEXT,
    "csv": "text/csv",
}
_ENDINGS: Final[dict[str, Kind]] = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".tsv": "csv",
}
_ARCHIVE: Final = b"PK\x03\x04"
# Old Word files, and new ones that are locked with a password, which are packed into one.
_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Texts in UTF-16 as spreadsheets save them.
_MARKED: Final = (b"\xff\xfe", b"\xfe\xff")
_WEB_PAGE: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,400}?-->\s*)?<(?:!doctype html|html)\b", re.I | re.S
)
_UNNAMED: Final = "document"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What arrived.

    Attributes:
        name: As it can be shown anywhere.
        mime: By its kind, whatever the sender said.
    """

    name: str
    kind: Kind
    mime: str


def of(head: bytes, name: str) -> Arrival:
    """What a document is.

    Args:
        head: Its first `HEAD_BYTES`; not empty.
        name: What its sender calls it; may be empty or hostile.

    Raises:
        UnsupportedType: None of the kinds that are taken, or not what its name says.
    """
    kind = _kind(head, name.strip())
    ending = ".txt" if kind == "text" else f".{'md' if kind == 'markdown' else kind}"
    shown = names.shown(name, kinds.TEXT)
    if shown != names.shown(name, kinds.MARKDOWN):
        # Nothing of the name was left.
        shown = _UNNAMED + ending
    return Arrival(shown, kind, _MIMES[kind])


def refused(message: str = "is of a type that is not taken") -> UnsupportedType:
    """What is said of a file that is none of the kinds."""
    at_field = [{"field": "file", "message": f"{message}: taken are {TAKEN}"}]
    return UnsupportedType(f"The file {message}. Taken are {TAKEN}.", extra={"errors": at_field})


def _kind(head: bytes, name: str) -> Kind:
    if head.startswith(_COMPOUND):
        raise refused("is an old Word file, or locked with a password; save it as .docx without one")
    if head.startswith(_ARCHIVE):
        # Word writes its own folder's name within the first entries; others by their ending.
        if name.lower().endswith(".docx") or b"word/" in head:
            return "docx"
        raise refused()
    if head.startswith(_MARKED):
        return _kind_of_text(head, name)
    found = kinds.sniff(head)
    if found == kinds.PDF:
        return "pdf"
    if found != kinds.TEXT:
        raise refused()
    return _kind_of_text(head, name)


def _kind_of_text(head: bytes, name: str) -> Kind:
    if names.text_type(name) is None:
        raise refused("is not what its name says")
    ending = "." + name.lower().rpartition(".")[2]
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    return "html" if _WEB_PAGE.match(head) else "text"
