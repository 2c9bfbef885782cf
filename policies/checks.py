"""Whether the fields of a pack are right; each fault is a sentence that says what is allowed."""

import json
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.policy import ProviderPolicy
from ledger.calendar import zone
from policies.fields import FIELDS
from policies.holiday_dates import is_country

_SHOWN = 80


def checked(fields: dict[str, Any]) -> ProviderPolicy | dict[str, str]:
    """The pack that the fields make, or what is wrong, by field: all of it at once."""
    wrong = {name: _unknown(name) for name in fields if name not in FIELDS}
    pack = None
    try:
        known = {name: value for name, value in fields.items() if name in FIELDS}
        pack = ProviderPolicy.model_validate_json(json.dumps(known))
    except ValidationError as error:
        for each in error.errors(include_url=False):
            wrong.setdefault(str(each["loc"][0]), _sentence(each, fields))
    for name, exists in _EXIST.items():
        given = fields.get(name)
        if given is not None and name not in wrong and not exists(given):
            wrong[name] = _must_be(name, given)
    return pack if pack and not wrong else wrong


def _unknown(name: str) -> str:
    near = get_close_matches(name, FIELDS, n=1)
    return "is no field of a pack" + (f"; did you mean '{near[0]}'?" if near else "")


def _is_zone(name: str) -> bool:
    try:
        zone(name)
    except ValueError:
        return False
    return True


#: What no pattern can tell.
_EXIST = {"refund_tz": _is_zone, "billing_tz": _is_zone, "holidays": is_country}


def _sentence(error: ErrorDetails, fields: dict[str, Any]) -> str:
    name = str(error["loc"][0])
    if error["type"] == "missing":
        return f"is missing; write it such as `{name}: {FIELDS[name].example}`"
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    # As it was written: the error of a whole field may show what was already read of it.
    return _must_be(name, error["input"] if len(error["loc"]) > 1 else fields[name])


def _must_be(name: str, given: object) -> str:
    shown = json.dumps(given, ensure_ascii=False)
    short = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return f"must be {FIELDS[name].form}, not {short}"
