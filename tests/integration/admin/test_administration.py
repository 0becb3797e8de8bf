"""Accounts, sessions, settings, flags and logs, as an administrator uses them."""

import datetime as dt
from types import SimpleNamespace
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import func, select, update

from hub import FLAGS, OPTIONS, UNIT, Actor, uuid7
from plugins.admin.statistics import Which, count_day
from plugins.events.models import LoggedEvent
from plugins.identity.models import Role, Session, User, UserRole
from plugins.notifications.settings import NotificationOptions


@pytest.fixture
async def office(central, client, sign_in):
    """A company with an administrator, and ways to ask."""
    unit = central.get(UNIT)

    async def person(*patterns, role=None, **changes):
        headers = await sign_in(*(patterns or ("nothing.at.all",)))
        me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
        ident, tenant = UUID(me["id"]), UUID(me["tenant_id"])
        async with unit.system() as ctx:
            row = await ctx.db.scalar(select(User).where(User.id == ident))
            for name, value in changes.items():
                setattr(row, name, value)
            if role:
                found = await ctx.db.scalar(
                    select(Role.id).where(Role.tenant == tenant, Role.code == role)
                )
                ctx.db.add(UserRole(tenant=tenant, user_id=ident, role_id=found))
        return SimpleNamespace(id=me["id"], tenant=tenant, headers=headers, email=me["email"])

    async def call(who, method, path, expect=200, **body):
        url = f"/api/v1/admin/{path}"
        answer = await client.request(method, url, json=body or None, headers=who.headers)
        said = await answer.text()
        assert answer.status == expect, said
        return msgspec.json.decode(said) if said else None

    async def published(type_):
        async with unit.system() as ctx:
            stmt = select(func.count()).select_from(LoggedEvent).where(LoggedEvent.type == type_)
            return await ctx.db.scalar(stmt)

    return SimpleNamespace(person=person, call=call, unit=unit, published=published)


async def test_administrators_and_others_are_counted(office):
    boss = await office.person("admin.*", role="tenant_admin")
    await office.person()
    gone = await office.person()
    await office.person()
    await office.call(boss, "POST", f"users/{gone.id}/manage", 403, action="delete")
    root = await office.person("*", role="superadmin")
    await office.call(root, "POST", f"users/{gone.id}/manage", action="delete")
    stats = await office.call(boss, "GET", "stats")
    assert (stats["total_users"], stats["admins"], stats["regular"]) == (4, 2, 2)
    assert stats["active_sessions"] == 4
    assert await office.call(root, "GET", "stats/users") == {
        "total_users": 4, "admins": 2, "regular": 2,
    }  # fmt: skip


async def test_a_locked_user_is_unlocked_and_the_audit_says_by_whom(office):
    root = await office.person("*")
    other = await office.person()
    locked = await office.call(root, "POST", f"users/{other.id}/manage", action="lock")
    assert locked["user"]["locked_until"] > "2100"
    row = await office.call(root, "POST", f"users/{other.id}/unlock")
    assert row["locked_until"] is None
    page = await office.call(root, "GET", f"audit-logs?resource_id={other.id}&actor={root.id}")
    assert [list(e["change"]) for e in page["items"]] == [["locked_until"], ["locked_until"]]


async def test_an_ordinary_user_gets_nowhere_but_to_the_number_of_users(office):
    who = await office.person("crm.*")
    for path in ("dashboard", "stats", "users", "sessions", "audit-logs", "ops-logs", "settings"):
        await office.call(who, "GET", path, 403)
    assert (await office.call(who, "GET", "stats/users"))["total_users"] == 1
    customer = await office.person(user_type="customer")
    await office.call(customer, "GET", "stats/users", 403)


async def test_the_last_administrator_stays(office):
    root = await office.person("*")
    boss = await office.person(role="tenant_admin")
    for action in ("deactivate", "delete", "lock"):
        await office.call(root, "POST", f"users/{boss.id}/manage", 409, action=action)
    await office.call(root, "PUT", f"users/{boss.id}/role", 409, role="user")
    second = await office.person()
    row = await office.call(root, "PUT", f"users/{second.id}/role", role="admin")
    assert row["roles"] == ["tenant_admin"]
    row = await office.call(root, "PUT", f"users/{boss.id}/role", role="user")
    assert row["roles"] == ["staff"]


async def test_who_may_less_disposes_of_nobody_who_may_more(office):
    clerk = await office.person("admin.*")
    root = await office.person("*")
    await office.call(clerk, "POST", f"users/{root.id}/manage", 403, action="deactivate")
    await office.call(clerk, "POST", f"users/{root.id}/reset-token", 403)


async def test_idle_sessions_are_deleted_but_remembered_ones_only_when_asked(office):
    root = await office.person("*")
    for remember in (False, True):
        other = await office.person()
        async with office.unit.system() as ctx:
            await ctx.db.execute(
                update(Session)
                .where(Session.user_id == UUID(other.id))
                .values(remember=remember, last_used_at=ctx.clock() - dt.timedelta(hours=30)),
                execution_options={"unaudited": True},
            )
    assert await office.call(root, "POST", "sessions/cleanup", older_than_hours=24) == {
        "deleted": 1
    }
    body = {"older_than_hours": 24, "include_remembered": True}
    assert await office.call(root, "POST", "sessions/cleanup", **body) == {"deleted": 1}


