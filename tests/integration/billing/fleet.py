"""Many customers at once, written straight into the tables."""
# ruff: noqa: E501  -- statements read better whole

import datetime as dt
import json

from sqlalchemy import text

from hub import uuid7

CENT = 1_000_000
TERMS = {
    "charges": [
        {
            "kind": "blocks",
            "name": "energy",
            "cases": [
                {
                    "over": 0,
                    "upto": None,
                    "blocks": [
                        {"upto": 100_000, "price": 10 * CENT},
                        {"upto": 200_000, "price": 15 * CENT},
                        {"upto": None, "price": 20 * CENT},
                    ],
                }
            ],
        },
        {"kind": "fixed", "name": "standing", "price": 500 * CENT},
        {"kind": "tax", "name": "VAT", "rates": [{"since": "2020-01-01", "share": 50_000}]},
    ]
}
_ROW = "revision, created_at, updated_at"
_END = "1, now(), now()"
_TARIFF = (
    (
        "INSERT INTO billing_tariff (tenant, id, code, name_ar, currency, reconnect_fee, is_active,"
        f" {_ROW}) VALUES (:tenant, :tariff, 'FLEET', 'x', 'USD', 0, true, {_END})"
    ),
    (
        "INSERT INTO billing_tariff_version (tenant, id, tariff_id, number, valid_from, terms, status,"
        f" published_at, {_ROW}) VALUES (:tenant, :tariff, :tariff, 1, '2020-01-01',"
        f" CAST(:terms AS jsonb), 'published', '2020-01-01', {_END})"
    ),
)
_STEPS = (
    (
        "CREATE TEMP TABLE fleet ON COMMIT DROP AS SELECT n, gen_random_uuid() AS c,"
        " gen_random_uuid() AS a, gen_random_uuid() AS h, gen_random_uuid() AS p,"
        " gen_random_uuid() AS m, gen_random_uuid() AS r, gen_random_uuid() AS i,"
        " gen_random_uuid() AS g FROM generate_series(1, :many) n"
    ),
    (
        "INSERT INTO billing_customer (tenant, id, code, name_ar, category, language, is_protected,"
        f" status, {_ROW}) SELECT :tenant, c, 'C' || n, 'مشترك', 'residential', 'ar', false,"
        f" 'active', {_END} FROM fleet"
    ),
    (
        "INSERT INTO billing_account (tenant, id, customer_id, number, currency, cycle, due_days,"
        f" status, {_ROW}) SELECT :tenant, a, c, 'A' || lpad(n::text, 7, '0'), 'USD', 'monthly', 15,"
        f" 'active', {_END} FROM fleet"
    ),
    (
        f"INSERT INTO billing_premise (tenant, id, code, address, {_ROW})"
        f" SELECT :tenant, h, 'P' || n, 'Main st. ' || n, {_END} FROM fleet"
    ),
    (
        f"INSERT INTO billing_service_point (tenant, id, code, premise_id, amperes, va, supply, {_ROW})"
        f" SELECT :tenant, p, 'S' || n, h, 0, 20000, 'connected', {_END} FROM fleet"
    ),
    (
        f"INSERT INTO billing_meter (tenant, id, number, manufacturer, payment_mode, status, {_ROW})"
        f" SELECT :tenant, m, 'M' || n, 'other', 'postpaid', 'installed', {_END} FROM fleet"
    ),
    (
        f"INSERT INTO billing_register (tenant, id, meter_id, name, capacity, {_ROW})"
        f" SELECT :tenant, r, m, 'import', 100000000, {_END} FROM fleet"
    ),
    (
        "INSERT INTO billing_installation (tenant, id, meter_id, service_point_id, multiplier, since,"
        f" {_ROW}) SELECT :tenant, i, m, p, 1, '2027-12-01', {_END} FROM fleet"
    ),
    (
        "INSERT INTO billing_agreement (tenant, id, account_id, service_point_id, tariff_id, since,"
        f" {_ROW}) SELECT :tenant, g, a, p, :tariff, :since, {_END} FROM fleet"
    ),
)
READ = (
    "INSERT INTO billing_reading (tenant, id, installation_id, register, at, value, total, reason,"
    f" condition, status, version, source, faults, {_ROW})"
    " SELECT tenant, gen_random_uuid(), id, 'import', CAST(:at AS timestamptz), :value + :step *"
    " (hashtext(meter_id::text) & 255), :value + :step * (hashtext(meter_id::text) & 255),"
    f" 'periodic', 'actual', 'valid', 1, 'file', '[]', {_END}"
    " FROM billing_installation WHERE tenant = :tenant"
)


async def fill(ctx, many, since="2028-01-01"):
    """So many customers of one tariff, each with a meter and readings of January."""
    given = {
        "tenant": ctx.actor.tenant,
        "many": many,
        "tariff": uuid7(),
        "terms": json.dumps(TERMS),
        "since": dt.date.fromisoformat(since),
    }
    for statement in (*_TARIFF, *_STEPS):
        await ctx.db.execute(text(statement), given)
    await read(ctx, since, 1_000_000, 0)
    month = dt.date.fromisoformat(since)
    await read(ctx, (month + dt.timedelta(days=32)).replace(day=1).isoformat(), 1_100_000, 1_000)


async def read(ctx, day, value, step):
    """A reading of everybody's meter; step: thousandths, times a number of the meter's own."""
    given = {
        "tenant": ctx.actor.tenant,
        "at": dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), dt.UTC),
        "value": value,
        "step": step,
    }
    await ctx.db.execute(text(READ), given)
