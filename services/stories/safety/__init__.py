"""What may reach a child: rules that judge texts, and the pieces that are judged. Pure.

`judge` is for what a storyteller says, `judge_input` for what a client sends, `Pieces` cuts a story into what is judged
and shown. Only English is promised; it is a help and not a guarantee (docs/stories.md, "Safety").
"""

from services.stories.safety.judging import Kind, judge, judge_input
from services.stories.safety.pieces import Pieces
from services.stories.safety.verdict import REASONS, Verdict

__all__ = ["REASONS", "Kind", "Pieces", "Verdict", "judge", "judge_input"]
