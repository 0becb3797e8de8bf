"""From the command line: a virtual meter is served, a token is issued for it and typed in."""

import asyncio
import os
import re
import sys
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from tests.waiting import until


async def busbar(*arguments: str, folder: Path) -> asyncio.subprocess.Process:
    program = Path(sys.executable).with_name("busbar")
    return await asyncio.create_subprocess_exec(
        str(program), *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


async def test_a_token_issued_on_the_command_line_is_taken_by_a_served_meter(
    tmp_path: Path,
) -> None:
    served = await busbar("simulate", "prepaid", "--keys", "keys.toml", folder=tmp_path)
    assert served.stdout
    try:
        async with asyncio.timeout(30):
            first, second = [(await served.stdout.readline()).decode() for _ in range(2)]
        port = re.search(r":(\d+) ", first)
        pan = re.search(r"\d{18}", second)
        assert port
        assert pan
        issue = ["sts", "issue", "units", "12.5", "--meter", pan[0], "--sgc", "201457"]
        issuing = await busbar(*issue, "--keys", "keys.toml", folder=tmp_path)
        digits = (await issuing.communicate())[0].decode().replace(" ", "").strip()
        client = AsyncModbusTcpClient("127.0.0.1", port=int(port[1]))
        await client.connect()
        words = [int.from_bytes(digits[i : i + 2].encode(), "big") for i in range(0, 20, 2)]
        await client.write_registers(32, words, device_id=1)

        async def credited() -> bool:
            read = await client.read_holding_registers(6, count=3, device_id=1)
            return 1240 < read.registers[1] <= 1250 and read.registers[2] == 1

        await until(credited)
        client.close()
    finally:
        served.terminate()
        await served.communicate()
    assert served.returncode == 0
