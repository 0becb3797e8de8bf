"""Prometheus metrics of one process; no global registry, so that two hubs do not mix."""

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

from hub.kernel.app import Key

METRICS = Key[CollectorRegistry]("metrics")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def registry() -> CollectorRegistry:
    """A registry that already tells of the process, the interpreter and the collector."""
    metrics = CollectorRegistry()
    ProcessCollector(registry=metrics)
    PlatformCollector(registry=metrics)
    GCCollector(registry=metrics)
    return metrics


def text(metrics: CollectorRegistry) -> bytes:
    """What a scrape gets (`CONTENT_TYPE`)."""
    return generate_latest(metrics)
