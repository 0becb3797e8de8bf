"""Files as rows: what an import is made of, with every fault at its row and field."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec
import msgspec.inspect as mi

from api.clean import cleaned
from api.problems import invalid
from api.sheets import plain
from hub import BadRequest, HubError, Invalid, Resource, TooLarge
from hub.kernel.imports import MOST_ERRORS, Refusal, Row, fault

MOST_ROWS = 20_000


class Table(msgspec.Struct, kw_only=True):
    """What was read. ignored: columns that a client cannot set, as an export has them."""

    total: int = 0
    rows: list[Row] = []
    faults: list[Refusal] = []
    ignored: list[str] = []


def read(res: Resource[Any], data: bytes, content_type: str) -> Table:
    """Rows that can be created, and faults. BadRequest for what is no table at all. Blocking."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequest(f"byte {error.start} is not UTF-8: save the file as UTF-8") from None
    table = Table()
    own = set(res.create.__struct_fields__)
    known = {f.name for f in res.fields} - own
    lines = _csv(res, text) if content_type == "text/csv" else _ndjson(text)
    for number, given, strict in lines:
        table.total += 1
        if table.total > MOST_ROWS:
            raise TooLarge(f"an import has at most {MOST_ROWS} rows: send it in parts")
        if isinstance(given, HubError):
            table.faults.append(fault(number, given))
        else:
            table.ignored += [n for n in given if n in known and n not in table.ignored]
            kept = {n: v for n, v in given.items() if n not in known}
            _row(res, table, number, kept, strict=strict)
        if len(table.faults) >= MOST_ERRORS:
            break
    return table


def _row(
    res: Resource[Any], table: Table, number: int, given: dict[str, Any], *, strict: bool
) -> None:
    try:
        body = msgspec.convert(cleaned(given, res.create), res.create, strict=strict)
    except msgspec.ValidationError as error:
        table.faults.append(fault(number, invalid(error)))
    else:
        table.rows.append((number, body))


Line = tuple[int, dict[str, Any] | HubError, bool]


def _ndjson(text: str) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any]), True
        except (msgspec.MsgspecError, RecursionError) as error:
            yield number, Invalid(f"not a JSON object: {error}"), True


def _csv(res: Resource[Any], text: str) -> Iterator[Line]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_names(res, names)
        nested = _nested(res)
        for number, cells in enumerate(reader, 2):
            if any(cells):
                yield number, _cells(names, cells, nested), False
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num} is not CSV: {error}", row=number + 1) from None


def _check_names(res: Resource[Any], names: list[str]) -> None:
    known = {f.name for f in res.fields}
    if strange := [n for n in names if n not in known]:
        columns = ", ".join(res.create.__struct_fields__)
        raise BadRequest(
            f"row 1: there is no column {strange[0]!r}; there are {columns}", field=strange[0]
        )
    if twice := [n for n in names if names.count(n) > 1]:
        raise BadRequest(f"row 1: the column {twice[0]!r} is there twice", field=twice[0])
    if not names:
        raise BadRequest("the file is empty: row 1 names the columns")


def _nested(res: Resource[Any]) -> set[str]:
    """Fields whose cells are JSON."""
    info: Any = mi.type_info(res.create)
    return {f.encode_name for f in info.fields if _is_nested(f.type)}


def _is_nested(kind: mi.Type) -> bool:
    if isinstance(kind, mi.Metadata):
        return _is_nested(kind.type)
    if isinstance(kind, mi.UnionType):
        return any(_is_nested(k) for k in kind.types)
    nested = (mi.DictType, mi.ListType, mi.SetType, mi.VarTupleType, mi.StructType, mi.AnyType)
    return isinstance(kind, nested)


def _cells(names: list[str], cells: list[str], nested: set[str]) -> dict[str, Any] | HubError:
    """One row by name; an empty cell is not given."""
    if len(cells) > len(names) and any(cells[len(names) :]):
        return Invalid(f"{len(cells)} cells, but {len(names)} columns")
    given: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        if name in nested and cell:
            try:
                given[name] = msgspec.json.decode(cell)
            except (msgspec.MsgspecError, RecursionError) as error:
                return Invalid(f"{name}: not JSON: {error}", field=name)
        elif cell:
            given[name] = plain(cell)
    return given
