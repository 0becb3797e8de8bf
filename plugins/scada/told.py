"""What gateways tell beside readings, written in the ingest's own transaction."""

from typing import Any
from uuid import UUID

import msgspec

from hub import Alarm, AlarmTold, DeviceState, Event, SwitchTold, merged, uuid7

from .alarm_models import Source
from .alarm_state import alarm_of, columns, entry, events_of, instant, is_loud
from .events import DeviceOffline, DeviceOnline, NetworkSwitchChanged

TOPIC = "scada.alarms"

_STATE = """
UPDATE scada_device
   SET status = %(status)s, status_reason = %(reason)s, status_at = %(at)s,
       last_seen_at = CASE WHEN %(online)s THEN %(at)s ELSE coalesce(last_seen_at, %(at)s) END,
       revision = revision + 1, updated_at = now()
 WHERE tenant = current_setting('busbar.tenant')::uuid
   AND gateway_id = %(gateway)s AND source_name = %(device)s
RETURNING id, last_seen_at
"""

_KNOWN = """
SELECT id, state, station_id, device_id FROM scada_alarm
 WHERE tenant = current_setting('busbar.tenant')::uuid
   AND gateway_id = %(gateway)s AND alarm_ref = %(ref)s FOR UPDATE
"""

_PLACE = """
SELECT d.id, coalesce(d.station_id, s.id), p.id FROM (SELECT 1) AS one
  LEFT JOIN scada_device d ON d.tenant = current_setting('busbar.tenant')::uuid
       AND d.gateway_id = %(gateway)s AND d.source_name = %(device)s
  LEFT JOIN scada_station s ON s.tenant = current_setting('busbar.tenant')::uuid
       AND s.code = %(station)s
  LEFT JOIN scada_point p ON p.tenant = d.tenant AND p.device_id = d.id AND p.name = %(point)s
"""

_ENTRY = """
INSERT INTO scada_alarm_entry (tenant, id, revision, created_at, updated_at,
                               alarm_id, at, step, actor, note, value, is_loud, source)
VALUES (current_setting('busbar.tenant')::uuid, %s, 1, now(), now(),
        %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (tenant, alarm_id, step, at, actor) DO NOTHING
"""

_NOTIFY = "SELECT pg_notify('busbar_news', %s || current_setting('busbar.tenant'))"


async def device_state(connection: Any, gateway: UUID, state: DeviceState) -> list[Event]:
    """Note that a device came or went."""
    cursor = await connection.execute(
        _STATE,
        {
            "status": "online" if state.online else "offline",
            "online": state.online,
            "reason": state.reason or None,
            "at": instant(state.at),
            "gateway": gateway,
            "device": state.device,
        },
    )
    row = await cursor.fetchone()
    if row is None:
        return []
    if state.online:
        return [DeviceOnline(device_id=row[0])]
    return [DeviceOffline(device_id=row[0], last_seen_at=row[1])]


async def switch(connection: Any, gateway: UUID, told: SwitchTold) -> list[Event]:
    """Pass on that a switch moved."""
    place = {"gateway": gateway, "device": told.device, "station": "", "point": told.point}
    cursor = await connection.execute(_PLACE, place)
    _, _, point = await cursor.fetchone()
    if point is None:
        return []
    return [NetworkSwitchChanged(point_id=point, old=told.old, new=told.new, at=instant(told.at))]


async def alarm(connection: Any, gateway: UUID, told: AlarmTold) -> list[Event]:
    """Bring the alarm's row up to date. A version that is known already changes nothing."""
    new = told.alarm
    cursor = await connection.execute(_KNOWN, {"gateway": gateway, "ref": new.id[:100]})
    found = await cursor.fetchone()
    before: Alarm | None = None
    if found is None:
        ident, place = uuid7(), await _place(connection, gateway, new)
        after = new
        await _insert(connection, ident, gateway, after, place)
    else:
        ident, before = found[0], alarm_of(found[1])
        place = {"station_id": found[2], "device_id": found[3]}
        if new.version <= before.version:
            return []
        after = merged(before, new)
        await _update(connection, ident, after)
    at, by, note = entry(new, told.step, told.at, told.by, told.note)
    value = new.value if not told.by else None
    about = (told.step, by[:200], note or None, value, is_loud(after), Source.GATEWAY)
    await connection.execute(_ENTRY, (uuid7(), ident, instant(at), *about))
    await connection.execute(_NOTIFY, (f"{TOPIC}.",))
    return events_of(ident, before, after, told.step, place)


async def _place(connection: Any, gateway: UUID, alarm: Alarm) -> dict[str, Any]:
    cursor = await connection.execute(
        _PLACE,
        {
            "gateway": gateway,
            "device": alarm.device,
            "station": alarm.station,
            "point": alarm.point,
        },
    )
    device, station, point = await cursor.fetchone()
    return {"device_id": device, "station_id": station, "point_id": point}


async def _insert(
    connection: Any, ident: UUID, gateway: UUID, alarm: Alarm, place: dict[str, Any]
) -> None:
    values = {
        "id": ident,
        "gateway_id": gateway,
        "alarm_ref": alarm.id[:100],
        "source": Source.GATEWAY,
        **place,
        **_plain(alarm),
    }
    names = ", ".join(values)
    places = ", ".join(f"%({n})s" for n in values)
    await connection.execute(
        f"INSERT INTO scada_alarm (tenant, revision, created_at, updated_at, {names})"  # noqa: S608
        f" VALUES (current_setting('busbar.tenant')::uuid, 1, now(), now(), {places})",
        values,
    )


async def _update(connection: Any, ident: UUID, alarm: Alarm) -> None:
    values = _plain(alarm)
    pairs = ", ".join(f"{n} = %({n})s" for n in values)
    await connection.execute(
        f"UPDATE scada_alarm SET {pairs}, revision = revision + 1, updated_at = now()"  # noqa: S608
        " WHERE tenant = current_setting('busbar.tenant')::uuid AND id = %(id)s",
        {**values, "id": ident},
    )


def _plain(alarm: Alarm) -> dict[str, Any]:
    found = columns(alarm)
    return found | {"state": msgspec.json.encode(found["state"]).decode()}
