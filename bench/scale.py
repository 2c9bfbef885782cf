"""How much is measured: every count and every wait of a run is bounded here."""

from dataclasses import dataclass
from typing import Self

#: Paid orders per second at which latency is measured.
RATES = (100, 500)


@dataclass(frozen=True, slots=True)
class Scale:
    """The counts of one run."""

    #: Paid orders in the burst.
    orders: int = 20_000
    #: Paid orders before it, not measured: connections, prepared statements, the broker's JIT.
    warm_up: int = 1_000
    #: How long each rate of the paced load lasts.
    paced_s: int = 20
    #: Paid orders through the Faust agent.
    faust_orders: int = 2_000
    #: The longest wait for the end of one measure.
    timeout_s: float = 300.0
    #: Of every topic.
    partitions: int = 12

    @classmethod
    def of(cls, orders: int, *, quick: bool) -> Self:
        """The counts for a burst of this size; `quick` is for trying the harness only."""
        if quick:
            return cls(orders, min(50, orders), 1, min(50, orders), 60.0, 3)
        return cls(orders, min(1_000, orders), faust_orders=min(2_000, orders))
