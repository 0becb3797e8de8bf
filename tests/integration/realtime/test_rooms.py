"""One socket joins rooms, hears what is said in them, and only there."""

import asyncio
import contextlib


async def test_a_member_hears_what_is_said_and_leaves_again(person, say, join, heard):
    me = await person("shop.*")
    async with me.connect() as socket:
        assert (await join(socket, "shop"))["data"] == {"room": "shop"}
        ident = await say(me.tenant, "shop", number=4)
        told = await heard(socket, "news")
        assert (told["room"], told["data"], told["id"]) == ("shop", {"number": 4}, str(ident))
        await socket.send_json({"event_type": "leave_room", "data": {"room": "shop"}})
        assert (await heard(socket, "left"))["data"] == {"room": "shop"}
        await say(me.tenant, "shop", number=5)
        await socket.send_json({"event_type": "ping"})
        assert (await socket.receive_json(timeout=5))["event_type"] == "pong"


async def test_members_in_two_processes_both_hear(person, second, join, heard):
    me = await person("shop.*", "realtime.*")
    async with me.connect() as here, me.connect(client=second) as there:
        for socket in (here, there):
            await join(socket, "shop")
        body = {"room": "shop", "event_type": "news", "data": {"number": 7}}
        sent = await me.call("POST", "realtime/broadcast", body, 202)
        for socket in (here, there):
            told = await heard(socket, "news")
            assert (told["id"], told["data"]) == (sent["id"], {"number": 7})


async def test_rooms_are_those_of_ones_own_company(person, say, join):
    me, stranger = await person("shop.*"), await person("shop.*", tenant="other")
    async with stranger.connect() as socket:
        await join(socket, "shop")
        await say(me.tenant, "shop", number=1)
        with contextlib.suppress(TimeoutError):
            assert (await socket.receive(timeout=0.5)) is None


async def test_a_room_without_its_permission_and_one_that_there_is_not_are_refused(person, heard):
    me = await person("other.*")
    async with me.connect() as socket:
        for name in ("shop", "numbers_3", "nowhere", "user_somebody-else"):
            await socket.send_json({"event_type": "join_room", "data": {"room": name}})
            assert (await heard(socket, "error"))["data"]["code"] in {
                "FORBIDDEN_ROOM",
                "INSUFFICIENT_PERMISSIONS",
            }, name
        await socket.send_json({"event_type": "ping"})
        await heard(socket, "pong")


async def test_what_is_meant_for_someone_reaches_only_him(person, say, heard):
    me, other = await person(), await person()
    async with me.connect("/notifications") as mine, other.connect("/notifications") as his:
        await heard(mine, "joined")
        await heard(his, "joined")
        title = {"title": "Bill", "message": "is due", "action_url": "/billing"}
        await say(me.tenant, f"user_{me.id}", "notification", **title)
        assert (await heard(mine, "notification"))["data"] == title
        with contextlib.suppress(TimeoutError):
            assert (await his.receive(timeout=0.5)) is None


async def test_asking_for_updates_joins_the_rooms_of_ones_permissions(person, heard):
    allowed, limited = await person("shop.*"), await person()
    for who, rooms in ((allowed, {"user", "shop"}), (limited, {"user"})):
        async with who.connect() as socket:
            await socket.send_json({"event_type": "subscribe_updates"})
            joined = {(await heard(socket, "joined"))["room"] for _ in rooms}
            assert joined == rooms


async def test_a_name_carries_the_key_of_its_room(person, join, heard):
    me = await person("shop.*")
    async with me.connect() as socket:
        await join(socket, "numbers_3", min_interval_ms=50)
        assert (await heard(socket, "numbers"))["data"]["part"] == 3
        await socket.send_json({"event_type": "join_room", "data": {"room": "numbers_x"}})
        assert (await heard(socket, "error"))["data"]["code"] == "VALIDATION_ERROR"


async def test_a_stream_waits_between_two_items_and_then_gives_the_newest(
    person, shop, join, heard
):
    me = await person("shop.*")
    async with me.connect("/numbers?min_interval_ms=300") as socket:
        assert (await heard(socket, "joined"))["data"] == {
            "room": "numbers",
            "min_interval_ms": "300",
        }
        await heard(socket, "numbers")
        asked = shop.number
        shop.number += 1_000
        assert (await heard(socket, "numbers"))["data"]["number"] == asked + 1_001


async def test_who_comes_back_is_told_what_he_missed(person, say, join, heard, clock):
    me = await person("shop.*")
    async with me.connect() as socket:
        await join(socket, "shop")
        last = await say(me.tenant, "shop", number=1)
        await heard(socket, "news")
    clock.forward(minutes=2)
    for number in (2, 3):
        await say(me.tenant, "shop", number=number)
    async with me.connect() as socket:
        await join(socket, "shop", after=str(last))
        told = [(await heard(socket, "news"))["data"]["number"] for _ in range(2)]
        assert told == [2, 3]
    clock.forward(hours=2)
    async with me.connect() as socket:
        await join(socket, "shop", after=str(last))
        assert (await heard(socket, "error"))["data"]["code"] == "RESOURCE_NOT_FOUND"


async def test_who_does_not_read_loses_the_oldest_and_is_told_how_many(
    central, person, say, join, heard, monkeypatch
):
    monkeypatch.setattr("plugins.realtime.board.WAITING", 3)
    me = await person("shop.*")
    async with me.connect() as socket:
        await join(socket, "shop")
        from plugins.realtime import BOARD

        [[box]] = [b for (_, name), b in central.get(BOARD).members.items() if name == "shop"]
        monkeypatch.setattr(box, "_some", asyncio.Event())  # nobody takes anything
        held = box._some
        for number in range(5):
            box.put(await _message(number))
        assert box.dropped == 2
        assert held.is_set()
        taken, lost = await box.take()
        assert ([m.data["number"] for m in taken], lost) == ([2, 3, 4], 2)


async def _message(number):
    import datetime as dt
    from uuid import uuid4

    from hub import LiveMessage

    now = dt.datetime.now(dt.UTC)
    return LiveMessage(event_type="n", data={"number": number}, room="shop", id=uuid4(), at=now)


async def test_a_job_tells_its_progress_to_whoever_started_it(central, person, heard):
    from uuid import UUID

    from hub import UNIT, Actor
    from plugins.jobs.live import tell
    from plugins.jobs.models import Task

    me, other = await person(), await person()
    async with me.connect("/jobs") as mine, other.connect("/jobs") as his:
        for socket in (mine, his):
            await heard(socket, "joined")
        async with central.get(UNIT)(Actor(id=me.id, tenant=UUID(me.tenant))) as ctx:
            task = Task(job_type="count", started_by=me.id, progress=40, progress_message="half")
            ctx.db.add(task)
            await ctx.db.flush()
            await tell(ctx, task)
        told = (await heard(mine, "job"))["data"]
        assert (told["progress"], told["message"]) == (40, "half")
        url = {"event_type": "join_room", "data": {"room": f"job_{told['job_id']}"}}
        await mine.send_json(url)
        await heard(mine, "joined")
        await his.send_json(url)
        assert (await heard(his, "error"))["data"]["code"] == "RESOURCE_NOT_FOUND"
