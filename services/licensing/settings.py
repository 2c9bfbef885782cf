"""Licensing's own settings, each from a variable `LICENSING_...`; the shared ones are in chassis/settings.py."""

from chassis.settings import ServiceSettings


class LicensingSettings(ServiceSettings):
    """Settings of the licensing service."""
