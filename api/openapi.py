"""OpenAPI 3.1 from the same declarations that make the routes."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec

from api import openapi_exchange
from api.endpoints import path_of
from api.openapi_exchange import needs
from api.resources import action_path
from hub import Download, Endpoint, Entity, Op, Plugin, Reply, Resource
from hub.contract.endpoint import Action, Signature
from hub.kernel.filters import LIMIT, MOST, OPERATORS, ORDERED, present

_REF = "#/components/schemas/{name}"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "error_code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "success": {"const": False},
        "error": {"type": "string"},
        "error_code": {"type": "string"},
        "details": {},
        "request_id": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
    },
}
_UUID = {"type": "string", "format": "uuid"}


class Writer:
    """Collects the types first, so that each is described once, then the operations."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self.plugins = tuple(plugins)
        types = list(dict.fromkeys(self._types()))
        described, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self.schema: Mapping[Any, Any] = dict(zip(types, described, strict=True))
        self.paths: dict[str, dict[str, Any]] = {}

    def _types(self) -> Iterable[Any]:
        for plugin in self.plugins:
            for endpoint in plugin.actions:
                yield from _named(endpoint.signature)
            for res in plugin.resources:
                yield from (res.read, res.create, res.update)
                yield from openapi_exchange.types(res)
                for action in res.actions.values():
                    yield from _named(action.signature)

    def write(self) -> dict[str, Any]:
        for plugin in self.plugins:
            for endpoint in plugin.actions:
                self._endpoint(plugin, endpoint)
            for res in plugin.resources:
                self._resource(plugin, res)
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        key = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        return {
            "openapi": "3.1.0",
            "info": {"title": "Busbar", "version": version("busbar")},
            "paths": self.paths,
            "components": {
                "schemas": {**self.components, "Problem": _PROBLEM},
                "securitySchemes": {"bearer": bearer, "api_key": key},
            },
            "security": [{"bearer": []}, {"api_key": []}],
        }

    def _put(
        self, path: str, method: str, operation: dict[str, Any], places: Mapping[str, Any]
    ) -> None:
        parameters = [
            {"name": n, "in": "path", "required": True, "schema": s} for n, s in places.items()
        ]
        operation["parameters"] = parameters + operation.get("parameters", [])
        self.paths.setdefault(path, {})[method.lower()] = operation

    def _answer(
        self, status: int, schema: Any, content: str = "application/json"
    ) -> dict[str, Any]:
        good: dict[str, Any] = {"description": "Done"}
        if schema is not None:
            good["content"] = {content: {"schema": schema}}
        problem = {"$ref": _REF.format(name="Problem")}
        bad = {
            "description": "Refused, with the reason",
            "content": {"application/problem+json": {"schema": problem}},
        }
        return {str(status): good, "default": bad}

    def _returns(self, status: int, returned: Any, media: str) -> dict[str, Any]:
        if returned is Download:
            return self._answer(status, {"type": "string", "format": "binary"}, media)
        return self._answer(status, self.schema.get(returned))

    def _body(self, type_: Any) -> dict[str, Any]:
        return {"required": True, "content": {"application/json": {"schema": self.schema[type_]}}}

    def _endpoint(self, plugin: Plugin, endpoint: Endpoint) -> None:
        sign = endpoint.signature
        module = endpoint.module or plugin.name
        returned = _returned(sign)
        status = 204 if returned is None and endpoint.status == 200 else endpoint.status
        operation: dict[str, Any] = {
            "tags": [module],
            "operationId": f"{module}.{endpoint.name}",
            "summary": endpoint.summary,
            "responses": self._returns(status, returned, endpoint.media),
            **needs(endpoint.permission),
        }
        if endpoint.public:
            operation["security"] = []
        if sign.params is not None:
            operation["parameters"] = self._params(sign.params)
        if sign.body is not None:
            operation["requestBody"] = self._body(sign.body)
        places = {n: _schema(t) for n, t in sign.places.items()}
        self._put(path_of(plugin, endpoint), endpoint.method, operation, places)

    def _params(self, type_: Any) -> list[dict[str, Any]]:
        # Two structs of one name are told apart by their modules: the reference knows how.
        schema = self.components[self.schema[type_]["$ref"].rpartition("/")[2]]
        required = set(schema.get("required", ()))
        return [
            {"name": n, "in": "query", "required": n in required, "schema": s, "explode": False}
            for n, s in schema["properties"].items()
        ]

    def _resource(self, plugin: Plugin, res: Resource[Any]) -> None:
        one, ident = f"{res.path}/{{id}}", {"id": _UUID}
        read = self.schema[res.read]

        def operation(op: Op, verb: str, status: int, schema: Any, **more: Any) -> dict[str, Any]:
            return {
                "tags": [plugin.name],
                "operationId": f"{plugin.name}.{res.name}.{verb}",
                "summary": f"{verb.title()} {res.title or res.name}",
                **needs(res.permission(op)),
                "responses": self._answer(status, schema),
                **more,
            }

        if Op.LIST in res.ops:
            listed = operation(Op.LIST, "list", 200, _page(read), parameters=self._filters(res))
            listed["responses"]["200"]["content"] |= openapi_exchange.files()
            self._put(res.path, "get", listed, {})
        if Op.CREATE in res.ops:
            made = operation(Op.CREATE, "create", 201, read, requestBody=self._body(res.create))
            made["parameters"] = [_header("Idempotency-Key")]
            self._put(res.path, "post", made, {})
        if Op.GET in res.ops:
            self._put(one, "get", operation(Op.GET, "get", 200, read), ident)
        if Op.UPDATE in res.ops:
            for method, verb in (("put", "update"), ("patch", "patch")):
                changed = operation(Op.UPDATE, verb, 200, read, requestBody=self._body(res.update))
                changed["parameters"] = [_header("If-Match")]
                self._put(one, method, changed, ident)
        if Op.DELETE in res.ops:
            gone = operation(Op.DELETE, "delete", 204, None, parameters=[_header("If-Match")])
            self._put(one, "delete", gone, ident)
        for path, done in openapi_exchange.operations(res, self.schema):
            status, schema = done.pop("x-answer")
            done["responses"] = self._answer(status, schema)
            if status == 201:
                done["responses"]["200"] = done["responses"]["201"]
            self._put(path, "post", done, ident if "{id}" in path else {})
        for action in res.actions.values():
            self._action(plugin, res, action)

    def _action(self, plugin: Plugin, res: Resource[Any], action: Action) -> None:
        returned = _returned(action.signature)
        is_row = action.end or (isinstance(returned, type) and issubclass(returned, Entity))
        returned = res.read if is_row else returned
        status = 204 if returned is None else 200
        operation: dict[str, Any] = {
            "tags": [plugin.name],
            "operationId": f"{plugin.name}.{res.name}.{action.name}",
            "summary": action.summary,
            **needs(res.action_permission(action)),
            "responses": self._returns(status, returned, action.media),
        }
        if action.end:
            operation["x-transition"] = {"start": list(action.start), "end": action.end}
        if action.signature.params is not None:
            operation["parameters"] = self._params(action.signature.params)
        if action.signature.body is not None:
            operation["requestBody"] = self._body(action.signature.body)
        self._put(
            action_path(res, action), action.method, operation, {"id": _UUID} if action.item else {}
        )

    def _filters(self, res: Resource[Any]) -> list[dict[str, Any]]:
        fields = {f.name: f for f in res.fields}
        names = {"page": {"type": "integer", "minimum": 1, "default": 1}}
        names["limit"] = {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}
        names["sort"] = {"enum": [x for s in res.sort for x in _both(s)], "default": res.sort[0]}
        names["cursor"] = {"type": "string"}
        if res.search:
            names["q"] = {"type": "string"}
        for name in ("id", *res.filters):
            schema = _schema(present(fields[name].type))
            text = (
                schema.get("type") == "string" and "format" not in schema and "enum" not in schema
            )
            wrong = {"in", "null"} | (ORDERED if schema.get("type") == "boolean" else set())
            for operator in OPERATORS:
                if operator not in wrong and (operator != "prefix" or text):
                    names[f"{name}__{operator}" if operator else name] = schema
            names[f"{name}__in"] = {"type": "string", "description": "comma-separated"}
            names[f"{name}__null"] = {"type": "boolean"}
        found = [{"name": n, "in": "query", "schema": s} for n, s in names.items()]
        return [*found, openapi_exchange.FORMAT]


