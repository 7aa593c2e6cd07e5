"""Writes a text the plain way: small letters a to z, whatever alphabet, font or disguise they came in. Pure.

Nothing is lost on the way but marks: a letter of another script that looks like none of ours stays what it is, so that
`language` can tell that a text cannot be judged.
"""

import html
import re
import unicodedata
from functools import lru_cache
from typing import Final

# Letters of other scripts that look like ours, after Unicode's own compatibility forms and small letters.
_LOOK_ALIKES: Final = str.maketrans(
    {
        **dict(zip("абвгдеёзикмнорстухцчьіїјѕһԁԛԝӏѵґүҳ", "abbrgeezukmhopctyxu4biijshdqwlvryx", strict=True)),
        **dict(zip("αβγδεζηικλμνοπρστυχωϲϳɑ", "abydeznikkmvonpotuxwcja", strict=True)),
        **dict(zip("ɐǝɟƃɥᴉɾʞɯɹʇʌʍʎɔᴎʃʒ", "aefghijkmrtvwycnsz", strict=True)),
        **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True)),
        **dict(zip("ıłøđŧħɓɗɠƙƥɡɪʋƴɨʉɵ", "ilodthbdgkpgivyiuo", strict=True)),
        **dict(zip("ꭺᏴᏟᎠᎬᎻᎥᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᏃօսնզոցհ", "abcdehijklmprstvwzounqngh", strict=True)),
        **{"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ŋ": "n", "’": "'", "‘": "'", "ʼ": "'", "`": "'"},
        **{"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‐": "-", "‑": "-", "–": "-", "—": " - ", "−": "-"},
        **{chr(0x1F1E6 + place): letter for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")},
        **{chr(0x1F150 + place): letter for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")},
        **{chr(0x1F170 + place): letter for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")},
        # Pictures that say what no word may say.
        **{
            "🔫": " gun ",
            "🔪": " stab ",
            "🗡": " dagger ",
            "💣": " bomb ",
            "🧨": " dynamite ",
            "🪓": " axe ",
            "⚔": " swords ",
        },
        **{"🩸": " blood ", "💀": " skeleton ", "☠": " skeleton ", "⚰": " coffin ", "🪦": " grave ", "💊": " pills "},
        **{"💉": " syringe ", "🚬": " cigarette ", "🍺": " beer ", "🍻": " beer ", "🍷": " wine ", "🍸": " cocktail "},
        **{
            "🥃": " whisky ",
            "🎰": " casino ",
            "🖕": " fuck ",
            "🍆": " penis ",
            "🔞": " porn ",
            "💋": " kissing ",
            "卐": " nazi ",
        },
    }
)
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\U000e0000-\U000e0fff]"
)
_ENTITY: Final = re.compile(r"&#?\w{2,31};?")
_ESCAPED: Final = re.compile(r"(?:%[0-9a-fA-F]{2})+|(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2})+")
_HIDDEN_LETTERS: Final = range(0xE0020, 0xE007F)


def fold(text: str) -> str:
    """The text with small plain letters; as long as needed, never shorter than its words."""
    if text.isascii() and "&" not in text and "%" not in text and "\\" not in text:
        return text.lower()
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if "%" in text or "\\" in text:
        text = _ESCAPED.sub(_unescaped, text)
    if text.isascii():
        return text.lower()
    return _INVISIBLE.sub("", "".join(map(_folded, text)))


def invisible(text: str) -> int:
    """How many characters nobody sees; what joins and colours emoji does not count."""
    if text.isascii():
        return 0
    hidden = sum(ord(each) in _HIDDEN_LETTERS for each in text)
    return hidden + len(
        re.findall(
            "[\u00ad\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0]", text
        )
    )


@lru_cache(maxsize=4096)
def _folded(letter: str) -> str:
    if letter.isascii():
        return letter.lower()
    found = letter.translate(_LOOK_ALIKES)
    if found == letter:
        wide = unicodedata.normalize("NFKD", letter)
        # Marks above and below letters go; they are no part of the alphabet that the rules know.
        bare = "".join(each for each in wide if not unicodedata.combining(each))
        found = bare.lower().translate(_LOOK_ALIKES)
    return found


def _unescaped(found: re.Match[str]) -> str:
    text = found[0]
    digits = re.findall(r"(?:%|\\x|\\u)([0-9a-fA-F]+)", text)
    codes = [int(each, 16) for each in digits]
    return "".join(chr(code) if 32 <= code < 0xD800 else " " for code in codes)
