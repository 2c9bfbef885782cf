"""What a dead letter's code means, why this message got it, and what usually helps."""

from collections.abc import Iterator
from dataclasses import dataclass

from ops.dead_letters import DeadLetter
from ops.dlq.content import parsed, shape, text_field
from ops.dlq.validating import field_of


@dataclass(frozen=True)
class Code:
    """One code in words; `remedies` are the commands that usually end it, the likeliest first."""

    means: str
    helps: str
    remedies: tuple[str, ...]


_EDIT, _REDRIVE, _DISCARD = "edit", "redrive", "discard"

CODES = {
    "not_json": Code(
        "The bytes are no JSON in UTF-8, or JSON that two readers may take for different things.",
        "The sender must write plain JSON, each field once. If the content can still be seen, edit "
        "it into the message that was meant; if not, ask the sender to publish it again, then discard.",
        (_EDIT, _DISCARD),
    ),
    "not_an_envelope": Code(
        "It is JSON, but no CloudEvents envelope: at least the field 'type' is missing.",
        "Something else was published on our topic, or the envelope was left off. Put the data into "
        "an envelope, or discard what does not belong here.",
        (_EDIT, _DISCARD),
    ),
    "unknown_type": Code(
        "No message type of that name and version is known to this service.",
        "A misspelt type is edited. A newer one is redriven after the service was upgraded.",
        (_REDRIVE, _EDIT),
    ),
    "invalid_field": Code(
        "A field is missing, or holds what its schema does not allow.",
        "Mend the sender, so that no more come; edit these, or let it publish them again corrected "
        "under the same id, which settles the dead letter as well.",
        (_EDIT, _DISCARD),
    ),
    "no_value": Code(
        "The record has no value: a deletion mark, which means something on compacted topics only.",
        "Nothing was said, so nothing is lost: discard it.",
        (_DISCARD,),
    ),
    "no_key": Code(
        "The record has no key, so its order among the others of its subscription is not known.",
        "Redrive it as it is: it goes back under its subject. Mend the sender.",
        (_REDRIVE,),
    ),
    "key_mismatch": Code(
        "The record's key is another than the subject in the message.",
        "If the subject is right, redrive it as it is: it goes back under its subject. If the key "
        "was right, edit the subject. Mend the sender.",
        (_REDRIVE, _EDIT),
    ),
    "too_large": Code(
        "The message has more than 64 KiB.",
        "Edit out what does not belong in it, or have the sender publish a smaller one and discard.",
        (_EDIT, _DISCARD),
    ),
    "wrong_topic": Code(
        "The message belongs on another topic than the one it was published on.",
        "Publish it on its own topic (the error names it), then discard this one.",
        (_DISCARD,),
    ),
    "time_in_future": Code(
        "The message says that it happened more than 15 minutes after our clock: usually a wrong "
        "time zone or a clock that runs ahead.",
        "Once that time has come, redrive it as it is. If the time is wrong, edit it.",
        (_REDRIVE, _EDIT),
    ),
    "far_future": Code(
        "The message says that it happened more than a day after our clock.",
        "Once that time has come, redrive it as it is. If the time is wrong, edit it.",
        (_REDRIVE, _EDIT),
    ),
    "conflicting_duplicate": Code(
        "A message with the same source and id, but other content, was processed before.",
        "If it is the same fact told twice, discard it. If it is another fact, give it an id of its "
        "own with edit. Mend the sender: an id names one content for ever.",
        (_DISCARD, _EDIT),
    ),
    "repeated_effect": Code(
        "What follows from this message was said before, under another message's name.",
        "Its effect is there already: compare the timeline, then discard it.",
        (_DISCARD,),
    ),
    "database_refused": Code(
        "PostgreSQL did not take what the message became; the log of the service names it.",
        "Find out why in that log. After a mended service or database, redrive it as it is.",
        (_REDRIVE, _DISCARD),
    ),
    "invalid_subject": Code(
        "The subject is no id of a subscription, or of the customer that the message is about.",
        "Edit the subject into the id that was meant (`tenure timeline` shows ids), or discard it.",
        (_EDIT, _DISCARD),
    ),
    "unknown_provider": Code(
        "No policy pack of that provider is loaded in billing.",
        "A misspelt provider is edited. A new one gets its pack in policies/ (docs/policies.md); "
        "restart billing with it, then redrive.",
        (_REDRIVE, _EDIT),
    ),
    "unknown_time_zone": Code(
        "The order names a time zone that does not exist.",
        "Edit it into a name such as Europe/Berlin, or remove the field.",
        (_EDIT,),
    ),
    "period_out_of_range": Code(
        "The paid period would end so late that no calendar can hold it.",
        "The term or the bounds are wrong: edit them.",
        (_EDIT, _DISCARD),
    ),
    "subscription_unknown": Code(
        "An event about a subscription came although billing never told that it was created.",
        "Events were lost or written by hand. `tenure audit` shows what is missing; when the "
        "creation has arrived, redrive. What belongs to no subscription is discarded.",
        (_REDRIVE, _DISCARD),
    ),
}


def explained(letter: DeadLetter) -> Iterator[str]:
    """One dead letter in words, paragraph by paragraph; no content of the message is shown."""
    origin = letter.origin
    code = CODES.get(letter.code)
    yield (
        f"{letter.code}: {code.means}"
        if code
        else f"{letter.code}: this code is unknown here; the service is newer than this command."
    )
    type_ = text_field(parsed(letter.value), "type")
    yield (
        f"Why: {origin.service} could not process the message at {origin.topic}, partition "
        f"{origin.partition}, offset {origin.offset}{f' ({type_})' if type_ else ''}: {letter.error}"
    )
    if field := field_of(letter.error):
        yield f"In this message '{field}' is {shape(parsed(letter.value), field)}."
    if letter.attempts > 1:
        yield f"It was refused {letter.attempts} times; `tenure dlq show {origin}` lists them."
    yield _behind(letter)
    if code:
        yield f"What usually helps: {code.helps}"
    yield "\n".join(commands(letter))


def _behind(letter: DeadLetter) -> str:
    if letter.behind == 1:
        return "1 later message of its key waits behind it and follows when it is settled."
    if letter.behind:
        return f"{letter.behind} later messages of its key wait behind it and follow in order."
    return "Nothing waits behind it."


def commands(letter: DeadLetter) -> Iterator[str]:
    """The commands to run, the likeliest remedy first."""
    code = CODES.get(letter.code)
    for remedy in code.remedies if code else (_REDRIVE, _DISCARD):
        why = " --why TEXT" if remedy == _DISCARD else ""
        yield f"tenure dlq {remedy} {letter.origin} --who NAME{why}"
