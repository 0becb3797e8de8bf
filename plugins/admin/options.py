"""Settings that a company changes while the system runs."""

from typing import Any

import msgspec
from sqlalchemy import select

from hub import OPTIONS, Ctx, Invalid, Key, NotFound, Plugin, action, query

from .events import SettingsChanged
from .models import Setting

PLUGINS = Key[dict[str, Plugin]]("loaded plugins")


class CompanyOptions:
    """Serves `OPTIONS`. installation: what the configuration file says, by plugin."""

    def __init__(self, installation: dict[str, dict[str, Any]]) -> None:
        self.installation = installation

    async def of(self, ctx: Ctx, plugin: str, kind: type[Any]) -> Any:
        """See the contract. What a company stored that is no longer valid is left aside."""
        base = self.installation.get(plugin, {})
        stored = await self.stored(ctx, plugin)
        known = set(kind.__struct_fields__)
        values = base | {k: v for k, v in stored.items() if k in known}
        try:
            return msgspec.convert(values, kind)
        except msgspec.ValidationError:
            return msgspec.convert(base, kind)

    async def stored(self, ctx: Ctx, plugin: str) -> dict[str, Any]:
        stmt = select(Setting.key, Setting.value).where(
            Setting.tenant == ctx.actor.tenant, Setting.plugin == plugin
        )
        return {key: value["value"] for key, value in await ctx.db.execute(stmt)}


class OneSetting(msgspec.Struct, kw_only=True):
    """origin: default, file or company. schema: JSON Schema of the value."""

    key: str
    value: Any
    default: Any
    origin: str
    schema: dict[str, Any]


class PluginSettings(msgspec.Struct, kw_only=True):
    plugin: str
    title: str
    description: str
    settings: list[OneSetting]


class AllSettings(msgspec.Struct):
    items: list[PluginSettings]


def _schema(kind: type[Any]) -> dict[str, Any]:
    (_,), parts = msgspec.json.schema_components([kind])
    found: dict[str, Any] = parts[kind.__name__]["properties"]
    return found


async def _settings(ctx: Ctx, plugin: Plugin) -> PluginSettings:
    kind: Any = plugin.options
    service: CompanyOptions = ctx.get(OPTIONS)  # type: ignore[assignment]
    base, own = service.installation.get(plugin.name, {}), await service.stored(ctx, plugin.name)
    now = msgspec.to_builtins(await service.of(ctx, plugin.name, kind))
    default, schema = msgspec.to_builtins(kind()), _schema(kind)
    return PluginSettings(
        plugin=plugin.name,
        title=plugin.title or plugin.name,
        description=(kind.__doc__ or "").strip(),
        settings=[
            OneSetting(
                key=key,
                value=now[key],
                default=default[key],
                origin="company" if key in own else "file" if key in base else "default",
                schema=schema[key],
            )
            for key in kind.__struct_fields__
        ],
    )


@query("settings", permission="admin.settings.read")
async def settings(ctx: Ctx) -> AllSettings:
    """Return the settings that a company may change, and where each value comes from."""
    known = ctx.get(PLUGINS).values()
    return AllSettings([await _settings(ctx, p) for p in known if p.options is not None])


class ChangeSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """values: key → value. reset: keys that go back to what the installation says."""

    plugin: str
    values: dict[str, Any] = {}
    reset: list[str] = []


@action("settings", method="PUT", permission="admin.settings.write")
async def change_settings(ctx: Ctx, body: ChangeSettings) -> PluginSettings:
    """Change settings of one plugin; they hold at once, in all processes."""
    plugin = ctx.get(PLUGINS).get(body.plugin)
    kind: Any = plugin.options if plugin else None
    if plugin is None or kind is None:
        raise NotFound(f"no plugin {body.plugin[:80]!r} has settings", resource="settings")
    if stray := {*body.values, *body.reset} - set(kind.__struct_fields__):
        raise Invalid(f"{plugin.name} has no setting {min(stray)[:80]!r}", field="values")
    service: CompanyOptions = ctx.get(OPTIONS)  # type: ignore[assignment]
    stored = await service.stored(ctx, plugin.name)
    wanted = {k: v for k, v in (stored | body.values).items() if k not in body.reset}
    try:
        msgspec.convert(service.installation.get(plugin.name, {}) | wanted, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"values: {error}", field="values") from None
    await _store(ctx, plugin.name, body)
    return await _settings(ctx, plugin)


async def _store(ctx: Ctx, plugin: str, body: ChangeSettings) -> None:
    rows = {s.key: s for s in await ctx.db.scalars(select(Setting).where(Setting.plugin == plugin))}
    for key in body.reset:
        if key in rows:
            await ctx.db.delete(rows[key])
    for key, value in body.values.items():
        if key in body.reset:
            continue
        if key not in rows:
            rows[key] = Setting(plugin=plugin, key=key)
            ctx.db.add(rows[key])
        rows[key].value, rows[key].updated_by = {"value": value}, ctx.actor.id
    keys = sorted({*body.values, *body.reset})
    if keys:
        ctx.emit(SettingsChanged(plugin=plugin, keys=keys))
    await ctx.db.flush()
