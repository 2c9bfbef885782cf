"""Provider policy packs, one file per provider and effective date, and how they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import Misconfigured
from contracts.policy import Policies, ProviderPolicy
from policies.checks import checked
from policies.holiday_dates import holiday_dates
from policies.pack_text import read_fields

FOLDER = Path(__file__).parent
#: What looks like a pack; one that is not named as it must be is a fault, never passed over.
NAMES = "*.y*ml"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a pack, or with one field of it, and what is allowed."""

    file: Path
    sentence: str
    field: str | None = None

    def __str__(self) -> str:
        where = f"field '{self.field}': " if self.field else ""
        return f"{self.file}: {where}{self.sentence}"


class InvalidPolicy(Misconfigured):
    """Packs are wrong; the text names the first fault's file, field and what is allowed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        rest = len(faults) - 1
        more = f" (and {rest} more: `tenure policy check` lists them)" if rest else ""
        super().__init__(f"{faults[0]}{more}")
        self.faults = tuple(faults)


def load_policies(folder: Path = FOLDER) -> Policies:
    """Read every `<provider>/<effective-date>.yaml` under `folder`. Raises InvalidPolicy."""
    packs: dict[str, tuple[ProviderPolicy, ...]] = {}
    faults: list[Fault] = []
    for file in pack_files(folder):
        try:
            pack = read_pack(file)
        except InvalidPolicy as wrong:
            faults += wrong.faults
            continue
        faults += misplaced(file, pack)
        packs[pack.provider_id] = (*packs.get(pack.provider_id, ()), pack)
    if not packs and not faults:
        faults = [Fault(folder, "no policy pack found; expected <provider>/<date>.yaml")]
    if faults:
        raise InvalidPolicy(faults)
    return Policies(packs)


def pack_files(folder: Path) -> list[Path]:
    """The packs in the folders of the providers, oldest version first."""
    return sorted(folder.glob(f"*/{NAMES}"))


def misplaced(file: Path, pack: ProviderPolicy) -> list[Fault]:
    """The fault of a pack whose folder and name do not say what it says."""
    if (file.absolute().parent.name, file.name) == (pack.provider_id, f"{pack.version}.yaml"):
        return []
    return [Fault(file, f"must be named {pack.provider_id}/{pack.version}.yaml")]


def read_pack(file: Path) -> ProviderPolicy:
    """Read one pack, wherever it stands. Raises InvalidPolicy with every fault of it."""
    try:
        fields = read_fields(file)
    except ValueError as error:
        raise InvalidPolicy([Fault(file, str(error))]) from None
    pack = checked(fields)
    if not isinstance(pack, ProviderPolicy):
        raise InvalidPolicy([Fault(file, sentence, name) for name, sentence in pack.items()])
    if pack.holidays is None:
        return pack
    dates = holiday_dates(pack.holidays, pack.effective_from.year)
    return pack.model_copy(update={"holiday_dates": dates})
