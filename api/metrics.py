"""Prometheus figures of the HTTP side; one registry per application."""

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests_total", "Requests", ("method", "route", "status"), registry=self.registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds",
            "Time to answer",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.connections = Gauge(
            "active_connections", "Open WebSockets", ("room",), registry=self.registry
        )
        self.database = Gauge(
            "database_connections", "Connections to PostgreSQL", ("state",), registry=self.registry
        )

        self.limited = Counter(
            "busbar_rate_limited_total", "Requests refused", ("class",), registry=self.registry
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        found = self._known.get((method, route, status))
        if found is None:
            found = (
                self.requests.labels(method, route, status),
                self.duration.labels(method, route),
            )
            self._known[method, route, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def render(self) -> bytes:
        return generate_latest(self.registry)


METRICS = web.AppKey("metrics", Metrics)
