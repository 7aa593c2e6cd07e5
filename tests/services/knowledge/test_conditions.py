"""What a search asks for by its signs, of a passage that was found by its meaning."""

import pytest

from services.knowledge.conditions import admits
from services.knowledge.query import parse

TEXT = "notes.md Plans > Backups\nThe nightly dumps are made with pg_dump, and copied to the second machine."


@pytest.mark.parametrize(
    "typed",
    [
        "anything",
        "+dump",
        "+backup",
        '"nightly dumps"',
        '"Copied to the second"',
        "+pg_dump",
        "-vacuum",
        '-"dumps nightly"',
    ],
)
def test_what_keeps_to_the_signs_is_admitted(typed: str) -> None:
    assert admits(parse(typed), TEXT)


@pytest.mark.parametrize(
    "typed", ["+vacuum", "-nightly", '"dumps nightly"', "+dump +vacuum", '-"second machine"', '"umps are"', "-backup"]
)
def test_what_does_not_is_not(typed: str) -> None:
    assert not admits(parse(typed), TEXT)
