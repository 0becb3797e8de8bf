"""Gateways bring their points: each becomes a row here, and gets a series for its readings."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from hub import CatalogueEntry, DeviceState, uuid7

from .rules import point_type

_DEVICES = """
INSERT INTO scada_device (tenant, id, revision, created_at, updated_at, code, name, device_type,
                          gateway_id, source_name, driver, profile_code, status, is_active)
SELECT current_setting('busbar.tenant')::uuid, d.id, 1, now(), now(),
       CASE WHEN EXISTS (SELECT 1 FROM scada_device o
                          WHERE o.tenant = current_setting('busbar.tenant')::uuid
                            AND o.code = d.code)
            THEN d.code || '-' || left(%(gateway)s::text, 8) ELSE d.code END,
       d.name, 'other', %(gateway)s, d.name, d.driver, d.profile, 'unknown', true
  FROM jsonb_to_recordset(%(devices)s::jsonb)
       AS d(id uuid, code text, name text, driver text, profile text)
ON CONFLICT (tenant, gateway_id, source_name) DO UPDATE
   SET driver = excluded.driver, profile_code = excluded.profile_code,
       revision = scada_device.revision + 1, updated_at = now()
RETURNING source_name, id
"""

_POINTS = """
INSERT INTO scada_point (tenant, id, revision, created_at, updated_at, device_id, name, description,
                         point_type, address, data_type, byte_order, word_order, measurement, unit,
                         scale_factor, value_offset, low_limit, high_limit, alarm_low, alarm_high,
                         deadband, normal_state, scan_rate_ms, is_switch, is_active)
SELECT current_setting('busbar.tenant')::uuid, p.id, 1, now(), now(), p.device_id, p.name,
       p.description, p.point_type, p.address, p.data_type, p.byte_order, p.word_order,
       p.measurement, p.unit, p.scale_factor, p.value_offset, p.low_limit, p.high_limit,
       p.alarm_low, p.alarm_high, p.deadband, p.normal_state, p.scan_rate_ms, p.is_switch, true
  FROM jsonb_to_recordset(%(points)s::jsonb)
       AS p(id uuid, device_id uuid, name text, description text, point_type text, address text,
            data_type text, byte_order text, word_order text, measurement text, unit text,
            scale_factor float8, value_offset float8, low_limit float8, high_limit float8,
            alarm_low float8, alarm_high float8, deadband float8, normal_state int,
            scan_rate_ms int, is_switch boolean)
ON CONFLICT (tenant, device_id, name) DO UPDATE
   SET description = excluded.description, point_type = excluded.point_type,
       address = excluded.address, data_type = excluded.data_type,
       byte_order = excluded.byte_order, word_order = excluded.word_order,
       measurement = excluded.measurement, unit = excluded.unit,
       scale_factor = excluded.scale_factor, value_offset = excluded.value_offset,
       low_limit = excluded.low_limit, high_limit = excluded.high_limit,
       alarm_low = excluded.alarm_low, alarm_high = excluded.alarm_high,
       deadband = excluded.deadband, normal_state = excluded.normal_state,
       scan_rate_ms = excluded.scan_rate_ms, is_switch = excluded.is_switch, is_active = true,
       revision = scada_point.revision + 1, updated_at = now()
RETURNING device_id, name, series
"""

_STATE = """
UPDATE scada_device
   SET status = %(status)s, status_reason = %(reason)s, status_at = %(at)s,
       revision = revision + 1, updated_at = now()
 WHERE tenant = current_setting('busbar.tenant')::uuid
   AND gateway_id = %(gateway)s AND source_name = %(device)s
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
        parameters = {"gateway": gateway, "devices": _json(map(_device, devices.values()))}
        rows = await (await connection.execute(_DEVICES, parameters)).fetchall()
        owners = dict(rows)
        latest = {(owners[e.device], e.spec.name): e for e in entries}
        points = _json(_point(owner, e) for (owner, _), e in latest.items())
        rows = await (await connection.execute(_POINTS, {"points": points})).fetchall()
        series = {(device, name): number for device, name, number in rows}
        return {e.id: series[owners[e.device], e.spec.name] for e in entries}

    async def device_state(self, connection: Any, gateway: UUID, state: DeviceState) -> None:
        """Note that a device came or went."""
        await connection.execute(
            _STATE,
            {
                "status": "online" if state.online else "offline",
                "reason": state.reason or None,
                "at": dt.datetime.fromtimestamp(state.at / 1e6, dt.UTC),
                "gateway": gateway,
                "device": state.device,
            },
        )


def _json(rows: Any) -> str:
    return msgspec.json.encode(list(rows)).decode()


def _device(entry: CatalogueEntry) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "code": entry.device[:40],
        "name": entry.device,
        "driver": entry.driver or None,
        "profile": entry.profile or None,
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
        "scan_rate_ms": round(every * 1000) if every else None,
        "is_switch": spec.is_switch,
    }
