"""The page of rules: what is named counts, what is missing is said."""

from pathlib import Path

import pytest

from ops import rules_page
from ops.rules_page import Rule, gaps, named, page, places, scenarios


def test_a_text_names_single_rules_and_spans() -> None:
    assert named("S-14b, Q7 and T12; not XS-1") == {"S-14b", "Q7", "T12"}
    assert named("S-37 to S-39") == {"S-37", "S-38", "S-39"}
    assert named("Q7 to Q9") == {"Q7", "Q8", "Q9"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tree with one deciding function and one scenario."""
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "endings.py").write_text(
        '"""Ends."""\n\n\ndef after_end():\n    """What follows (S-14)."""\n'
        "\n\nclass Pack:\n    #: How long (S-12).\n    grace = 0\n"
    )
    (tmp_path / "tests" / "scenarios").mkdir(parents=True)
    (tmp_path / "tests" / "scenarios" / "grace.yaml").write_text("rules: [S-12, S-99]\n")
    return tmp_path


def test_places_are_found_in_docstrings_and_comments_of_fields(clone: Path) -> None:
    assert places(clone) == {
        "S-14": ["ledger/endings.py:after_end"],
        "S-12": ["ledger/endings.py:Pack"],
    }


def test_what_is_missing_is_said(clone: Path) -> None:
    told = [
        Rule("S-12", "Grace.", None),
        Rule("S-13", "Same.", None),
        Rule("S-15", "Codes.", "devices"),
        Rule("T9", "Ends.", None),
        Rule("Q24", "Devices.", "devices"),
    ]
    found = gaps(told, places(clone), scenarios(clone))
    assert [line.split(":")[0] for line in found] == ["S-13", "S-13", "T9", "S-14", "S-99"]
    text = page(told, places(clone), scenarios(clone))
    assert (
        "| S-12 | Grace. | `ledger/endings.py:Pack` | [grace](../tests/scenarios/grace.yaml) |"
        in text
    )
    assert "| S-15 | Codes. | comes with devices | |" in text
    rules, others = text.split("## Transitions and settled questions")
    assert "2 of 3 rules are built" in rules
    assert "| T9 | Ends. |" in others
    assert "| Q24 | Devices. | comes with devices | |" in others


def test_the_committed_page_is_made_from_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert rules_page.main(["check"]) == 0, capsys.readouterr().err
