"""Whether a text is English as far as the rules can tell: what they cannot read, they cannot judge. Pure."""

from collections.abc import Sequence, Set
from typing import Final

from services.stories.safety.folding import fold
from services.stories.safety.ordinary import named
from services.stories.safety.seen import see

# Words that only other languages begin, join and deny with.
_OTHERS: Final = named(
    """
    und nicht ein eine einen der das ist mit auf dem den ich du sie wir ihr
    les des une est dans avec pour elle nous vous mais sont
    los las una que por para con ella esta pero como muy
    il lo gli che di sono nel della non
    het een niet zijn voor maar ook
    nao uma dos voce eu mas
    de la el y al mi un su se lo del los dijo le et il du au aux ce qui sur avait etait dit
    er war auch sich hat von zu im nach wie noch
    di da ho hai mi ti si era ha
    och att inte som jag
    """
)
_OURS: Final = named(
    """
    the and to of in on at is was were it its he she they we you i his her their my your that this with for but not
    said are be have had has as so then there up down out from by what who when all one can could will would very little
    go went
    """
)
_MAX_FOREIGN: Final = 2
_SHORTEST: Final = 3


def complaint(words: Sequence[str], text: str, *, names: Sequence[str], is_name: bool) -> str:
    """The name of the rule that a text breaks by its language; empty if it breaks none.

    Args:
        words: Those that are to be judged, folded.
        text: What they were.
    """
    if is_name:
        return ""
    known = {word for name in names for word in see(fold(name)).words}
    strange = [word for word in words if not word.isascii() and word not in known]
    if strange:
        return "language: another script"
    others = [word for word in words if word in _OTHERS]
    if len(set(others)) > _MAX_FOREIGN and len(others) * 6 > len(words):
        return "language: another language"
    # Letters with marks, and hardly a word that English sentences are made of.
    if (
        len(words) > _SHORTEST
        and _is_marked(text, known)
        and sum(word in _OURS for word in words) * _SHORTEST < len(words)
    ):
        return "language: another language"
    return ""


def _is_marked(text: str, known: Set[str]) -> bool:
    """Whether a word that is no name has letters that English has not."""
    return any(
        any(each.isalpha() and not each.isascii() for each in word)
        and word[:1].islower()
        and known.isdisjoint(see(fold(word)).words)
        for word in text.split()
    )
