"""Word documents (.docx): their text, read as a stream from the archive, without anything else that is in it.

Source: ECMA-376 (Office Open XML), part 1, chapters 17.3 (paragraphs and runs), 17.4 (tables), 17.7 (styles) and 17.13
(changes that were tracked). Expat never fetches anything; declarations of types, and with them entities, are refused.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from xml.parsers import expat

from services.reading.kinds import BROKEN, LOCKED, TOO_HEAVY, Refused
from services.reading.marks import Lines

_COMPOUND: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_SPACES: Final = frozenset(
    {
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "http://purl.oclc.org/ooxml/wordprocessingml/main",
    }
)
_COMPATIBILITY: Final = "http://schemas.openxmlformats.org/markup-compatibility/2006"
_DOCUMENT: Final = "word/document.xml"
_STYLES: Final = "word/styles.xml"
_NOTES: Final = ("word/footnotes.xml", "word/endnotes.xml")
_MAX_PARTS: Final = 20_000
# A book of a thousand pages has 20 MB of them; an archive that unpacks to more was made to.
_MAX_XML_BYTES: Final = 256 * 1024 * 1024
_MAX_DEPTH: Final = 2_000
_PIECE_BYTES: Final = 64 * 1024
_MAX_STYLES: Final = 20_000
_OFF: Final = frozenset({"0", "false", "off"})
# Text that was taken out or moved away, what Word computes fields from, and what older programs see instead.
_SKIPPED: Final = frozenset({"del", "moveFrom", "instrText", "delText", "Fallback"})

Attributes = Mapping[str, str]


def text_of(content: bytes) -> str:
    """The text of a document: headings with `#`, lists with `-`, tables as lines, then its notes.

    Raises:
        Refused: `LOCKED`, `BROKEN`, or `TOO_HEAVY`.
    """
    if content.startswith(_COMPOUND):
        raise Refused(LOCKED if _ENCRYPTED in content else BROKEN)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _text(archive)
    except (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, NotImplementedError, KeyError, ValueError):
        raise Refused(BROKEN) from None


def _text(archive: zipfile.ZipFile) -> str:
    parts = {info.filename: info for info in archive.infolist()[:_MAX_PARTS]}
    if _DOCUMENT not in parts:
        raise Refused(BROKEN)
    if any(parts[name].flag_bits & 1 for name in (_DOCUMENT, _STYLES, *_NOTES) if name in parts):
        raise Refused(LOCKED)
    styles = _Styles()
    if _STYLES in parts:
        _read(archive, _STYLES, styles)
    body = _Body(styles.levels())
    for name in (_DOCUMENT, *_NOTES):
        if name in parts:
            _read(archive, name, body)
    return body.lines.text()


def _read(archive: zipfile.ZipFile, name: str, reader: "_Reader") -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    for piece in _pieces(archive, name):
        parser.Parse(piece, False)
    parser.Parse(b"", True)


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    left = _MAX_XML_BYTES
    with archive.open(name) as part:
        while piece := part.read(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise Refused(TOO_HEAVY)
            yield piece


def _refuse(*_: object) -> None:
    raise Refused(BROKEN)


class _Reader:
    """Hears of the elements of one part that are Word's own, by their bare names."""

    def __init__(self) -> None:
        self._depth = 0

    def start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Refused(BROKEN)
        space, _, bare = name.rpartition(" ")
        if space in _SPACES or space == _COMPATIBILITY:
            self.begin(bare, {key.rpartition(" ")[2]: value for key, value in attributes.items()})

    def end(self, name: str) -> None:
        self._depth -= 1
        space, _, bare = name.rpartition(" ")
        if space in _SPACES or space == _COMPATIBILITY:
            self.finish(bare)

    def begin(self, name: str, attributes: Attributes) -> None: ...

    def finish(self, name: str) -> None: ...

    def characters(self, text: str) -> None: ...