async def test_a_session_is_ended_and_its_token_is_dead(office, client):
    root, other = await office.person("*"), await office.person()
    page = await office.call(root, "GET", f"sessions?user_id={other.id}")
    (session,) = page["items"]
    assert "hash" not in str(session)
    await office.call(root, "DELETE", f"sessions/{session['id']}", 204)
    answer = await client.get("/api/v1/auth/me", headers=other.headers)
    assert answer.status == 401
    await office.call(root, "DELETE", f"sessions/{session['id']}", 404)


async def test_a_reset_token_is_shown_once_and_works(office, client):
    root, other = await office.person("*"), await office.person()
    made = await office.call(root, "POST", f"users/{other.id}/reset-token")
    (asked,) = (await office.call(root, "GET", "reset-requests"))["items"]
    assert made["token"] not in str(asked)
    assert asked["used_at"] is None
    body = {"token": made["token"], "new_password": "correct horse battery 9!"}
    assert (await client.post("/api/v1/auth/password/reset", json=body)).status == 204
    (asked,) = (await office.call(root, "GET", "reset-requests"))["items"]
    assert asked["used_at"]


async def test_a_setting_holds_at_once_and_is_published_and_audited(office, central):
    boss = await office.person("admin.*")
    change = {"plugin": "notifications", "values": {"digest_after": 3}}
    said = await office.call(boss, "PUT", "settings", **change)
    (one,) = [s for s in said["settings"] if s["key"] == "digest_after"]
    assert (one["value"], one["default"], one["origin"]) == (3, 20, "company")
    async with office.unit(Actor(id=boss.id, tenant=boss.tenant)) as ctx:
        kind = NotificationOptions
        assert (await central.get(OPTIONS).of(ctx, "notifications", kind)).digest_after == 3
    other = Actor(id="x", tenant=uuid7(), kind="system")
    async with office.unit(other) as ctx:
        assert (await central.get(OPTIONS).of(ctx, "notifications", kind)).digest_after == 20
    assert await office.published("system.settings_changed") == 1
    page = await office.call(boss, "GET", "audit-logs?resource_type=admin_setting")
    assert page["items"][0]["change"]["value"] == [None, {"value": 3}]
    back = await office.call(
        boss, "PUT", "settings", plugin="notifications", reset=["digest_after"]
    )
    assert {s["origin"] for s in back["settings"]} == {"default"}


@pytest.mark.parametrize(
    ("change", "status"),
    [({"plugin": "notifications", "values": {"digest_after": "many"}}, 422),
     ({"plugin": "notifications", "values": {"digest_after": 0}}, 422),
     ({"plugin": "notifications", "values": {"nonsense": 1}}, 422),
     ({"plugin": "nobody", "values": {}}, 404)],
)  # fmt: skip
async def test_a_setting_that_cannot_be_is_refused_and_nothing_is_kept(office, change, status):
    boss = await office.person("admin.*")
    await office.call(boss, "PUT", "settings", status, **change)
    assert await office.published("system.settings_changed") == 0


async def test_a_flag_is_on_for_those_it_names(office, central):
    boss, other = await office.person("admin.*"), await office.person()
    flag = {"code": "new-map", "is_on": True, "percent": 0, "users": [other.id]}
    await office.call(boss, "POST", "flags", 201, **flag)
    assert await office.call(other, "GET", "flags/mine") == {"on": ["new-map"]}
    assert await office.call(boss, "GET", "flags/mine") == {"on": []}
    async with office.unit(Actor(id=other.id, tenant=other.tenant)) as ctx:
        assert await central.get(FLAGS).on(ctx, "new-map")
        assert not await central.get(FLAGS).on(ctx, "unknown")
        assert await central.get(FLAGS).on(ctx, "unknown", default=True)


async def test_the_audit_is_exported_and_shows_no_other_company(office, client, sign_in):
    boss = await office.person("admin.*")
    await office.call(boss, "POST", "flags", 201, code="only-ours")
    answer = await client.get(
        "/api/v1/admin/audit-logs", params={"format": "csv"}, headers=boss.headers
    )
    assert answer.status == 200
    assert "admin_flag" in await answer.text()
    stranger = await sign_in("admin.*", tenant="other")
    page = await client.get("/api/v1/admin/audit-logs?limit=500", headers=stranger)
    assert "only-ours" not in await page.text()


async def test_the_dashboard_counts_what_there_is(office):
    boss = await office.person("admin.*", "system.*")
    page = await office.call(boss, "GET", "dashboard")
    assert page["users"]["total_users"] == 1
    assert page["figures"]["active_sessions"] == 1
    assert page["health"] == "ok"
    states = {p["name"]: p for p in (await office.call(boss, "GET", "plugins"))["items"]}
    assert states["admin"]["status"] == "loaded"
    assert "identity" in states["admin"]["requires"]


async def test_figures_of_a_day_are_counted_and_counting_again_replaces_them(office, clock):
    boss = await office.person("admin.*")
    await office.call(boss, "POST", "flags", 201, code="one")
    actor = Actor(id="job:daily_statistics", tenant=boss.tenant, kind="system")
    run = SimpleNamespace(id=uuid7(), tenant=boss.tenant, unit=lambda: office.unit(actor))
    day = clock().date()
    for _ in range(2):
        await count_day.handler(run, Which(day=day))
    page = await office.call(boss, "GET", f"daily-statistics?stat_date={day}&limit=100")
    figures = {f["metric"]: f["value"] for f in page["items"]}
    assert len(page["items"]) == len(figures)
    assert figures["users.new"] == 1
    assert figures["changes"] >= 1
    assert await office.published("system.statistics_ready") == 2
