"""The list of requirements: which tests show what is read from their marks."""

import textwrap
from pathlib import Path

import pytest

from scripts import requirements


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one test module and two requirements."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "scripts" / "requirements.toml").write_text(
        '[tutor]\ntitle = "Tutor"\nT1 = "First"\nT2 = "Second"\n[exempt]\nT2 = "a heading"\n'
    )
    monkeypatch.setattr(requirements, "ROOT", tmp_path)
    monkeypatch.setattr(requirements, "PAGE", tmp_path / "docs" / "requirements.md")
    return tmp_path


def write(tree: Path, text: str) -> None:
    (tree / "tests" / "test_it.py").write_text(textwrap.dedent(text))


def test_marks_on_functions_classes_modules_and_parameters_are_found(tree: Path) -> None:
    write(
        tree,
        """
        import pytest
        pytestmark = [pytest.mark.req("T9")]
        @pytest.mark.req("T1", "T2")
        def test_a(): ...
        @pytest.mark.req("T3")
        class TestB:
            @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.req("R5"))])
            def test_c(self, x): ...
        def helper(): ...
        """,
    )

    shown = requirements.found_tests(tree / "tests")

    one, two = "tests/test_it.py::test_a", "tests/test_it.py::TestB::test_c"
    assert dict(shown) == {"T9": [one, two], "T1": [one], "T2": [one], "T3": [two], "R5": [two]}


def test_a_requirement_with_neither_a_test_nor_a_reason_fails(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tree, "def test_a(): ...")

    assert requirements.main([]) == 1

    assert "T1 has no test, and no reason" in capsys.readouterr().err


def test_an_excuse_for_what_has_a_test_fails(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tree, 'import pytest\n@pytest.mark.req("T1", "T2")\ndef test_a(): ...')

    assert requirements.main([]) == 1

    assert "T2 has a test, and a reason" in capsys.readouterr().err


def test_a_page_that_is_out_of_date_fails_the_check_until_it_is_made_again(tree: Path) -> None:
    write(tree, 'import pytest\n@pytest.mark.req("T1")\ndef test_a(): ...')

    assert requirements.main(["--check"]) == 1
    assert requirements.main([]) == 0
    assert requirements.main(["--check"]) == 0

    assert "| T1 | First | `tests/test_it.py::test_a` |" in requirements.PAGE.read_text()
    assert "| T2 | Second | no test: a heading |" in requirements.PAGE.read_text()
