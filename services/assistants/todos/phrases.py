"""Plain sentences as wishes: what is to be done, to what, with which words. Pure; no list, no dates.

English, by fixed rules, in order: the first that fits decides. What none of them knows is a new todo if it reads like
one, and otherwise `unknown`, which is answered with what can be said.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal[
    "create", "list", "search", "tags", "complete", "reopen", "delete", "reschedule", "top", "bottom", "after",
    "rename", "repeat",
    "change", "importance", "tag", "untag", "project", "undate", "subtasks", "undo", "help", "thanks",
    "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that somebody wants.

    Attributes:
        name: What they call the todo that it is about.
        words: What else there is to it: a date, a new name, a tag, the line of a new todo.
    """

    kind: Kind
    name: str = ""
    words: str = ""


_I: Final = re.IGNORECASE
# A sentence that is longer is no plain one, and matching it would take its time.
MAX_CHARS: Final = 500
_POLITE: Final = re.compile(
    r"^(?:(?:please|hey|hi|hello|ok|okay|so|and|then|also|now|just|kindly|rill)\b[\s,!.]*|"
    r"(?:can|could|would|will) you (?:please |kindly )?|i(?:'d| would) like (?:you )?to (?=\w)|"
    r"i want (?:you )?to (?=(?:add|create|delete|remove|complete|move|see|list|show|rename|undo|mark)\b))+",
    _I,
)
_ASKING: Final = re.compile(r"^(?:(?:please|hey|hi|ok|so|and)\b[\s,]*)*(?:can|could|would|will) you\b", _I)
_AFTERWARDS: Final = re.compile(r"[\s,]*\b(?:please|thanks|thank you|for me)[\s.!?]*$", _I)
_NOT_MINE: Final = re.compile(
    r"^(?:write|tell|give|send|read|sing|make|show|buy|book|order|find) me "
    r"(?!(?:my |the |all |open |what )*(?:todo|task|list|overdue|today|done|is|tag|project|everything|it all|#))|"
    r"^(?:help me|sort|order|prioriti[sz]e|organi[sz]e|plan) (?:.*\b)?(?:my|the) (?:whole )?"
    r"(?:list|tasks|todos|week|day)(?: (?:by|for) .+)?[\s.!]*$|"
    r"^(?:explain|translate|summari[sz]e|calculate|compute|google|search the (?:web|internet)|sing|ignore)\b",
    _I,
)
_QUESTION: Final = re.compile(
    r"^(?:what|who|whom|whose|why|how|where|when|which|is|are|am|was|were|do|does|did|can|could|should|will|would|"
    r"has|have i)\b|\?\s*$",
    _I,
)
_THANKS: Final = re.compile(
    r"^(?:thanks|thank you|thx|great|perfect|nice|cool|hello|hi|hey|good (?:morning|evening|day))\b.{0,20}$", _I
)
# N stands for what a todo is called, W for what else is said.
_TO: Final = "(?:to|until|till|for|on|onto)"
_DATE: Final = f"(?P<words>{_TO} .+?|by .+?|(?:in|next|tomorrow|today|tonight|back|at)(?: .*?)?)"
_PUT_OFF: Final = "(?:move|snooze|re-?schedule|postpone|push(?: back)?|delay|defer|shift|schedule|bring forward)"
_LEVEL: Final = (
    "(?P<words>(?:very )?(?:important|urgent|unimportant)|"
    "(?:high|medium|normal|low)(?:est)?(?:[ -](?:importance|priority|prio))?)"
)
_TAGS: Final = r"(?P<words>#?[\w-]+(?:[ ,]+#?[\w-]+)*)"
_SAYINGS: Final[tuple[tuple[Kind, tuple[str, ...]], ...]] = (
    ("create", ("(?:set|make|give me)(?: up)? a reminder (?:to |about |for |on )?W",)),
    ("help", ("help(?: me)?", "what can (?:you|i) (?:do|say)(?: here)?", "how do(?:es)? (?:you|this|it) work")),
    ("undo", (
        "undo(?: (?:that|it|this|the last (?:change|step|one|thing|action)|everything|your last answer|all of that))?",
        "revert(?: that| it)?", "take (?:that|it) back",
    )),
    ("tags", (
        "(?:list|show|what are|which are|what|which)(?: me)?(?: all)?(?: my| the)? (?:tags|projects)"
        "(?: and (?:tags|projects))?(?: do i (?:have|use)| are there)?",
    )),
    # Subtasks and tags before what adds todos, and takes them away.
    ("subtasks", (
        "(?:add|create)(?: the| some)? sub-?tasks? (?:to|for|under) (?P<name>[^:]+): ?W",
        "(?:add|create)(?: an?| the| some)? sub-?tasks?:? W (?:to|for|under|of) N",
        "(?:break|split)(?: down| up)? N(?: down| up)? (?:into|in):? W",
    )),
    ("untag", (
        r"(?:remove|delete|take)(?: the)? tags? #?(?P<words>[\w-]+) (?:from|off) N",
        r"untag N (?:from|of) #?(?P<words>[\w-]+)", "untag N",
    )),
    ("tag", (
        f"(?:add|put)(?: the| a)? tags? {_TAGS} (?:to|on) N", "tag N (?:with|as) W",
        r"tag (?P<name>[^#]+?) (?P<words>#[\w-]+(?:[ ,]+#[\w-]+)*)",
    )),
    ("undate", (
        "(?:remove|delete|clear|take)(?: away)?(?: the)?(?: due| start)? (?:date|time|deadline) (?:from|of|off) N",
    )),
    ("reopen", (
        "(?:re-?open|un-?complete|un-?check) N",
        "(?:mark|set) N (?:as )?(?:open|not done|undone|incomplete|unfinished|not finished)",
        "N (?:is|was)(?: not|n't) (?:done|finished)(?: yet)?", "N is open again",
    )),
    ("repeat", (
        "(?:set|make|let|change) N (?:to )?(?:repeat|recur)(?:ing)? "
        "(?P<words>(?:every|each|daily|weekly|monthly|on)\\b.*?)",
        "repeat N (?P<words>(?:every|each|daily|weekly|monthly|yearly)\\b.*?)",
    )),
    ("importance", (
        f"(?!what|which)N (?:is|are) (?:now )?{_LEVEL}",
        f"(?:mark|set|make|flag) N (?:as |to |a )?{_LEVEL}",
        "(?:set|change)(?: the)? (?:importance|priority) (?:of|for) N to (?P<words>high|medium|normal|low)",
    )),
    ("complete", (
        "(?:mark|set|tick|check|cross) N (?:as |off |off as )?(?:done|completed?|finished|off)",
        "(?:complete|finish|close|done with|done:?|finished|completed|tick off|check off|cross off|tick|check) N",
        "(?:i (?:have |just |have just )?|i've (?:just )?)(?:done|did|finished|completed) N",
        "(?!show |list |what|which|tell |give )N (?:is|are|was) (?:done|finished|completed?)(?: now)?",
    )),
    ("delete", (
        "(?:clear|empty|wipe)(?: out)? (?P<name>(?:all |the |my |everything |whole )*(?:completed|done|finished|list|"
        "everything|all)(?: (?:todos|tasks|items))?)",
        "(?:delete|remove|erase|trash|get rid of) N",)),
    ("top", ("move N (?:to (?:the )?)?(?:very )?(?:top|first(?: place)?|start|beginning)(?: of (?:the|my) list)?",)),
    ("bottom", ("move N (?:to (?:the )?)?(?:very )?(?:bottom|end|last(?: place)?)(?: of (?:the|my) list)?",)),
    ("after", ("move N (?:after|behind|below|under) W",)),
    ("project", (
        "(?:move|put|assign|add) N (?:to|in|into|under)(?: the)? project W",
        "(?:move|put|assign|add) N (?:to|in|into|under)(?: the)? (?P<words>[^#]+?) project",
    )),
    ("rename", ("rename N (?:to|as|into) W", "(?:change|set)(?: the)? (?:name|title|text) of N to W")),
    ("reschedule", (
        "(?:change|set|move)(?: the)?(?: due| start)? (?:date|time|deadline|day) (?:of|for) N (?:to|on|at) W",
        # The last "to" is the one before the date: "Move talk to Ann to Friday".
        f"{_PUT_OFF} (?P<name>.+) (?P<words>(?:to|until|till|onto) .+?)", f"{_PUT_OFF} N {_DATE}",
        "N (?:is|was|has been|got)(?: now)?(?: moved)? (?P<words>(?:to|at|on) .+?) (?:instead|now)",
        "(?!what|which|when|anything)N (?:is|are) (?P<words>due .+?)",
        "make N (?P<words>due .+?)", "set N (?P<words>(?:due|to|for) .+?)", "(?:postpone|re-?schedule|delay|defer) N",
    )),
    ("change", ("change N (?:to|into) W",)),
    ("create", (
        "(?:add|create|make|new|put)(?: an?| another| the)?(?: new)? (?:todo|task|item|reminder)s?"
        "(?: (?:to|for|called|named|that says))?:? W",
        "(?:remind me|remember|don't forget|do not forget|i (?:need|have|want|ought|got)|i've got) "
        "(?:to |about |that )?W",
        "i (?:must|should|will|gotta) W",
        r"(?:add|create|todo:|note:?|put|new:?)\s+W(?: (?:to|on|onto) (?:my|the) (?:todo )?list)?",
    )),
    ("list", (r"(?:do i have|have i got|am i|is there) (?P<words>(?:anything|something|free|busy)\b.*?)",)),
    ("search", (
        "when(?:'s| is| are| do i have| do i need)(?: to)? W",
        "(?:find|search(?: for)?|look (?:for|up)|where is|where's) W",
        "(?:do i have|is there|are there|have i got)(?: an?| any)?(?: todos?| tasks?)?"
        "(?: (?:about|with|for|called|named|on my list for))? W",
    )),
    ("list", (
        "(?:list|show|view|display|see|give me|tell me|read)(?: me)?(?P<words>(?: .*)?)",
        r"(?:what(?:'?s| is| are| do| must| should| have)?|which|how many|anything)\b(?P<words>.*?\b(?:todos?|tasks?|"
        r"to do|list|due|overdue|today|tomorrow|week|weekend|done|open|late|left|month|planned|scheduled|next|on|"
        r"yesterday|did i|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b.*)",
        r"(?P<words>(?:my |the |all |open )*(?:todos?|tasks?|list|agenda)|today|overdue|this week|tomorrow|done|"
        r"#[\w-]+)",
    )),
)  # fmt: skip


