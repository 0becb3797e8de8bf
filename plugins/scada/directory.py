"""Gateways bring their points: each becomes a row here, and gets a series for its readings."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from hub import AlarmTold, CatalogueEntry, CommandTold, DeviceState, Event, SwitchTold, uuid7

from . import command_told, told
from .rules import control_type, point_type

_DEVICES = """
INSERT INTO scada_device (tenant, id, revision, created_at, updated_at, code, name, device_type,
                          gateway_id, source_name, driver, profile_code, status, is_active,
                          station_id, station_role)
SELECT current_setting('busbar.tenant')::uuid, d.id, 1, now(), now(),
       CASE WHEN EXISTS (SELECT 1 FROM scada_device o
                          WHERE o.tenant = current_setting('busbar.tenant')::uuid
                            AND o.code = d.code)
            THEN d.code || '-' || left(%(gateway)s::text, 8) ELSE d.code END,
       d.name, 'other', %(gateway)s, d.name, d.driver, d.profile, 'unknown', true,
       (SELECT s.id FROM scada_station s
         WHERE s.tenant = current_setting('busbar.tenant')::uuid AND s.code = d.station), d.role
  FROM jsonb_to_recordset(%(devices)s::jsonb)
       AS d(id uuid, code text, name text, driver text, profile text, station text,
            role text)
ON CONFLICT (tenant, gateway_id, source_name) DO UPDATE
   SET driver = excluded.driver, profile_code = excluded.profile_code,
       station_id = coalesce(excluded.station_id, scada_device.station_id),
       station_role = coalesce(excluded.station_role, scada_device.station_role),
       revision = scada_device.revision + 1, updated_at = now()
RETURNING source_name, id
"""

_POINTS = """
INSERT INTO scada_point (tenant, id, revision, created_at, updated_at, device_id, name, description,
                         point_type, address, data_type, byte_order, word_order, measurement, unit,
                         scale_factor, value_offset, low_limit, high_limit, alarm_low, alarm_high,
                         deadband, normal_state, rate_limit, alarm_delay_s, clear_delay_s,
                         scan_rate_ms, is_switch, states, is_active)
SELECT current_setting('busbar.tenant')::uuid, p.id, 1, now(), now(), p.device_id, p.name,
       p.description, p.point_type, p.address, p.data_type, p.byte_order, p.word_order,
       p.measurement, p.unit, p.scale_factor, p.value_offset, p.low_limit, p.high_limit,
       p.alarm_low, p.alarm_high, p.deadband, p.normal_state, p.rate_limit, p.alarm_delay_s,
       p.clear_delay_s, p.scan_rate_ms, p.is_switch, p.states, true
  FROM jsonb_to_recordset(%(points)s::jsonb)
       AS p(id uuid, device_id uuid, name text, description text, point_type text, address text,
            data_type text, byte_order text, word_order text, measurement text, unit text,
            scale_factor float8, value_offset float8, low_limit float8, high_limit float8,
            alarm_low float8, alarm_high float8, deadband float8, normal_state int,
            rate_limit float8, alarm_delay_s float8, clear_delay_s float8, scan_rate_ms int,
            is_switch boolean, states jsonb)
ON CONFLICT (tenant, device_id, name) DO UPDATE
   SET description = excluded.description, point_type = excluded.point_type,
       address = excluded.address, data_type = excluded.data_type,
       byte_order = excluded.byte_order, word_order = excluded.word_order,
       measurement = excluded.measurement, unit = excluded.unit,
       scale_factor = excluded.scale_factor, value_offset = excluded.value_offset,
       low_limit = excluded.low_limit, high_limit = excluded.high_limit,
       alarm_low = excluded.alarm_low, alarm_high = excluded.alarm_high,
       deadband = excluded.deadband, normal_state = excluded.normal_state,
       rate_limit = excluded.rate_limit, alarm_delay_s = excluded.alarm_delay_s,
       clear_delay_s = excluded.clear_delay_s, scan_rate_ms = excluded.scan_rate_ms,
       is_switch = excluded.is_switch,
       states = excluded.states, is_active = true,
       revision = scada_point.revision + 1, updated_at = now()
RETURNING device_id, name, series
"""

_CONTROLS = """
INSERT INTO scada_control_point (tenant, id, revision, created_at, updated_at, code, name,
                                 station_id, device_id, point_id, feedback_point_id, control_type,
                                 allowed_values, requires_second_person, select_before_operate,
                                 timeout_seconds, interlocks, is_active)