def document(plugins: Iterable[Plugin]) -> dict[str, Any]:
    """The whole document; its operation ids are unique."""
    return Writer(plugins).write()


def _both(sort: str) -> tuple[str, str]:
    name = sort.removeprefix("-")
    return name, f"-{name}"


def _header(name: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": {"type": "string"}}


def _schema(type_: Any) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.schema(type_)
    if "$ref" in schema:
        defined: dict[str, Any] = schema["$defs"][schema["$ref"].rpartition("/")[2]]
        return defined
    if "$defs" in schema:
        inline = schema.pop("$defs")
        schema["anyOf"] = [
            inline[s["$ref"].rpartition("/")[2]] if "$ref" in s else s for s in schema["anyOf"]
        ]
    return schema


def _page(item: Any) -> dict[str, Any]:
    number = {"type": ["integer", "null"]}
    return {
        "type": "object",
        "required": ["items", "limit"],
        "properties": {
            "items": {"type": "array", "items": item},
            "total": number,
            "page": number,
            "limit": {"type": "integer"},
            "pages": number,
            "next_cursor": {"type": ["string", "null"]},
        },
    }


def _returned(sign: Signature) -> Any:
    """The type of an answer's body: `Reply` alone has none that is known."""
    returned = sign.returns
    if get_origin(returned) is UnionType:
        returned = next((t for t in get_args(returned) if t is not NoneType), None)
    if get_origin(returned) is Reply:
        returned = get_args(returned)[0]
    return None if returned in (NoneType, Reply, Any) else returned


def _named(sign: Signature) -> Iterable[Any]:
    for type_ in (sign.body, sign.params, _returned(sign)):
        row = isinstance(type_, type) and issubclass(type_, Entity)
        if type_ not in (None, Download) and not row:
            yield type_
