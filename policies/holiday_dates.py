"""Public holidays by country; the one place that knows the library they come from."""

import warnings
from datetime import date
from functools import cache

import holidays

#: How long after its effective date a pack knows holidays; later only weekends are no business days.
YEARS = 30


def is_country(code: str) -> bool:
    """Whether an ISO 3166-1 alpha-2 code names a country whose holidays are known."""
    try:
        holidays.country_holidays(code)
    except NotImplementedError:
        return False
    return True


@cache
def holiday_dates(country: str, first_year: int) -> frozenset[date]:
    """The country-wide public holidays of thirty years (S-45)."""
    with warnings.catch_warnings():
        # Where a lunar calendar is not computed that far ahead, the library warns and leaves days out.
        warnings.simplefilter("ignore")
        years = range(first_year, first_year + YEARS)
        return frozenset(holidays.country_holidays(country, years=years))
