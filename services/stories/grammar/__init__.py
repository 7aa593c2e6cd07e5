"""The built-in storyteller: stories without a model, from authored passages that fit together. Pure.

`tell` is deterministic: the same brief gives the same text on any machine. How themes are written: `reading`.
"""

from services.stories.grammar.brief import Brief, Told
from services.stories.grammar.telling import gentle, tell

__all__ = ["Brief", "Told", "gentle", "tell"]
