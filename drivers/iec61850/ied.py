"""One associated IED: its client, model, controls, and where its reports go."""

import ssl
from collections.abc import Callable, Sequence

from msgspec import Struct

from hub import HubError, ProtocolError

from . import reports, settings
from .association import Association, Options, Wire
from .client import Client
from .control import Controls
from .mms import services
from .mms.pdu import ObjectName
from .model import Model, discover, gather
from .reports import Block, Report, Wish
from .settings import SettingGroups

OnReport = Callable[[Report], None]


class Listener(Struct, frozen=True):
    block: Block
    accepts: Callable[[Report], bool]
    deliver: OnReport


class Ied:
    """Dispatches what comes unasked: reports to their listeners, terminations to controls."""

    def __init__(self, association: Association, termination_timeout: float = 10.0) -> None:
        self.association = association
        self.client = Client(association)
        self.controls = Controls(self.client, termination_timeout)
        self.model = Model()
        self.on_stray: Callable[[str], None] | None = None
        self._listeners: list[Listener] = []
        association.on_unconfirmed = self._unconfirmed

    @classmethod
    async def open(
        cls,
        host: str,
        port: int = 102,
        options: Options | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        wire: Wire | None = None,
        termination_timeout: float = 10.0,
    ) -> "Ied":
        """Associate. The model stays empty until `discover`."""
        association = await Association.open(host, port, options or Options(), tls=tls, wire=wire)
        return cls(association, termination_timeout)

    async def discover(self, known: Model | None = None) -> Model:
        """Read the model; types of `known` are taken over where the device's names agree."""
        self.model = await discover(self.client, known)
        return self.model

    async def blocks(self) -> list[Block]:
        """All report control blocks with their present values."""
        found = self.model.report_blocks()
        return await gather(reports.read_block(self.client, name, kind) for name, kind in found)

    async def members(self, reference: str) -> Sequence[ObjectName]:
        """Members of the data set `LD/LN$name`."""
        domain, _, item = reports.free_name(reference).partition("/")
        device = self.model.devices.get(domain)
        if device is not None and item in device.data_sets:
            return device.data_sets[item]
        name = (
            ObjectName(item, domain) if item else ObjectName(domain.removeprefix("@"), None, True)
        )
        members, _ = await self.client.members(name)
        return members

    async def subscribe(
        self,
        block: Block,
        wish: Wish,
        deliver: OnReport,
        accepts: Callable[[Report], bool] | None = None,
    ) -> Block:
        """Enable a block; its reports are delivered from before it is enabled."""
        data_set = wish.data_set or block.data_set
        listener = Listener(block, accepts or _by_id(block, data_set), deliver)
        self._listeners.append(listener)
        try:
            return await reports.enable(self.client, block, wish)
        except HubError:
            self._listeners.remove(listener)
            raise

    async def unsubscribe(self, block: Block) -> None:
        self._listeners = [each for each in self._listeners if each.block.name != block.name]
        await reports.disable(self.client, block)

    def setting_groups(self, domain: str) -> SettingGroups:
        """The setting groups of a logical device. Raises LookupError when it has none."""
        return settings.of(self.client, self.model, domain)

    async def close(self) -> None:
        await self.association.conclude()

    def _unconfirmed(self, buf: bytes, start: int, stop: int) -> None:
        report = services.information_report(buf, start, stop)
        if report.name is None:
            if not self.controls.unconfirmed(report):
                self._stray("values that are neither a report nor a control's end")
            return
        if report.name.item != "RPT":
            self._stray(f"information report {report.name}")
            return
        try:
            decoded = reports.decode(report.values)
        except ProtocolError as error:
            self._stray(str(error))
            return
        for listener in self._listeners:
            if listener.accepts(decoded):
                listener.deliver(decoded)
                return
        self._stray(f"report {decoded.report_id!r} of a block that is not ours")

    def _stray(self, what: str) -> None:
        if self.on_stray:
            self.on_stray(what)


def _by_id(block: Block, data_set: str) -> Callable[[Report], bool]:
    def accepts(report: Report) -> bool:
        same = report.data_set is None or report.data_set == data_set
        return report.report_id == block.report_id and same

    return accepts
