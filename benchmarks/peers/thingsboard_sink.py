"""What thingsboard-gateway talks to: answers its questions and counts every value it delivers.

    python -m benchmarks.peers.thingsboard_sink PORT OUT

Each second one line `time values` is appended to OUT.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

LIMITS = {
    "maxPayloadSize": 65536,
    "maxInflightMessages": 100,
    "rateLimits": {},
    "gatewayRateLimits": {},
}
QUESTION = "v1/devices/me/rpc/request/"


class Sink:
    """Counts values; the broker has acknowledged what arrives here."""

    def __init__(self, port: int) -> None:
        self.values = 0
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="sink", protocol=mqtt.MQTTv5
        )
        self.client.on_connect = lambda c, *_: c.subscribe(
            [(QUESTION + "+", 1), ("v1/gateway/#", 1)]
        )
        self.client.on_message = self.take
        self.client.connect("127.0.0.1", port, 60)
        self.client.loop_start()

    def take(self, client: mqtt.Client, _: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic == "v1/gateway/telemetry":
            for rows in json.loads(message.payload).values():
                self.values += sum(len(row["values"]) for row in rows)
        elif message.topic.startswith(QUESTION) and b"getSessionLimits" in message.payload:
            answer = "v1/devices/me/rpc/response/" + message.topic.removeprefix(QUESTION)
            client.publish(answer, json.dumps(LIMITS), qos=1)


def main() -> None:
    """Count until killed."""
    sink = Sink(int(sys.argv[1]))
    with Path(sys.argv[2]).open("a") as out:
        while True:
            out.write(f"{time.time():.3f} {sink.values}\n")
            out.flush()
            time.sleep(1.0)


if __name__ == "__main__":
    main()
