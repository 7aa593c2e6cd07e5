import pytest

from services.assistants import prompting
from services.assistants.prompting import BadPrompt, render


def test_every_prompt_file_is_a_valid_template() -> None:
    files = sorted(prompting.PROMPTS.glob("*/*.md"))

    assert files, "needs prompts"
    for path in files:
        with pytest.raises(BadPrompt, match="not used"):
            render(path.parent.name, path.stem, nobody_uses_this="")


def test_a_missing_value_fails() -> None:
    with pytest.raises(BadPrompt, match=r"missing \['boundary', 'level'\]"):
        render("tutor", "system")


def test_values_are_no_templates_themselves() -> None:
    text = render("tutor", "system", level="$boundary $$ ${x}", boundary="b1")

    assert "$boundary $$ ${x}" in text


@pytest.mark.parametrize(("assistant", "name"), [("tutor", "nothing"), ("..", "tutor"), ("tutor", "../tutor/system")])
def test_a_prompt_that_does_not_exist_fails(assistant: str, name: str) -> None:
    with pytest.raises(BadPrompt):
        render(assistant, name)
