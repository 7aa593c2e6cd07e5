"""What files are called: a name that can be shown anywhere, and what its ending says. Pure."""

import re
import unicodedata
from typing import Final

from services.reading import kinds

MAX_CHARS: Final = 120
_ENDINGS: Final = {
    kinds.PNG: ".png",
    kinds.JPEG: ".jpg",
    kinds.GIF: ".gif",
    kinds.WEBP: ".webp",
    kinds.PDF: ".pdf",
    kinds.TEXT: ".txt",
    kinds.MARKDOWN: ".md",
}
_MARKDOWN: Final = (".md", ".markdown")
# Under such a name text is a mistake: an error page saved as a picture, a document that was renamed.
_NO_TEXT: Final = re.compile(
    r"\.(png|jpe?g|gif|webp|heic|avif|bmp|tiff?|ico|pdf|zip|gz|tar|7z|rar|docx?|xlsx?|pptx?|od[tsp]|epub"
    r"|mp[34]|wav|ogg|webm|mov|exe|dll|so|bin|iso|woff2?)$",
    re.IGNORECASE,
)


def shown(name: str | None, mime: str) -> str:
    """The name without its folders and without what hides or reorders it; one by the type if nothing is left."""
    base = re.split(r"[/\\]", name or "")[-1]
    kept = re.sub(r"\s+", " ", seen(base)).strip(" .")
    if not kept:
        return f"file{_ENDINGS[mime]}"
    stem, dot, ending = kept.rpartition(".")
    if len(kept) <= MAX_CHARS:
        return kept
    if not stem or len(ending) > 10:
        return kept[:MAX_CHARS]
    return f"{stem[: MAX_CHARS - len(ending) - 1]}{dot}{ending}"


def seen(name: str) -> str:
    """What is seen of a name: nothing in it hides, or reorders what stands beside it."""
    return "".join(letter for letter in unicodedata.normalize("NFC", name) if _is_seen(letter))


def text_type(name: str) -> str | None:
    """The type of a text of this name; None if nothing of this name is a text."""
    if _NO_TEXT.search(name.strip()):
        return None
    return kinds.MARKDOWN if name.strip().lower().endswith(_MARKDOWN) else kinds.TEXT


def _is_seen(letter: str) -> bool:
    # Format characters include those that turn "fdp.exe" round, surrogates are no characters.
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn"} or letter == "\u200d"
