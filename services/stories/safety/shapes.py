"""What is known by its shape: addresses, numbers, code, markup and what was encoded. Pure; each pattern is bounded."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

_TOP: Final = "com|net|org|info|biz|io|co|uk|us|de|fr|app|dev|xyz|tv|gg|me|ai|edu|gov|club|shop|online|site|link|ru|cn"
_STREETS: Final = "street|st|road|rd|avenue|ave|lane|drive|close|way|court|crescent|boulevard|blvd|place|terrace"
_ALWAYS: Final = (
    (
        "links: address of a page",
        re.compile(r"\b(?:https?|ftp|file|data|javascript)\s{0,2}:\s{0,2}/{0,2}\S|\bwww\s{0,2}\."),
    ),
    (
        "links: name of a site",
        re.compile(rf"\b[a-z0-9-]{{1,40}}\s?(?:\.|\(dot\)|\[dot\]|\sdot\s)\s?(?:{_TOP})\b(?![a-z])"),
    ),
    (
        "links: e-mail address",
        re.compile(r"\b[\w.+-]{1,40}\s?(?:@|\(at\)|\[at\])\s?[\w-]{1,40}\s?(?:\.|\(dot\)|\sdot\s)\s?[a-z]{2}"),
    ),
    ("links: name of an account", re.compile(r"(?<![\w@])@[a-z_][\w.]{2,30}\b")),
    ("personal: telephone number", re.compile(r"(?<![\d.,])\+?\(?\d(?:[ ()/.-]{0,2}\d){6,14}(?!\d)")),
    ("injection: markup", re.compile(r"<\s{0,3}[/!?|]?\s{0,3}[a-z][^<>]{0,200}>|<\||\|>|\[/?inst\]|<<|\[\[|\]\]")),
    (
        "injection: code",
        re.compile(
            r"```|\$\{|\{\{|\}\}|\{%|\);|=>|==|&&|\|\||;\s{0,2}--|"
            r"\bdef \w{1,30}\(|\w\(\)|\b(?:print|alert|eval|exec|log|import|require|select|system) ?\(|"
            r"#{3}|-{3,}\s?\w|\"\s?:\s?[\"\[{]"
        ),
    ),
    (
        "injection: roles",
        re.compile(
            r"(?:^|[\n.!?\"])\s{0,4}[#*\[(]{0,3}(?:system|assistant|user|human|developer|ai|chatgpt|gpt|bot|model|instructions?|prompt|admin)\s{0,2}[\])*]{0,3}\s{0,2}:"
        ),
    ),
    (
        "injection: encoded",
        re.compile(
            r"\b(?:[01]{8}\s{0,3}){2}|\b(?:[0-9a-f]{2}\s){6}|\b(?:0x[0-9a-f]{2}\W{0,3}){3}|(?:[.\-\u2022]{1,5}[ /]){5}"
        ),
    ),
    ("profanity: hidden word", re.compile(r"\b[a-z]{1,3}[*#]{2,}")),
    # Longer than an alphabet, and than any word.
    ("injection: spelled out", re.compile(r"(?<![^\W_])(?:[^\W_][\W_]{1,3}){40}")),
    ("injection: endless word", re.compile(r"[^\W_]{80}")),
)
_ONLY_INPUT: Final = (
    ("personal: address of a house", re.compile(rf"\b\d{{1,5}}[a-z]?,?\s+(?:[a-z]+\s+){{1,3}}(?:{_STREETS})\b")),
)
_BLOB: Final = re.compile(r"[A-Za-z0-9+/_=-]{16,}")
# What looks like these may be somebody who counts.
_COUNTS: Final = frozenset(("personal: telephone number", "injection: encoded"))
_COUNTED: Final = re.compile(r"\d+")


def found(folded: str, *, since: int, is_input: bool) -> Iterator[str]:
    """The names of what is found in a folded text, its category before the colon, if it ends after `since`."""
    for name, pattern in (*_ALWAYS, *_ONLY_INPUT) if is_input else _ALWAYS:
        for match in pattern.finditer(folded):
            if match.end() > since and not (name in _COUNTS and _is_counting(match[0])):
                yield name
                break


def is_encoded(text: str) -> bool:
    """Whether a text, as it came, holds a run of letters and digits that nobody could read."""
    return any(_is_blob(match[0]) for match in _BLOB.finditer(text))


def _is_blob(run: str) -> bool:
    changes = sum(
        first.isalpha() and second.isalpha() and first.islower() and second.isupper() for first, second in pairwise(run)
    )
    digits = sum(map(str.isdigit, run))
    return (changes >= 2 and digits > 0) or changes >= 4 or (digits >= 4 and run.isalnum() and not run.isdigit())


def _is_counting(text: str) -> bool:
    """Whether numbers go up or down by the same step, as one counts."""
    numbers = [int(each) for each in _COUNTED.findall(text)]
    steps = {second - first for first, second in pairwise(numbers)}
    return len(numbers) > 3 and len(steps) == 1 and 0 not in steps
