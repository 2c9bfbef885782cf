"""`tenure topics`: the topic table, and that Kafka has it so."""

from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from contracts.topics import TOPICS
from ops.connection import Stack, find_stack
from ops.errors import Unavailable, WrongSetting
from ops.terminal import console, emit, run

app = App(name="topics", help="The topic table: list, create and verify.")


@app.command
def apply() -> None:
    """Create the topics that are missing and verify all against the table."""
    made = run(_apply(find_stack()))
    console().print("\n".join(f"created {name}" for name in made) or "All topics are there.")


async def _apply(stack: Stack) -> list[str]:
    from aiokafka.errors import KafkaError

    from chassis.errors import ConfigurationError
    from chassis.kafka import apply_topics, verify_topics

    settings = stack.kafka
    try:
        made = await apply_topics(settings)
        await verify_topics(settings, TOPICS)
    except ConfigurationError as error:
        raise WrongSetting(str(error)) from None
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer ({error}): is the stack up?") from error
    return made


@app.command(name="list")
def list_(*, json: Annotated[bool, Parameter(help="One JSON object per line.")] = False) -> None:
    """List the topics: who writes, who reads, what they carry, how long it is kept."""
    out = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("topic", "key", "written by", "read by", "kept", "carries"):
        out.add_column(title, no_wrap=title == "topic")
    for topic in TOPICS:
        kept = "compacted" if topic.kept_days is None else f"{topic.kept_days} d"
        readers = ", ".join(topic.readers)
        out.add_row(topic.name, topic.key, topic.writer, readers, kept, topic.carries)
        if json:
            types = [message.TYPE for message in topic.messages]
            emit(
                {
                    "topic": topic.name,
                    "key": topic.key,
                    "writer": topic.writer,
                    "readers": topic.readers,
                    "kept_days": topic.kept_days,
                    "types": types,
                }
            )
    if not json:
        console().print(out)
