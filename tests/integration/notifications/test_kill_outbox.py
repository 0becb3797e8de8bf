"""No message is lost, and nobody is told twice, when the process that sends is killed."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter

from hub import Actor
from plugins.identity.events import UserLocked
from tests.waiting import until

KILLS, EACH = 2, 10


async def test_killed_again_and_again_every_notice_goes_out_under_one_message_id(
    company, post, migrated, tmp_path
):
    people = [await company.person() for _ in range(KILLS * EACH)]
    own = {
        "notifications": {
            "lease_seconds": 1.0,
            "smtp": [
                {
                    "name": "post",
                    "host": "127.0.0.1",
                    "port": post.port,
                    "security": "none",
                    "sender": "no-reply@busbar.example",
                }
            ],
        }
    }
    post.pause = 0.05
    module = "tests.integration.events.dispatcher"
    draw = random.Random(11)

    async def start():
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, migrated, str(tmp_path), json.dumps(own)
        )

    for n in range(KILLS):
        async with company.unit(Actor(id="t", tenant=people[0].actor.tenant, kind="system")) as ctx:
            for who in people[n * EACH : (n + 1) * EACH]:
                ctx.emit(UserLocked(user_id=who.id))
        before = len(post.mails)
        process = await start()
        await until(lambda before=before: len(post.mails) > before, 20)
        await asyncio.sleep(draw.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        await process.wait()
    process = await start()
    try:
        wanted = {who.email for who in people}
        await until(lambda: {m.rcpt_tos[0] for m in post.mails} == wanted, 30)
    finally:
        process.terminate()
        await process.wait()
    idents = Counter()
    for mail in {(m.rcpt_tos[0], _ident(m.content)) for m in post.mails}:
        idents[mail[0]] += 1
    assert set(idents.values()) == {1}
    assert len(await company.notifications(type_code="account.locked")) == KILLS * EACH


def _ident(content):
    (line,) = [x for x in content.splitlines() if x.lower().startswith(b"message-id:")]
    return line
