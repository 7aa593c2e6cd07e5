"""What is to be left out of a child's stories: "spiders" is the spider, its web and its spidery home. Pure.

By stem and simple plural, not by meaning: "dogs" does not know puppies.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from services.stories.safety.folding import fold
from services.stories.safety.ordinary import named
from services.stories.safety.seen import Seen, see

_EMPTY: Final = named("a an the of in on at to for and or my your his her their being getting any no not with")
_IRREGULAR: Final = {
    **{"mice": "mouse", "geese": "goose", "wolves": "wolf", "men": "man", "women": "woman", "children": "child"},
    **{"feet": "foot", "teeth": "tooth", "knives": "knife", "thieves": "thief", "elves": "elf", "people": "person"},
    **{"oxen": "ox", "lice": "louse", "dying": "die", "died": "die", "death": "die", "dead": "die", "fought": "fight"},
    **{
        "fell": "fall",
        "drowned": "drown",
        "lost": "lose",
        "bitten": "bite",
        "bit": "bite",
        "stolen": "steal",
        "stole": "steal",
    },
    **{
        "flew": "fly",
        "flown": "fly",
        "swam": "swim",
        "swum": "swim",
        "ate": "eat",
        "eaten": "eat",
        "ran": "run",
        "calves": "calf",
    },
}
# Words at least this long are also avoided at the beginning of longer ones.
_SHORTEST_BEGINNING: Final = 4
_MAX_BETWEEN: Final = 2


def found(seen: Seen, avoid: Sequence[str], *, since: int) -> bool:
    """Whether a text names what is to be avoided, by words of which the last is at `since` or after it."""
    wanted = [stems for entry in avoid if (stems := _stems(entry))]
    if not wanted:
        return False
    words = [stem(word) for word in _spelled(seen.words)]
    return any(
        _is_at(entry, words, place, since)
        for place in range(len(words))
        for entry in wanted
        if _is(entry[0], words[place])
    )


def stem(word: str) -> str:
    """A word without its simple endings; not always a word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("ves", "f")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + instead
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            bare = word.removesuffix(ending)
            is_doubled = ending != "s" and bare[-1] == bare[-2] and bare[-1] not in "lsz"
            return bare[:-1] if is_doubled else bare
    return word


@lru_cache(maxsize=512)
def _stems(entry: str) -> tuple[str, ...]:
    words = see(fold(entry)).words
    return tuple(stem(word) for word in words if word not in _EMPTY) or tuple(words)


def _spelled(words: Sequence[str]) -> list[str]:
    """The words, with those that are spelled out in single letters as a whole in the place of their last one."""
    found = list(words)
    letters = ""
    for place, word in enumerate(words):
        letters = letters + word if len(word) == 1 else ""
        if len(letters) > 2:
            found[place] = letters
    return found


def _is(wanted: str, word: str) -> bool:
    if word == wanted or word in (f"{wanted}gy", f"{wanted}gie", f"{wanted}y", f"{wanted}ty", f"{wanted}ny"):
        return True
    beginning = wanted.removesuffix("e") if len(wanted) > _SHORTEST_BEGINNING else wanted
    return len(beginning) >= _SHORTEST_BEGINNING and word.startswith(beginning)


def _is_at(entry: Sequence[str], words: Sequence[str], place: int, since: int) -> bool:
    for stem_of in entry[1:]:
        following = range(place + 1, min(place + 2 + _MAX_BETWEEN, len(words)))
        further = next((there for there in following if _is(stem_of, words[there])), None)
        if further is None:
            return False
        place = further
    return place >= since
