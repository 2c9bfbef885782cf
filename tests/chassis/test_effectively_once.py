"""Each message has its effect once: redelivered, repeated or in conflict."""

from dataclasses import replace
from uuid import uuid4

import pytest

from chassis.errors import LostClaim
from contracts.envelope import effect_id
from contracts.notifications import MailAccepted
from tests.chassis import tally
from tests.chassis.conftest import Desk, make_processor


async def test_a_message_is_noted_and_told(desk: Desk) -> None:
    message = tally.command(desk.id, "one", correlationid="c-1")
    await desk.processor.consume([desk.topics.of(message)])
    assert await desk.notes() == ["one"]
    (told,) = await desk.told()
    assert told["id"] == str(effect_id(message.cause_id, "billing", 0))
    assert told["subject"] == str(desk.id)
    assert (told["correlationid"], told["causationid"]) == ("c-1", message.id)
    assert told["sequence"] == 1


async def test_without_a_correlation_the_cause_begins_one(desk: Desk) -> None:
    message = tally.command(desk.id, "one")
    await desk.processor.consume([desk.topics.of(message)])
    assert (await desk.told())[0]["correlationid"] == message.id


async def test_sequences_are_gapless_per_key_over_batches(desk: Desk) -> None:
    other = uuid4()
    for _ in range(2):
        batch = [tally.command(id, "x") for id in (desk.id, other, desk.id)]
        await desk.processor.consume([desk.topics.of(message) for message in batch])
    numbers = [told["sequence"] for told in await desk.told() if told["subject"] == str(desk.id)]
    assert numbers == [1, 2, 3, 4]


async def test_a_redelivered_batch_has_no_effect(desk: Desk) -> None:
    batch = [desk.topics.of(tally.command(desk.id, note)) for note in ("one", "two")]
    await desk.processor.consume(batch)
    await desk.processor.consume(batch)
    assert await desk.notes() == ["one", "two"]
    assert len(await desk.told()) == 2
    assert await desk.dead_letters() == []


@pytest.mark.parametrize("together", [True, False])
async def test_the_same_content_under_the_same_id_is_ignored(desk: Desk, together: bool) -> None:
    message = tally.command(desk.id, "one")
    first, again = desk.topics.of(message), desk.topics.of(message)
    for batch in [[first, again]] if together else [[first], [again]]:
        await desk.processor.consume(batch)
    assert await desk.notes() == ["one"]
    assert await desk.dead_letters() == []


@pytest.mark.parametrize("together", [True, False])
async def test_other_content_under_the_same_id_is_a_dead_letter(desk: Desk, together: bool) -> None:
    message = tally.command(desk.id, "one")
    first = desk.topics.of(message)
    other = desk.topics.of(tally.command(desk.id, "another", id=message.id))
    third = desk.topics.of(tally.command(desk.id, "three"))
    for batch in [[first, other]] if together else [[first], [other]]:
        await desk.processor.consume(batch)
    await desk.processor.consume([other, third])
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["conflicting_duplicate"]
    assert await desk.notes() == ["one", "three"]
    assert not await desk.waiting()


async def test_a_conflict_is_found_even_when_the_message_has_another_fault(desk: Desk) -> None:
    message = tally.command(desk.id, "one")
    other = tally.command(desk.id, "another", id=message.id)
    wrong = replace(desk.topics.of(other), key=b"elsewhere")
    await desk.processor.consume([desk.topics.of(message)])
    await desk.processor.consume([wrong])
    await desk.processor.consume([wrong])
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["conflicting_duplicate"]


async def test_the_same_id_of_another_source_is_another_message(desk: Desk) -> None:
    message = tally.command(desk.id, "one")
    other = tally.command(desk.id, "two", id=message.id, source="/pages")
    await desk.processor.consume([desk.topics.of(message), desk.topics.of(other)])
    assert await desk.notes() == ["one", "two"]


async def test_what_was_said_before_is_not_said_again(desk: Desk) -> None:
    message = tally.command(desk.id, "one")
    other = tally.command(desk.id, "two", id=message.id, source="/tenure/pages")
    third = tally.command(desk.id, "three")
    await desk.processor.consume([desk.topics.of(one) for one in (message, other, third)])
    assert await desk.notes() == ["one", "three"]
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["repeated_effect"]


async def test_work_from_inside_the_service_needs_no_claim(desk: Desk) -> None:
    message = tally.command(desk.id, "one")
    await desk.processor.run([(desk.id, message)])
    assert await desk.notes() == ["one"]
    assert await desk.statuses() == []


async def test_a_lost_claim_writes_nothing(desk: Desk) -> None:
    async def lost(connection: object) -> None:
        raise LostClaim

    await desk.processor.run([(desk.id, tally.command(desk.id, "one"))], lost)
    assert await desk.notes() == []


async def test_a_mistake_in_a_decision_is_no_dead_letter(desk: Desk) -> None:
    batch = [desk.topics.of(tally.command(desk.id, note)) for note in ("one", tally.MISTAKE)]
    with pytest.raises(ZeroDivisionError):
        await desk.processor.consume(batch)
    assert await desk.notes() == []
    assert await desk.statuses() == []


async def test_too_large_a_message_of_our_own_is_a_mistake(desk: Desk) -> None:
    def shouting(state: tally.Tally, message: object, now: object) -> object:
        state, said = tally.decide(state, message, now)  # type: ignore[arg-type]
        return state, tuple(replace(one, data=_Large()) for one in said)

    from contracts.billing import CancellationWithdrawn

    class _Large(CancellationWithdrawn):
        def __init__(self) -> None:
            super().__init__(
                fact_id=desk.id,
                effective_at=tally.START,
                cancellation_id=desk.id,
                corrects=(desk.id,) * 2000,
            )

    processor = make_processor(desk.pool, decide=shouting)
    with pytest.raises(ValueError, match="allowed"):
        await processor.consume([desk.topics.of(tally.command(desk.id, "one"))])


async def test_what_a_service_of_ours_tells_again_at_another_instant_is_a_repetition(
    desk: Desk,
) -> None:
    """After a restore the same is decided again, under the same id: not a conflict."""
    told = tally.outcome(desk.id, "one", 1)
    later = tally.outcome(desk.id, "one", 1, id=told.id, recordedat=tally.START)
    assert later.to_json() != told.to_json()
    await desk.processor.consume([desk.topics.of(told)])
    await desk.processor.consume([desk.topics.of(later)])
    assert await desk.dead_letters() == []
    data = MailAccepted(**told.data.model_dump())
    other = tally.envelope(desk.id, data, id=told.id, source=told.source, sequence=2)
    await desk.processor.consume([desk.topics.of(other)])
    assert [letter["dlq-code"] for letter in await desk.dead_letters()] == ["conflicting_duplicate"]
