"""Checking the engine against published vectors: each by the encoder and by the decoder."""

import csv
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from msgspec import structs

from hub import ConfigError, HubError, Unsupported

from .contents import (
    Content,
    Credit,
    CurrencyCredit,
    KeySection,
    KeySection1,
    MeterTest,
    Setting,
)
from .decoder import amount_of, decode
from .encoder import encode, key_change, unit_code
from .errors import KeyNotDerivable, TablesMissing, TokenRefused
from .identity import Meter
from .issuer import with_identifier
from .keys import DecoderKey, Secret, derive
from .sta import Tables
from .standard import Algorithm, BaseDate, Derivation, KeyType, Service, Subclass
from .tid import skip_reserved, tid_at

_COLUMNS = {"kind", "ea", "token", "meter_pan", "vending_key_hex", "issue_time"}
_SETTINGS = {
    "set_max_power_limit": (Subclass.SET_MAXIMUM_POWER_LIMIT, "limit_w"),
    "set_max_phase_power_unbalance": (
        Subclass.SET_MAXIMUM_PHASE_POWER_UNBALANCE_LIMIT,
        "limit_w",
    ),
    "clear_credit": (Subclass.CLEAR_CREDIT, "register"),
    "clear_tamper": (Subclass.CLEAR_TAMPER_CONDITION, ""),
    "set_tariff_rate": (Subclass.SET_TARIFF_RATE, "amount"),
    "set_water_meter_factor": (Subclass.SET_WATER_METER_FACTOR, "amount"),
}
_SECTIONS = {
    "set_1st_section_decoder_key": 0,
    "set_2nd_section_decoder_key": 1,
    "set_3rd_section_decoder_key": 2,
    "set_4th_section_decoder_key": 3,
}
Row = Mapping[str, str]


class UnknownKind(Unsupported):
    """A vector of a kind of token that we do not know."""


class Status(enum.StrEnum):
    REPRODUCED = "reproduced"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """line: of the file, the header being line 1."""

    line: int
    name: str
    status: Status
    reason: str = ""


def verify(path: Path, tables: Tables | None = None) -> Iterator[Verdict]:
    """Judge each row of a vector file; ConfigError if it is not one."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = _COLUMNS - set(reader.fieldnames or ())
            if missing:
                raise ConfigError(f"{path}: no column {', '.join(sorted(missing))}")
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for line, row in enumerate(rows, 2):
        name = " ".join(filter(None, (row.get("suite"), row.get("step"), row["kind"])))
        try:
            reason = judge(row, tables)
        except TablesMissing:
            yield Verdict(line, name, Status.SKIPPED, "EA07 needs its tables: --ea07-tables")
        except (KeyNotDerivable, UnknownKind) as error:
            yield Verdict(line, name, Status.SKIPPED, str(error))
        except (HubError, ValueError, ArithmeticError, KeyError) as error:
            yield Verdict(line, name, Status.FAILED, f"{type(error).__name__}: {error}")
        else:
            yield Verdict(line, name, Status.FAILED if reason else Status.REPRODUCED, reason)


def judge(row: Row, tables: Tables | None) -> str:
    """Why the row is not reproduced, or nothing."""
    kind, token = row["kind"], row["token"]
    key = None if kind.startswith("test_display") else key_of(row, tables)
    expected = _content(row, kind, tables)
    made = encode(expected, key)
    if made != token:
        return f"encoder makes {made}, expected {token}"
    try:
        read = decode(token, key)
    except TokenRefused as refused:
        return f"decoder refuses it: {refused}"
    if read != _rounded(expected):
        return f"decoder reads {read}, expected {_rounded(expected)}"
    return ""


def meter_of(row: Row) -> Meter:
    return Meter(
        pan=row["meter_pan"],
        supply_group=row["supply_group_code"],
        tariff_index=int(row["tariff_index"]),
        key_revision=int(row["key_revision"]),
        key_type=KeyType(int(row["key_type"])),
        key_expiry=int(row["key_expiry"] or 255),
        algorithm=Algorithm(row["ea"].removeprefix("EA")),
        derivation=Derivation(row["dkga"].removeprefix("DKGA").zfill(2)),
        # Key changes under DKGA02 name none, and their keys do not depend on it.
        base_date=BaseDate(int(row["base_date"] or 1993)),
    )


def key_of(row: Row, tables: Tables | None) -> DecoderKey:
    return derive(Secret.from_hex(row["vending_key_hex"]), meter_of(row), tables)


def _content(row: Row, kind: str, tables: Tables | None) -> Content:
    if kind.startswith("test_display"):
        digits = 2 if row["subclass"] == "0" else 4
        return MeterTest(
            control=int(row["control"]),
            manufacturer=row["manufacturer_code"].zfill(digits),
            extended=row["subclass"] == "2",
        )
    if kind in _SECTIONS:
        return _section(row, _SECTIONS[kind], tables)
    issued = datetime.strptime(row["issue_time"], "%d/%m/%Y %H:%M:%S").replace(tzinfo=UTC)
    tid = skip_reserved(tid_at(issued, meter_of(row).base_date))
    random = int(row["random"] or 0)
    if kind in _SETTINGS:
        subclass, column = _SETTINGS[kind]
        order = Setting(subclass=subclass, value=int(row[column]) if column else 0)
        return with_identifier(order, tid, random)
    if not kind.startswith("transfer"):
        raise UnknownKind(f"kind {kind!r} is not known")
    service = Service[next(word for word in kind.upper().split("_") if word in Service.__members__)]
    amount = Decimal(row["amount"])
    if "currency" in kind:
        return CurrencyCredit(amount=int(amount.scaleb(5)), service=service, tid=tid)
    units = int(amount.scaleb(1).to_integral_value(ROUND_CEILING))
    return Credit(units=units, service=service, tid=tid, random=random)


def _section(row: Row, place: int, tables: Tables | None) -> KeySection:
    old = meter_of(row)
    new = structs.replace(
        old,
        tariff_index=int(row["new_tariff_index"]),
        key_revision=int(row["new_key_revision"]),
        base_date=BaseDate(int(row["new_base_date"] or old.base_date)),
    )
    target = derive(Secret.from_hex(row["vending_key_hex"]), new, tables)
    section = list(key_change(old, new, target))[place]
    if isinstance(section, KeySection1) and row.get("rollover"):
        return structs.replace(section, rollover=row["rollover"] == "1")
    return section


def _rounded(content: Content) -> Content:
    """As the amount field carries it."""
    match content:
        case Credit(units=units):
            return structs.replace(content, units=amount_of(*unit_code(units)))
        case CurrencyCredit(amount=amount):
            magnitude = amount_of(*unit_code(abs(amount), 32, amount < 0))
            return structs.replace(content, amount=-magnitude if amount < 0 else magnitude)
        case Setting(subclass=subclass, value=value) if subclass in {0, 6}:
            return structs.replace(content, value=amount_of(*unit_code(value)))
        case _:
            return content
