"""One test of each kind for all endpoints there are and all there will be."""

from drivers import acrel, sts
from hub.testing import walk
from hub.testing.endpoints import calls
from plugins import (
    admin,
    billing,
    events,
    finance,
    identity,
    jobs,
    monitoring,
    notifications,
    realtime,
    scada,
)

PLUGINS = (
    identity,
    scada,
    finance,
    billing,
    acrel,
    sts,
    events,
    jobs,
    notifications,
    monitoring,
    admin,
    realtime,
)
CALLS = list(calls([p.hub_plugin() for p in PLUGINS]))


async def test_nothing_is_open_to_strangers(client, migrated):
    await walk.strangers(client, migrated, CALLS)
    assert walk.audits(migrated) == (0, None)


async def test_whoever_may_not_changes_nothing(client, sign_in, migrated):
    await walk.forbidden(client, sign_in, migrated, CALLS)


async def test_the_named_permission_is_enough_and_a_missing_row_is_not_found(client, sign_in):
    await walk.missing(client, sign_in, CALLS)


async def test_an_unknown_field_is_refused_everywhere(client, sign_in):
    await walk.unknown_fields(client, sign_in, CALLS)


async def test_every_endpoint_is_described(client):
    await walk.described(client, CALLS)
