"""How exports, imports, undo and bulk verbs are described."""

from collections.abc import Iterator, Mapping
from typing import Any

from api.exchange import Options, Report, undo_permission
from api.sheets import KINDS, Csv, Ndjson
from hub import Op, Resource
from hub.kernel import bulk
from hub.kernel.imports import Undone

FORMAT = {
    "name": "format",
    "in": "query",
    "description": "Answer the whole list as a file; pages and cursors do not apply",
    "schema": {"enum": ["json", *KINDS], "default": "json"},
}
_FILE = {"type": "string", "contentMediaType": "text/csv"}
_BINARY = {"type": "string", "format": "binary"}
Described = tuple[str, dict[str, Any]]


def types(res: Resource[Any]) -> Iterator[Any]:
    """What the operations below speak of."""
    if Op.CREATE in res.ops:
        yield from (Options, Report, Undone)
    for ask in bulk.asks(res):
        yield from (ask.type, bulk.Done)


def files() -> dict[str, Any]:
    """The further contents of a list's answer."""
    return {kind.content_type: {"schema": _BINARY} for kind in KINDS.values()}


def needs(permission: str | None) -> dict[str, str]:
    """What is said of an operation that not everybody may call."""
    return {"x-permission": permission} if permission else {}


def operations(res: Resource[Any], schema: Mapping[Any, Any]) -> Iterator[Described]:
    """Path and operation, each a POST; answers are filled in by the caller from `x-answer`."""

    def about(
        verb: str, summary: str, permission: str | None, answer: tuple[int, Any]
    ) -> dict[str, Any]:
        return {
            "tags": [res.plugin],
            "operationId": f"{res.plugin}.{res.name}.{verb}",
            "summary": f"{summary} {res.title or res.name}",
            **needs(permission),
            "x-answer": answer,
        }

    if Op.CREATE in res.ops:
        made = about("import", "Import", res.permission(Op.CREATE), (201, schema[Report]))
        kinds = (Csv.content_type, Ndjson.content_type)
        made["requestBody"] = {"required": True, "content": {k: {"schema": _FILE} for k in kinds}}
        dry = {"type": "boolean", "default": False, "description": Options.__doc__}
        made["parameters"] = [{"name": "dry_run", "in": "query", "schema": dry}]
        yield f"{res.path}/import", made
        undone = (200, schema[Undone])
        yield (
            f"{res.path}/imports/{{id}}/undo",
            about("import-undo", "Take back an import of", undo_permission(res), undone),
        )
    for ask in bulk.asks(res):
        done = about(
            f"bulk-{ask.name}",
            f"{ask.name.replace('-', ' ').capitalize()} many",
            ask.permission,
            (200, schema[bulk.Done]),
        )
        content = {"application/json": {"schema": schema[ask.type]}}
        done["requestBody"] = {"required": True, "content": content}
        yield f"{res.path}/bulk/{ask.name}", done
