"""The alert rules: of metrics that exist, complete, and told by docs/operations.md as they are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.exported import metrics
from tests.support.promql import asked, labels, parsed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
GROUPS = yaml.safe_load((ROOT / "ops" / "alert_rules" / "tenure.yaml").read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
_LABEL = re.compile(r"\$labels\.(\w+)")


def row(rule: dict[str, Any]) -> str:
    """A rule as the page shows it."""
    said = rule["annotations"]["description"]
    wait = "at once" if rule["for"] == "0m" else rule["for"]
    return (
        f"| `{rule['alert']}` | {rule['labels']['severity']} | `{rule['expr']}` | {wait} | {said} |"
    )


def test_the_page_shows_every_rule_as_it_is() -> None:
    section = PAGE.split("### Alert rules")[1].split("\n## ")[0]
    assert re.findall(r"^\| `Tenure.*$", section, re.M) == [row(rule) for rule in RULES]


@EACH
def test_a_rule_says_how_bad_what_happened_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["for"] in ("0m", "1m", "5m", "10m", "15m")
    # The description stands in the page, where no alert fills anything in.
    assert "{{" not in rule["annotations"]["description"]
    assert rule["annotations"]["description"].endswith(".")


@EACH
def test_a_rule_asks_for_what_exists_and_names_labels_that_it_has(rule: dict[str, Any]) -> None:
    expression = parsed(rule["expr"])
    assert asked(expression)
    assert set(_LABEL.findall(rule["annotations"]["summary"])) <= labels(expression)


@EACH
def test_a_rule_points_to_a_section_of_the_page(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert file == "docs/operations.md"
    headings = re.findall(r"^#+ (.+)$", PAGE, re.M)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


@EACH
def test_the_first_event_of_a_counter_with_labels_is_seen(rule: dict[str, Any]) -> None:
    """Such a series begins at 1, and `increase` of what has just begun is 0."""
    for name in re.findall(r"increase\((\w+)", rule["expr"]):
        if metrics()[name].labels:
            window = re.search(rf"increase\({name}\[(\w+)\]", rule["expr"])
            assert window
            assert f"({name} unless {name} offset {window[1]}) > 0" in rule["expr"]


def test_names_are_ours_and_told_once() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(name.startswith("Tenure") for name in names)
    assert all(group["name"].startswith("tenure-") for group in GROUPS)
