"""The themes of stories, and the other names they are asked for by. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["THEMES", "Theme", "find", "listed"]

MAX_ASKED: Final = 200
_APART: Final = re.compile(r"[\s_-]+")


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme: its id, what it is called on screen, a picture for its button, and a line that tells what awaits."""

    id: str
    title: str
    emoji: str
    words: str


_ALL: Final = (
    Theme("adventure", "Adventure", "🧭", "maps, faraway hills and a path nobody has walked"),
    Theme("animals", "Animals", "🦊", "paws, feathers and friends who cannot speak, and some who can"),
    Theme("space", "Space", "🚀", "rockets, small planets and stars that need a hand"),
    Theme("ocean", "Ocean", "🐳", "waves, whales and secrets under the water"),
    Theme("forest", "Forest", "🌲", "tall trees, soft moss and paths that move"),
    Theme("magic", "Magic", "✨", "spells that go a little wrong and wonders that go right"),
    Theme("dragons", "Dragons", "🐉", "warm breath, wide wings and good hearts"),
    Theme("dinosaurs", "Dinosaurs", "🦕", "giants of long ago and their very young ones"),
    Theme("pirates", "Pirates", "⛵", "sails, islands and treasure that is not always gold"),
    Theme("robots", "Robots", "🤖", "cogs, lights and machines that learn to be friends"),
    Theme("friendship", "Friendship", "🤝", "new friends, small quarrels and making up again"),
    Theme("bedtime", "Bedtime", "🌙", "slow, soft stories for the end of the day"),
    Theme("fairy-tale", "Fairy tale", "🏰", "castles, kind giants and wishes that come true"),
    Theme("mystery", "Mystery", "🔎", "clues, riddles and things that went missing"),
)
THEMES: Final[Mapping[str, Theme]] = MappingProxyType({theme.id: theme for theme in _ALL})

_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "adventure": ("adventures", "quest", "journey", "travel", "explorer", "explorers", "treasure", "treasure hunt",
                  "superhero", "superheroes"),
    "animals": ("animal", "pets", "pet", "cats", "dogs", "farm", "zoo", "horses", "wildlife"),
    "space": ("outer space", "rocket", "rockets", "planets", "stars", "astronaut", "astronauts", "aliens", "moon"),
    "ocean": ("sea", "under the sea", "underwater", "beach", "mermaid", "mermaids", "whales", "fish"),
    "forest": ("nature", "jungle", "woods", "wood", "trees", "garden", "outdoors"),
    "magic": ("fantasy", "magical", "wizard", "wizards", "witches", "fairy", "fairies", "unicorn", "unicorns",
              "spells"),
    "dragons": ("dragon",),
    "dinosaurs": ("dinosaur", "dino", "dinos", "prehistoric"),
    "pirates": ("pirate", "ship", "ships", "sailing"),
    "robots": ("robot", "science", "machines", "inventions", "inventor", "technology", "science fiction", "sci fi"),
    "friendship": ("friends", "friend", "family", "school", "kindness"),
    "bedtime": ("sleep", "goodnight", "good night", "night", "dreams", "sleepy", "calm"),
    "fairy-tale": ("fairytale", "fairy tales", "fairytales", "princess", "princesses", "prince", "castle", "castles",
                   "kings", "knights", "knight"),
    "mystery": ("mysteries", "detective", "detectives", "riddles", "puzzle", "puzzles", "clues"),
}  # fmt: skip


_OF_ANY: Final = frozenset(
    ("a", "an", "the", "story", "stories", "tale", "tales", "adventure", "adventures", "enchanted", "magical")
)


def _plain(text: str) -> str:
    return _APART.sub(" ", text.strip().casefold())


_BY_NAME: Final[Mapping[str, Theme]] = MappingProxyType(
    {_plain(theme.id): theme for theme in _ALL}
    | {_plain(theme.title): theme for theme in _ALL}
    | {_plain(name): THEMES[theme] for theme, names in _OTHER_NAMES.items() for name in names}
)


def find(text: str) -> Theme | None:
    """The theme that was asked for by its id, its title or another name; case, spaces and hyphens do not matter.

    Nor does a word that any theme might have: "space adventure" is space, "enchanted forest" the forest.
    """
    if len(text) > MAX_ASKED:
        return None
    asked = _plain(text)
    bare = " ".join(word for word in asked.split() if word not in _OF_ANY)
    return _BY_NAME.get(asked) or _BY_NAME.get(bare)


def listed() -> list[str]:
    """The ids of all themes, in the order in which they are shown."""
    return [theme.id for theme in _ALL]
