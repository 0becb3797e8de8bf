"""How far a gateway is with a command, written in the ingest's own transaction."""

from typing import Any
from uuid import UUID

from hub import CommandState, CommandTold, Event, uuid7

from .alarm_state import instant
from .command_rules import FAILED, FINAL, follows
from .events import CommandConfirmed, CommandFailed

TOPIC = "scada.commands"

_KNOWN = """
SELECT c.id, c.state, c.command, c.device_id FROM scada_command c
  JOIN scada_device d ON d.tenant = c.tenant AND d.id = c.device_id
 WHERE c.tenant = current_setting('busbar.tenant')::uuid AND c.id = %(id)s
   AND d.gateway_id = %(gateway)s FOR UPDATE OF c
"""

_MOVE = """
UPDATE scada_command
   SET state = %(state)s, sent_at = coalesce(sent_at, %(sent)s),
       confirmed_at = coalesce(%(confirmed)s, confirmed_at),
       finished_at = coalesce(%(finished)s, finished_at),
       result = coalesce(%(result)s, result), error_message = %(error)s,
       revision = revision + 1, updated_at = now()
 WHERE tenant = current_setting('busbar.tenant')::uuid AND id = %(id)s
"""

_ENTRY = """
INSERT INTO scada_command_entry (tenant, id, revision, created_at, updated_at,
                                 command_id, at, state, actor, detail)
VALUES (current_setting('busbar.tenant')::uuid, %s, 1, now(), now(), %s, %s, %s, '', %s)
ON CONFLICT (tenant, command_id, state, at) DO NOTHING
"""

_NOTIFY = "SELECT pg_notify('busbar_news', %s || current_setting('busbar.tenant'))"


async def step(connection: Any, gateway: UUID, told: CommandTold) -> list[Event]:
    """Move a command on. A command of another gateway, or of nobody, changes nothing."""
    try:
        ident = UUID(told.id)
    except ValueError:
        return []
    cursor = await connection.execute(_KNOWN, {"id": ident, "gateway": gateway})
    row = await cursor.fetchone()
    if row is None:
        return []
    _, known, command, device = row
    at, detail = instant(told.at), told.detail[:10_000].replace("\0", "") or None
    await connection.execute(_ENTRY, (uuid7(), ident, at, told.state, detail))
    if not follows(CommandState(known), told.state):
        return []
    failed = told.state in FAILED
    await connection.execute(
        _MOVE,
        {
            "id": ident,
            "state": told.state,
            "sent": at if told.state is CommandState.SENT else None,
            "confirmed": at if told.state is CommandState.CONFIRMED else None,
            "finished": at if told.state in FINAL or failed else None,
            "result": told.outcome[:100] or None,
            "error": detail if failed else None,
        },
    )
    await connection.execute(_NOTIFY, (f"{TOPIC}.",))
    return _events(ident, command, device, told.state, detail or told.outcome)


def _events(
    ident: UUID, command: str, device: UUID, state: CommandState, detail: str
) -> list[Event]:
    if state is CommandState.CONFIRMED:
        return [
            CommandConfirmed(command_id=ident, command=command, device_id=device, result=detail)
        ]
    if state in FAILED:
        return [
            CommandFailed(
                command_id=ident, command=command, device_id=device, state=state, error=detail
            )
        ]
    return []
