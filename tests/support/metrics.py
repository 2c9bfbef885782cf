"""What a service counted, read from its /metrics."""

from urllib.request import ProxyHandler, build_opener

from prometheus_client.parser import text_string_to_metric_families

# A proxy of the surroundings must not see requests to this machine itself.
_OPENER = build_opener(ProxyHandler({}))


def counted(url: str, name: str, **labels: str) -> float:
    """The sum of the samples of `name` at the service's address that have these labels."""
    with _OPENER.open(f"{url}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
