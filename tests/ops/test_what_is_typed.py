"""Arguments, suggestions and exit codes of the command, as a process of its own."""

import json
import sys
from pathlib import Path

import pytest

from ops.__main__ import main
from tests.ops.running import Tenure

pytestmark = pytest.mark.timeout(60)


def test_help_lists_every_command(no_stack: Tenure) -> None:
    done = no_stack("--help")
    assert done.returncode == 0
    for name in (
        "up",
        "demo",
        "status",
        "top",
        "tail",
        "timeline",
        "publish",
        "refunds",
        "dlq",
        "clock",
    ):
        assert f" {name} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("statsu",), 2, 'Did you mean "status"?'),
        (("status", "--jsno"), 2, "--json"),
        (("tail", "payment.events"), 3, "Did you mean payments.events"),
        (("tail", "--where", "type=payment-suceeded"), 3, "Did you mean payment-succeeded"),
        (("tail", "--where", "data.order_idd=O-1"), 3, "Did you mean data.order_id"),
        (("tail", "--where", "R-1001"), 2, "FIELD=VALUE"),
        (("tail", "--where", "data.customer.email=a*"), 2, "--unmasked"),
        (("tail", "--since", "yesterday"), 2, "2025-01-31"),
        (("tail", "--until", "tomorrow"), 2, "2025-01-31"),
        (("tail", "--since", "5m", "--until", "15m"), 2, "--since 5m is not before --until 15m"),
        (("tail", "--until", "5m", "--follow"), 2, "nothing is followed"),
        (("timeline", "R-1001", "--at", "soon"), 2, "2025-01-31"),
        (("top", "--interval", "0"), 2, "from 0.2 to 3600"),
        (("top",), 69, "No stack is running: start one with `make up`."),
        (("refunds", "list", "--status", "aproved"), 3, "Did you mean approved"),
        (("dlq", "list", "--service", "biling"), 3, "Did you mean billing"),
        (("publish", "missing.json"), 3, "There is no file missing.json"),
        (("status",), 69, "No stack is running: start one with `make up`."),
        (("clock", "advance"), 2, "Say how far"),
        (("clock", "jump", "tomorrow"), 2, "2025-01-31"),
    ],
)
def test_mistakes_get_a_sentence_and_a_code(
    arguments: tuple[str, ...],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TENURE_STATE_DIR", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    written = capsys.readouterr()
    assert (ended.value.code, written.out) == (code, "")
    assert words in " ".join(written.err.replace("│", " ").split())


def test_a_mistake_ends_the_process_without_a_traceback(no_stack: Tenure) -> None:
    done = no_stack("status")
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr == "tenure: No stack is running: start one with `make up`.\n"


def test_a_stack_that_does_not_answer_is_unavailable(no_stack: Tenure) -> None:
    address = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    }
    done = no_stack("status", **address)
    assert (done.returncode, "Traceback" in done.stderr) == (69, False)
    done = no_stack("tail", "--no-follow", **address)
    assert (done.returncode, "Traceback" in done.stderr) == (69, False)
    done = no_stack("topics", "apply", **address)
    assert (done.returncode, "Traceback" in done.stderr) == (69, False)


def test_the_topic_table_needs_no_stack(no_stack: Tenure) -> None:
    done = no_stack("topics", "list", "--json")
    topics = {entry["topic"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    assert topics["billing.events"]["writer"] == "billing"
    assert "payments.order-placed.v1" in topics["payments.events"]["types"]


def test_doctor_says_the_remedy(no_stack: Tenure) -> None:
    assert no_stack("doctor").returncode == 0
    done = no_stack("doctor", TENURE_KAFKA_PORT="notaport", JAVA_HOME="/nowhere")
    assert done.returncode == 4
    assert "TENURE_KAFKA_PORT is 'notaport'" in done.stdout
    assert "correct JAVA_HOME, or unset it" in done.stdout


def test_an_installation_without_the_local_stack_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith(("devstack", "ops.up"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(SystemExit) as ended:
        main(["up"])
    assert ended.value.code == 69
    assert "pip install 'tenure[devstack]'" in capsys.readouterr().err