class _Styles(_Reader):
    """Which styles are headings. Their ids are in the language of the program that wrote them; their names are not."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        self._based_on: dict[str, str] = {}
        self._levels: dict[str, int] = {}
        self._style = ""

    def begin(self, name: str, attributes: Attributes) -> None:
        value = attributes.get("val", "")
        if name == "style":
            self._style = attributes.get("styleId", "")
            if len(self._names) > _MAX_STYLES:
                raise Refused(BROKEN)
        elif name == "name":
            self._names.setdefault(self._style, value.casefold())
        elif name == "basedOn":
            self._based_on[self._style] = value
        elif name == "outlineLvl" and value.isdecimal() and int(value[:3]) < 9:
            self._levels[self._style] = int(value[:3]) + 1

    def levels(self) -> dict[str, int]:
        """The level of each style that is a heading, by its id."""
        found = {style: self._level(style) for style in self._names}
        return {style: level for style, level in found.items() if level}

    def _level(self, style: str) -> int:
        # Styles are based on others; a file may well say that two are based on each other.
        for _ in range(12):
            name = self._names.get(style, "")
            if name == "title":
                return 1
            kind, _, number = name.partition(" ")
            if kind == "heading" and number.isdecimal() and 0 < int(number[:3]) < 10:
                return int(number[:3])
            if style in self._levels:
                return self._levels[style]
            if style not in self._based_on:
                return 0
            style = self._based_on[style]
        return 0


class _Body(_Reader):
    """The text itself."""

    def __init__(self, levels: Mapping[str, int]) -> None:
        super().__init__()
        self.lines = Lines()
        self._levels = levels
        self._skipped = 0
        self._is_text = False
        self._is_hidden = False
        self._run: list[str] = []
        self._starts: dict[str, Callable[[Attributes], None]] = {
            "p": lambda _: self._begin_paragraph(),
            "pStyle": self._style,
            "outlineLvl": self._outline,
            "numId": self._list,
            "tr": lambda _: self.lines.row(begins=True),
            "tc": lambda _: self.lines.cell(begins=True),
            "r": lambda _: self._begin_run(),
            "vanish": self._hide,
            "t": lambda _: self._text(begins=True),
            "tab": lambda _: self._run.append(" "),
            "br": lambda _: self._run.append("\n"),
            "cr": lambda _: self._run.append("\n"),
            "noBreakHyphen": lambda _: self._run.append("-"),
        }
        self._ends: dict[str, Callable[[], None]] = {
            "p": self._end_paragraph,
            "tr": lambda: self.lines.row(begins=False),
            "tc": lambda: self.lines.cell(begins=False),
            "r": self._end_run,
            "t": lambda: self._text(begins=False),
        }

    def begin(self, name: str, attributes: Attributes) -> None:
        if name in _SKIPPED:
            self._skipped += 1
        elif not self._skipped and name in self._starts:
            self._starts[name](attributes)

    def finish(self, name: str) -> None:
        if name in _SKIPPED:
            self._skipped -= 1
        elif not self._skipped and name in self._ends:
            self._ends[name]()

    def characters(self, text: str) -> None:
        if self._is_text and not self._skipped:
            self._run.append(text)

    def _style(self, attributes: Attributes) -> None:
        self.lines.level = self._levels.get(attributes.get("val", ""), 0)

    def _outline(self, attributes: Attributes) -> None:
        level = attributes.get("val", "")
        if level.isdecimal():
            self.lines.level = int(level[:3]) + 1 if int(level[:3]) < 9 else 0

    def _list(self, attributes: Attributes) -> None:
        # A numbered heading is a heading; 0 takes a list's number away.
        if not self.lines.level and attributes.get("val") != "0":
            self.lines.item(begins=True)

    def _hide(self, attributes: Attributes) -> None:
        self._is_hidden = attributes.get("val", "1") not in _OFF

    def _text(self, *, begins: bool) -> None:
        self._is_text = begins

    def _begin_paragraph(self) -> None:
        # One in a text box stands in the middle of another's run.
        self._end_run()
        self.lines.begin_paragraph()

    def _begin_run(self) -> None:
        self._run.clear()
        self._is_hidden = False

    def _end_run(self) -> None:
        if not self._is_hidden:
            for number, line in enumerate("".join(self._run).split("\n")):
                if number:
                    self.lines.end_line()
                self.lines.add(line)
        self._run.clear()

    def _end_paragraph(self) -> None:
        self.lines.end_paragraph()
        self.lines.level = 0