def _compiled(saying: str) -> re.Pattern[str]:
    """A saying as what a whole sentence must be."""
    pattern = re.sub(r"\bN\b", "(?P<name>.+?)", saying)
    pattern = re.sub(r"\bW\b", "(?P<words>.+?)", pattern)
    return re.compile(rf"(?:{pattern})[\s.!?]*", _I)


_RULES: Final = tuple((kind, _compiled(saying)) for kind, sayings in _SAYINGS for saying in sayings)


def read(sentence: str) -> Wish:
    """What one sentence wants."""
    text = sentence.strip()
    if len(text) > MAX_CHARS:
        return Wish("unknown", words=text)
    asks = bool(_ASKING.match(text))
    if _THANKS.match(text) and not _POLITE.sub("", text).strip(" .!"):
        return Wish("thanks")
    text = _AFTERWARDS.sub("", _POLITE.sub("", text)).strip()
    if not text or _THANKS.match(text):
        return Wish("thanks")
    if _NOT_MINE.match(text):
        return Wish("unknown", words=text)
    for kind, pattern in _RULES:
        found = pattern.fullmatch(text)
        if found:
            named = found.groupdict()
            words = (named.get("words") or "").strip()
            # The dot of "24.12." belongs to it.
            dot = "." if kind == "create" and text.endswith(f"{words}.") and words[-1:].isdigit() else ""
            return Wish(kind, (named.get("name") or "").strip(), words + dot)
    if asks or _QUESTION.search(text):
        return Wish("unknown", words=text)
    return Wish("create", words=text)


def sentences(text: str) -> list[str]:
    """A message as the sentences that each want one thing. A new todo may hold any words, so it is not cut."""
    found: list[str] = []
    for part in re.split(r"[;\n]+|(?<=[.!?])\s+(?=[A-Z])", text):
        left = part.strip()
        while left and read(left).kind not in ("create", "unknown", "subtasks", "rename"):
            first, _, rest = parted(left)
            if not rest or read(first).kind in ("create", "unknown"):
                break
            found.append(first)
            left = rest
        if left:
            found.append(left)
    return found


_AND: Final = re.compile(
    r"(?:,? and(?: then)?|, then|,) (?=(?:please )?(?:add|create|complete|finish|mark|delete|remove|reopen|move|"
    r"reschedule|postpone|rename|tag|list|show|undo|set|tick|check)\b)",
    _I,
)


def greets(sentence: str) -> bool:
    """Whether it is a greeting, and no thanks."""
    return bool(re.match(r"(?:hello|hi|hey|good (?:morning|evening|day))\b", sentence.strip(), _I))


def parted(text: str) -> tuple[str, str, str]:
    """A sentence in front of another one that begins with what is to be done, what joins them, and that one."""
    found = _AND.search(text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")
