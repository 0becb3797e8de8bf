"""thingsboard-gateway from PyPI, headless: Modbus in, SQLite store, MQTT QoS 1 out to Mosquitto.

It is installed into a folder of its own. It would ask a host of its makers for updates, so the
benchmark runs it where there is no network but loopback.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

PACKAGES = (
    "setuptools<81",
    "wheel",
    "thingsboard-gateway==3.8.5",
    "pymodbus==3.9.2",
    "pyserial",
    "pyserial-asyncio",
    "packaging==23.1",
)
HOME = Path(__file__).parents[2] / ".cache" / "peers" / "thingsboard"


def install() -> Path | None:
    """The peer's interpreter; None with a message when it cannot be had."""
    python = HOME / "bin" / "python"
    if (HOME / ".ready").exists():
        return python
    shutil.rmtree(HOME, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        Console().print(f"thingsboard-gateway is not measured: {e}")
        return None
    (HOME / ".ready").touch()
    return python


def configure(
    folder: Path, python: Path, ports: Sequence[int], registers: int, broker: int
) -> None:
    """Write the files of a gateway that polls every register of every meter once a second."""
    shipped = next(python.parents[1].glob("lib/python3*/site-packages/thingsboard_gateway/config"))
    config = folder / "config"
    config.mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "logs").mkdir()
    slaves = [_slave(n, port, registers) for n, port in enumerate(ports)]
    modbus = {"name": "Modbus", "logLevel": "ERROR", "master": {"slaves": slaves}, "slave": None}
    main = json.loads((shipped / "tb_gateway.json").read_text())
    main["thingsboard"].update(
        host="127.0.0.1",
        port=broker,
        remoteConfiguration=False,
        remoteShell=False,
        qos=1,
        minPackSendDelayMS=50,
        statistics={"enable": False, "enableCustom": False},
        security={"type": "accessToken", "accessToken": "t"},
        reportStrategy={"type": "ON_RECEIVED"},
    )
    main["storage"] = {
        "type": "sqlite",
        "data_file_path": "./data/",
        "max_read_records_count": 1000,
        "writing_batch_size": 1000,
        "messages_ttl_in_days": 7,
        "size_limit": 1024,
        "max_db_amount": 10,
        "oversize_check_period": 1,
        "messages_ttl_check_in_hours": 1,
    }
    main["connectors"] = [{"type": "modbus", "name": "Modbus", "configuration": "modbus.json"}]
    logs = json.loads((shipped / "logs.json").read_text())
    for handler in logs["handlers"].values():
        if "filename" in handler:
            handler["filename"] = str(folder / "logs" / Path(handler["filename"]).name)
    for logger in logs.get("loggers", {}).values():
        logger["level"] = "ERROR"
    for name, content in (
        ("modbus", modbus),
        ("tb_gateway", main),
        ("logs", logs),
        ("connected_devices", {}),
    ):
        (config / f"{name}.json").write_text(json.dumps(content))


def _slave(number: int, port: int, registers: int) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "type": "tcp",
        "method": "socket",
        "unitId": 1,
        "deviceName": f"meter{number}",
        "deviceType": "default",
        "timeout": 5,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": 1,
        "pollPeriod": 1000,
        "connectAttemptTimeMs": 500,
        "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 30000,
        "attributes": [],
        "timeseries": [
            {
                "tag": "r${address}",
                "type": "16uint",
                "functionCode": 3,
                "objectsCount": 1,
                "address": f"0-{registers - 1}",
                "maxRegistersPerRequest": 125,
            }
        ],
        "attributeUpdates": [],
        "rpc": [],
    }


def start(folder: Path, python: Path) -> subprocess.Popen[bytes]:
    """Run the configured gateway."""
    with (folder / "gateway.out").open("ab") as out:
        return subprocess.Popen(
            [str(python), str(python.with_name("thingsboard-gateway"))],
            cwd=folder,
            env={"TB_GW_CONFIG_DIR": f"{folder / 'config'}/", "PATH": "/usr/bin:/bin"},
            stdout=out,
            stderr=out,
        )


def broker(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A Mosquitto for it, on loopback."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        "max_inflight_messages 0\npersistence false\n"
    )
    running = subprocess.Popen(
        [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.5)
    return running