SELECT p.tenant, c.id, 1, now(), now(), left(d.code || '.' || p.name, 50), p.name,
       d.station_id, d.id, p.id, f.id, c.control_type, c.allowed_values, false, c.two_steps,
       30, '[]'::jsonb, true
  FROM jsonb_to_recordset(%(controls)s::jsonb)
       AS c(id uuid, device_id uuid, name text, feedback text, two_steps boolean,
            control_type text, allowed_values jsonb)
  JOIN scada_point p ON p.tenant = current_setting('busbar.tenant')::uuid
       AND p.device_id = c.device_id AND p.name = c.name
  JOIN scada_device d ON d.tenant = p.tenant AND d.id = p.device_id
  LEFT JOIN scada_point f ON f.tenant = p.tenant AND f.device_id = p.device_id
       AND f.name = c.feedback
ON CONFLICT DO NOTHING
"""

_STATIONS = """
INSERT INTO scada_station (tenant, id, revision, created_at, updated_at, code, name, station_type,
                           priority, status, is_active)
SELECT current_setting('busbar.tenant')::uuid, s.id, 1, now(), now(), s.code, s.code, 'substation',
       5, 'unknown', true
  FROM jsonb_to_recordset(%(stations)s::jsonb) AS s(id uuid, code text)
ON CONFLICT (tenant, code) DO NOTHING
"""


class Directory:
    """The owner of points at the centre.

    Works in the ingest's own transaction, which has set `busbar.tenant` to the gateway's.
    """

    async def adopt(
        self, connection: Any, gateway: UUID, entries: Sequence[CatalogueEntry]
    ) -> Mapping[int, int]:
        """Create or update the points of a catalogue in two statements; local id → series."""
        if not entries:
            return {}
        devices = {e.device: e for e in entries}
        stations = sorted({e.station for e in entries if e.station})
        if stations:
            rows = _json({"id": uuid7(), "code": code} for code in stations)
            await connection.execute(_STATIONS, {"stations": rows})
        parameters = {"gateway": gateway, "devices": _json(map(_device, devices.values()))}
        rows = await (await connection.execute(_DEVICES, parameters)).fetchall()
        owners = dict(rows)
        latest = {(owners[e.device], e.spec.name): e for e in entries}
        points = _json(_point(owner, e) for (owner, _), e in latest.items())
        rows = await (await connection.execute(_POINTS, {"points": points})).fetchall()
        controls = [_control(owner, e) for (owner, _), e in latest.items() if e.spec.writable]
        if controls:
            await connection.execute(_CONTROLS, {"controls": _json(controls)})
        series = {(device, name): number for device, name, number in rows}
        return {e.id: series[owners[e.device], e.spec.name] for e in entries}

    async def told(
        self,
        connection: Any,
        gateway: UUID,
        record: DeviceState | AlarmTold | CommandTold | SwitchTold,
    ) -> Sequence[Event]:
        """Note what happened at a gateway; the events to publish with it."""
        match record:
            case DeviceState():
                return await told.device_state(connection, gateway, record)
            case AlarmTold():
                return await told.alarm(connection, gateway, record)
            case SwitchTold():
                return await told.switch(connection, gateway, record)
            case CommandTold():
                return await command_told.step(connection, gateway, record)


def _json(rows: Any) -> str:
    return msgspec.json.encode(list(rows)).decode()


def _device(entry: CatalogueEntry) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "code": entry.device[:40],
        "name": entry.device,
        "driver": entry.driver or None,
        "profile": entry.profile or None,
        "station": entry.station or None,
        "role": entry.role or None,
    }


def _point(device: UUID, entry: CatalogueEntry) -> dict[str, Any]:
    spec = entry.spec
    every = entry.every or spec.every
    return {
        "id": uuid7(),
        "device_id": device,
        "name": spec.name,
        "description": spec.description or None,
        "point_type": point_type(spec.kind, spec.writable),
        "address": spec.address,
        "data_type": spec.type,
        "byte_order": spec.byte_order,
        "word_order": spec.word_order,
        "measurement": spec.measurement or None,
        "unit": spec.unit or None,
        "scale_factor": spec.scale,
        "value_offset": spec.offset,
        "low_limit": spec.low_limit,
        "high_limit": spec.high_limit,
        "alarm_low": spec.alarm_low,
        "alarm_high": spec.alarm_high,
        "deadband": spec.deadband,
        "normal_state": spec.normal_state,
        "rate_limit": spec.rate_limit,
        "alarm_delay_s": spec.alarm_delay,
        "clear_delay_s": spec.clear_delay,
        "scan_rate_ms": round(every * 1000) if every else None,
        "is_switch": spec.is_switch,
        "states": dict(spec.states),
    }


def _control(device: UUID, entry: CatalogueEntry) -> dict[str, Any]:
    """What a gateway's writable point is to an operator; people may change it afterwards."""
    spec = entry.spec
    return {
        "id": uuid7(),
        "device_id": device,
        "name": spec.name,
        "feedback": spec.feedback,
        "two_steps": spec.select,
        "control_type": control_type(spec.kind),
        "allowed_values": sorted(float(value) for value in spec.states),
    }
