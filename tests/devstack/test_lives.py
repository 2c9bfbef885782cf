"""The demo's lives: every kind is lived, in few instants, by messages of the published form. Pure."""

from datetime import timedelta
from typing import get_args

from devstack.behaviour import opening
from devstack.lives import START, Ending, lives
from devstack.payments import newcomers, validator


def test_every_kind_of_life_is_lived() -> None:
    assert {life.ending for life in lives()} == set(get_args(Ending))


def test_orders_come_at_few_instants_and_everything_planned_lies_within_fourteen_months() -> None:
    for count in (36, 500):
        people = lives(count)
        assert len({life.customer.reference for life in people}) == count
        assert len({life.customer.ordered_at for life in people}) <= 24
        planned = [p.due_at for life in people for p in opening(life.customer)]
        planned += [act.at for life in people for act in life.acts]
        assert max(planned) < START + timedelta(days=425)


def test_what_is_planned_has_the_published_form() -> None:
    messages = [p.message for life in lives() for p in opening(life.customer)]
    for message in messages:
        validator(message["type"]).validate(message)
    told = {message["type"].split(".")[1] for message in messages}
    assert {"pause-requested", "resume-requested", "dispute-opened", "dispute-lost"} <= told


def test_newcomers_order_one_after_the_other_and_are_the_same_when_asked_again() -> None:
    first, again = newcomers(6, START), newcomers(6, START + timedelta(hours=1))
    assert [one.reference for one in first] == [one.reference for one in again]
    ordered = [one.ordered_at for one in first]
    assert ordered == sorted(set(ordered))
    for publication in (p for one in first for p in opening(one)):
        validator(publication.message["type"]).validate(publication.message)
