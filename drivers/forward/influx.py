"""InfluxDB by its line protocol. The same reading sent twice is one point there."""

import asyncio
import base64
import gzip
import http.client
import logging
import math
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from hub import AuthError, ConfigError, LinkError, Point, ReadingBatch

from .settings import Influx

log = logging.getLogger(__name__)

_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_NAME = str.maketrans({",": r"\,", " ": r"\ "})
_TEXT = str.maketrans({"\\": "\\\\", '"': '\\"'})
_ANSWER = 4096  # bytes of an answer that are read


class InfluxForwarder:
    """Tags gateway, device, point, unit; fields value, text, quality; times in µs."""

    def __init__(self, target: Influx, gateway: str) -> None:
        self._target, self._gateway = target, gateway
        self._place = urlsplit(target.url)
        self._path = "/write?" + urlencode({"db": target.database, "precision": "u"})
        self._headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        if target.username:
            pair = f"{target.username}:{target.password}".encode()
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()

    async def send(self, batch: ReadingBatch, points: Mapping[int, Point]) -> None:
        body = lines(batch, points, self._target.measurement, self._gateway)
        status, answer = await asyncio.to_thread(self._post, body)
        if status in {200, 204}:
            return
        detail = f"{self._target.url}: status {status}: {answer}"
        if status in {401, 403}:
            raise AuthError(detail)
        if status == 404:
            raise ConfigError(detail)
        if status != 400:
            raise LinkError(detail)
        # What it cannot take it will never take, and the rest of the batch it has.
        log.error("forward %s: dropped: %s", self._target.name, answer, extra=_EXTRA)

    def _post(self, body: str) -> tuple[int, str]:
        """Blocks."""
        connection = self._connection()
        try:
            data = gzip.compress(body.encode(), 1)
            connection.request("POST", self._path, data, self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_ANSWER).decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as e:
            raise LinkError(f"{self._target.url}: {e or type(e).__name__}") from e
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        place, within = self._place.netloc, self._target.timeout
        if self._place.scheme == "http":
            return http.client.HTTPConnection(place, timeout=within)
        try:
            context = ssl.create_default_context(cafile=self._target.ca)
        except OSError as e:
            raise ConfigError(f"{self._target.ca}: {e}") from e
        return http.client.HTTPSConnection(place, timeout=within, context=context)


def lines(batch: ReadingBatch, points: Mapping[int, Point], measurement: str, gateway: str) -> str:
    """One line a reading; a value that is no finite number is left out, its quality is not."""
    begin: dict[int, str] = {}
    found: list[str] = []
    columns = (batch.point, batch.time, batch.value, batch.quality)
    for row, (point, time, value, quality) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if point not in begin:
            begin[point] = _series(points[point], measurement, gateway)
        fields = f"quality={quality}i"
        if math.isfinite(value):
            fields = f"value={value!r},{fields}"
        if row in batch.text:
            fields = f'text="{batch.text[row].translate(_TEXT)}",{fields}'
        found.append(f"{begin[point]} {fields} {time}\n")
    return "".join(found)


def _series(point: Point, measurement: str, gateway: str) -> str:
    tags = {
        "device": point.device,
        "gateway": gateway,
        "point": point.spec.name,
        "unit": point.spec.unit,
    }
    told = ",".join(f"{key}={word.translate(_TAG)}" for key, word in tags.items() if word)
    return f"{measurement.translate(_NAME)},{told}"


_EXTRA = {"action": "forward.influx"}
