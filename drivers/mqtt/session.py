"""One connection to a broker, seen as a session of the hub."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hub import (
    AuthError,
    Cause,
    Command,
    ConfigError,
    Link,
    LinkError,
    NoResponse,
    Outcome,
    ProtocolError,
    ReadingBatch,
    Result,
    Session,
)

from .config import Broker
from .dialect import Dialect, Publication
from .rows import Rows

BATCH = 1000  # messages that become one batch at most
QUIET, RETAINED = 0.1, 1.0  # s without a message, and at most, that retained ones are awaited
FAREWELL = 1.0  # s for the last message of a session
# CONNACK codes that no repetition will cure: MQTT 3.1.1 4 and 5, MQTT 5 from 0x86 to 0x8C.
_REFUSED = frozenset({4, 5, 134, 135, 138, 140})


class MqttSession(Session):
    def __init__(
        self,
        config: Broker,
        client: aiomqtt.Client,
        inbox: "asyncio.Queue[aiomqtt.Message]",
        dialect: Dialect,
        link: Link,
    ) -> None:
        self._config, self._client, self._inbox = config, client, inbox
        self._dialect, self._link = dialect, link
        self.refused = 0
        self._troubled: set[str] = set()

    async def startup(self) -> ReadingBatch:
        """Subscribe again, greet, and take what the broker retained or kept for us."""
        topics = [(topic, int(self._config.qos)) for topic in self._dialect.topics()]
        with _link_errors():
            for at in range(0, len(topics), 100):
                await self._client.subscribe(topics[at : at + 100])
            await self._publish(self._dialect.greeting(self._link.now()))
        rows = Rows()
        loop = asyncio.get_running_loop()
        end = loop.time() + RETAINED
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(QUIET, left)):
                    message = await self._inbox.get()
            except TimeoutError:
                break
            with _link_errors():
                await self._publish(self._take(message, rows))
        return rows.batch(Cause.STARTUP)

    async def events(self) -> AsyncIterator[ReadingBatch]:
        """Batches as large as what has come meanwhile: one message at rest, many under load."""
        messages, inbox = self._client.messages, self._inbox
        with _link_errors():
            async for message in messages:
                rows = Rows()
                answers = [*self._take(message, rows)]
                for _ in range(BATCH):
                    if inbox.empty():
                        break
                    answers += self._take(inbox.get_nowait(), rows)
                await self._publish(answers)
                if rows:
                    yield rows.batch(Cause.EVENT)

    async def operate(self, command: Command) -> Result:
        """Publish the order. The broker has it then; that the device did it is for it to say."""
        now = self._link.now()
        if now >= command.expires:
            return Result(outcome=Outcome.EXPIRED)
        order = self._dialect.order(command, now)
        if isinstance(order, Result):
            return order
        with _link_errors():
            await self._publish([order])
        return Result(outcome=Outcome.ACCEPTED, detail="published; the feedback point confirms it")

    async def publish(self, publication: Publication) -> None:
        """Hand one message to the broker.

        LinkError when it does not have it, NoResponse when it did not say that it has.
        """
        try:
            await self._publish([publication])
        except aiomqtt.MqttCodeError as error:
            raise LinkError(str(error)) from error
        except aiomqtt.MqttError as error:
            raise NoResponse(f"the broker confirms nothing: {error}") from error

    def _take(self, message: aiomqtt.Message, rows: Rows) -> Iterable[Publication]:
        topic, payload, link = message.topic.value, message.payload, self._link
        body = payload if isinstance(payload, bytes) else b""
        device = self._dialect.device(topic)
        link.wire(device, False, body, topic)
        try:
            answers = self._dialect.read(topic, body, link.now(), rows)
        except ProtocolError as error:
            self.refused += 1
            self._troubled.add(device)
            link.warn(device, f"{topic}: {error}")
            return ()
        if device in self._troubled:
            self._troubled.discard(device)
            link.clear(device)
        return answers

    async def _publish(self, publications: Iterable[Publication]) -> None:
        for each in publications:
            self._link.wire(self._dialect.device(each.topic), True, each.payload, each.topic)
            await self._client.publish(
                each.topic,
                each.payload,
                qos=each.qos,
                retain=each.retain,
                properties=self._properties(each),
                timeout=self._config.request_timeout,
            )

    def _properties(self, publication: Publication) -> Properties | None:
        if self._config.protocol != "5" or publication.expires is None:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = publication.expires
        return properties


@asynccontextmanager
async def connect(
    config: Broker, dialect: Dialect, link: Link, kind: type[MqttSession] = MqttSession
) -> AsyncIterator[MqttSession]:
    """A session with the broker; LinkError, AuthError or ConfigError when there is none."""
    inbox: asyncio.Queue[aiomqtt.Message] = asyncio.Queue(config.backlog)
    will = dialect.will(link.now())
    client = aiomqtt.Client(
        config.host,
        config.tcp_port,
        username=config.username,
        password=config.password,
        identifier=config.client_id or f"busbar-{config.name}",
        queue_type=lambda maxsize: inbox,  # type: ignore[arg-type]
        max_queued_incoming_messages=config.backlog,
        keepalive=config.keepalive,
        timeout=config.request_timeout,
        tls_context=await asyncio.to_thread(_tls, config) if config.secure else None,
        will=_will(will),
        **_session(config),
    )
    with _link_errors():
        await client.__aenter__()
    try:
        yield kind(config, client, inbox, dialect, link)
    finally:
        # The broker may be gone already. A will is not published for those who say goodbye.
        with contextlib.suppress(aiomqtt.MqttError):
            if will is not None:
                await client.publish(
                    will.topic, will.payload, will.qos, will.retain, timeout=FAREWELL
                )
        with contextlib.suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


def _session(config: Broker) -> dict[str, Any]:
    """How the session outlives the connection, in the words of the protocol's version."""
    if config.protocol == "3.1.1":
        return {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": config.clean}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 0 if config.clean else config.session_expiry
    return {
        "protocol": aiomqtt.ProtocolVersion.V5,
        "clean_start": config.clean,
        "properties": properties,
    }


def _will(publication: Publication | None) -> aiomqtt.Will | None:
    if publication is None:
        return None
    return aiomqtt.Will(publication.topic, publication.payload, publication.qos, publication.retain)


def _tls(config: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.cert:
            context.load_cert_chain(config.cert, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{config.name!r}: TLS files: {error}") from error
    return context


class _link_errors:  # noqa: N801 - used as a statement
    """Turn the client's errors into the hub's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiomqtt.MqttCodeError):
            code = error.rc
            number = code if isinstance(code, int) else getattr(code, "value", None)
            if number in _REFUSED:
                raise AuthError(f"the broker refuses us: {error}") from error
        if isinstance(error, aiomqtt.MqttError):
            raise LinkError(str(error)) from error
