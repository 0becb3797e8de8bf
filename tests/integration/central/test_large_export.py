"""A long list leaves in a flat memory."""

import tracemalloc

import psycopg
import pytest

ROWS = 100_000
_FILL = """
INSERT INTO scada_station (tenant, id, revision, created_at, updated_at, code, name, station_type,
                           priority, status, is_active)
SELECT t.id, gen_random_uuid(), 1, now(), now(), 'S' || i, repeat('n', 100), 'solar', 5, 'unknown',
       true
  FROM identity_tenant t, generate_series(1, %s) i WHERE t.code = 'main'
"""


@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_a_hundred_thousand_rows_are_never_held_at_once(client, sign_in, migrated, form):
    me = await sign_in("scada.*")
    with psycopg.connect(migrated) as connection:
        connection.execute(_FILL, (ROWS,))
    tracemalloc.start()
    try:
        answer = await client.get(f"/api/v1/scada/stations?format={form}&sort=code", headers=me)
        lines = size = 0
        async for part in answer.content.iter_chunked(1 << 16):
            lines += part.count(b"\n")
            size += len(part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines == ROWS + (form == "csv")
    assert size > 20_000_000
    assert peak < size / 2
