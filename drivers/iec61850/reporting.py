"""Which control blocks bring which points, and putting them to work."""

from collections.abc import Callable, Sequence

from msgspec import structs

from hub import Link, LinkError, NoResponse, ReadingBatch

from . import reports
from .config import Iec61850, ReportConfig
from .ied import Ied
from .mms.pdu import ObjectName, ServiceError
from .plan import Target
from .reports import WHOLE_BUFFER, Block, Report, Wish
from .subscription import Subscription

Arrived = Callable[[ReadingBatch, str, bytes | None], None]
_DYNAMIC = "LLN0$busbar"


class Reporting:
    """covered: points that reports bring. Those that none can bring are polled, and told."""

    def __init__(self, config: Iec61850, ied: Ied, link: Link) -> None:
        self._config, self._ied, self._link = config, ied, link
        self._seen: dict[int, int] = {}
        self._used: set[ObjectName] = set()
        self.covered: set[int] = set()
        self.subscriptions: list[Subscription] = []

    async def start(
        self, targets: Sequence[Target], arrived: Arrived, patient: bool = False
    ) -> None:
        """Enable the configured blocks, or those that fit; the rest is for polling.

        patient: raise LinkError while the device still holds a buffered block for an association
        of ours that broke: only that block knows what was missed.
        """
        blocks = await self._ied.blocks() if self._config.reports or self._wanted(targets) else []
        held = [b.name for b in blocks if b.taken and self._key(b) in self._link.state]
        if held and patient:
            raise LinkError(f"{held[0]} is still held for the association that broke")
        for wanted in self._config.reports:
            block = next((b for b in blocks if same(b.name, wanted.rcb)), None)
            if block is None:
                self._link.warn(wanted.rcb, "no such report control block: its points are polled")
                continue
            await self._use(block, targets, arrived, wanted)
        if self._config.auto_reports and not self._config.reports:
            await self._automatic(blocks, targets, arrived)
        left = [t for t in self._reportable(targets) if t.point not in self.covered]
        if left and (self._config.reports or self._config.auto_reports):
            text = f"{len(left)} points are in no report that is free: they are polled"
            self._link.warn(self._config.name, text)

    def _wanted(self, targets: Sequence[Target]) -> bool:
        return self._config.auto_reports and bool(self._reportable(targets))

    @staticmethod
    def _reportable(targets: Sequence[Target]) -> list[Target]:
        return [t for t in targets if t.owner.item.split("$")[1] in {"ST", "MX"}]

    async def _automatic(
        self, blocks: Sequence[Block], targets: Sequence[Target], arrived: Arrived
    ) -> None:
        ranked = sorted(blocks, key=lambda b: not b.buffered)
        for block in ranked:
            if block.data_set and not block.taken:
                await self._use(block, targets, arrived, None)
        if self._config.dynamic_data_sets:
            left = [t for t in self._reportable(targets) if t.point not in self.covered]
            for domain in dict.fromkeys(t.owner.domain for t in left):
                members = [t for t in left if t.owner.domain == domain]
                await self._dynamic(ranked, domain or "", members, arrived)

    async def _use(
        self,
        block: Block,
        targets: Sequence[Target],
        arrived: Arrived,
        wanted: ReportConfig | None,
    ) -> bool:
        """Enable a block if it brings points that nothing brings yet."""
        data_set = reports.free_name(wanted.dataset if wanted else "") or block.data_set
        try:
            members = await self._ied.members(data_set) if data_set else ()
        except ServiceError as error:
            self._link.warn(str(block.name), f"data set {data_set}: {error}")
            return False
        aimed = structs.replace(block, values={**block.values, "DatSet": data_set})
        fresh = [t for t in targets if t.point not in self.covered]
        subscription = Subscription(aimed, members, fresh, self._ied.model)
        if not subscription.points:
            return False
        return await self._enable(block, subscription, arrived, wanted)

    async def _enable(
        self,
        block: Block,
        subscription: Subscription,
        arrived: Arrived,
        wanted: ReportConfig | None,
    ) -> bool:
        name, key = str(block.name), self._key(block)

        def deliver(report: Report) -> None:
            self._deliver(subscription, key, report, arrived)

        entry = (self._link.state.get(key) or WHOLE_BUFFER) if block.buffered else None
        subscription.overflow_counts = entry != WHOLE_BUFFER
        wish = Wish(
            data_set=subscription.block.data_set,
            integrity_ms=wanted.integrity_ms if wanted else 0,
            gi=wanted.gi if wanted else True,
            entry=entry,
            reserve_s=self._config.reserve_s,
        )
        try:
            enabled = await self._ied.subscribe(block, wish, deliver, subscription.accepts)
        except (ServiceError, NoResponse) as error:
            self._link.warn(name, f"cannot be used: {error}")
            return False
        if not enabled.resumed:
            self._link.warn(name, "the device lost the last entry taken: events may be missing")
        self._used.add(block.name)
        if block.buffered:
            self._link.state.setdefault(key, b"")
        self.covered |= subscription.points
        self.subscriptions.append(subscription)
        return True

    async def _dynamic(
        self, blocks: Sequence[Block], domain: str, targets: Sequence[Target], arrived: Arrived
    ) -> None:
        """Make a data set for points in none, and a free block of that device report it."""
        free = [b for b in blocks if b.name not in self._used and not b.taken]
        block = next((b for b in free if b.name.domain == domain), None)
        if block is None:
            return
        name = ObjectName(f"{_DYNAMIC}{len(self.subscriptions)}", domain)
        members = list(dict.fromkeys(t.owner for t in targets))
        client = self._ied.client
        try:
            if name.item in self._ied.model.devices[domain].data_sets:
                await client.delete_data_set(name)
            await client.define_data_set(name, members)
        except ServiceError as error:
            self._link.warn(domain, f"takes no data set of ours: {error}")
            return
        self._ied.model.devices[domain].data_sets[name.item] = tuple(members)
        await self._use(block, targets, arrived, ReportConfig(rcb="", dataset=str(name)))

    def _deliver(
        self, subscription: Subscription, key: str, report: Report, arrived: Arrived
    ) -> None:
        where = str(subscription.block.name)
        if report.overflow and subscription.overflow_counts:
            self._link.warn(where, "the device's buffer overflowed: events before this were lost")
        elif not report.more:
            self._link.clear(where)
        subscription.overflow_counts |= not report.more
        batch = subscription.readings(report, self._link.now(), self._seen)
        arrived(batch, key, None if report.more else report.entry)

    def _key(self, block: Block) -> str:
        """Under which the last entry taken of a buffered block is kept."""
        return f"entry {self._config.host}:{self._config.port} {block.name}"


def same(name: ObjectName, reference: str) -> bool:
    """Whether `LD/LN.rcb` or the MMS name means this block."""
    domain, _, item = reference.replace(".", "$").partition("/")
    if name.domain != domain:
        return False
    node, _, block = name.item.split("$", 2)
    return item in {name.item, f"{node}${block}"}
