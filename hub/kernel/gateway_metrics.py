"""A gateway's figures, read when somebody asks: nothing is counted twice on the hot path."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hub.kernel.gateway import Gateway
from hub.kernel.supervisor import State


class GatewayCollector:
    """Prometheus collector of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        points, status = self._gateway.points, self._gateway.journal.status()
        yield _total("busbar_readings_taken", "Readings that drivers gave", points.taken)
        yield _total("busbar_readings_kept", "Readings given to the buffer", points.kept)
        yield _total("busbar_readings_unknown", "Readings of unknown points", points.unknown)
        yield _total("busbar_buffer_dropped", "Readings dropped unsent", status.dropped)
        yield _gauge("busbar_points", "Points at work", len(points.by_key))
        yield _gauge("busbar_buffer_depth", "Readings the centre does not have", status.depth)
        yield _gauge("busbar_buffer_bytes", "Size of the buffer", status.bytes)
        yield _gauge("busbar_buffer_healthy", "Whether the buffer takes readings", status.healthy)
        yield from self._channels()

    def _channels(self) -> Iterator[Metric]:
        online = GaugeMetricFamily(
            "busbar_channel_online", "Whether the channel is online", labels=["channel"]
        )
        attempts = CounterMetricFamily(
            "busbar_channel_attempts", "Attempts to connect", labels=["channel"]
        )
        wire = CounterMetricFamily(
            "busbar_channel_bytes", "Bytes on the wire", labels=["channel", "way"]
        )
        devices = GaugeMetricFamily(
            "busbar_device_online", "Whether the device answers", labels=["channel", "device"]
        )
        periods = GaugeMetricFamily(
            "busbar_poll_achieved_seconds",
            "Time between the last two polls",
            labels=["channel", "device", "period"],
        )
        for name, channel in self._gateway.channels.items():
            supervisor = channel.supervisor
            online.add_metric([name], supervisor.state is State.ONLINE)
            attempts.add_metric([name], supervisor.attempts)
            wire.add_metric([name, "sent"], channel.link.sent)
            wire.add_metric([name, "received"], channel.link.received)
            for device in supervisor.devices.values():
                devices.add_metric([name, device.name], bool(device.online))
            for group in supervisor.schedule.groups:
                if group.achieved is not None:
                    labels = [name, group.line.name, f"{group.every:g}"]
                    periods.add_metric(labels, group.achieved)
        yield from (online, attempts, wire, devices, periods)


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)
