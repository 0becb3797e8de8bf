"""The ledger of the centre, in its database: one identifier once, whichever process issues."""

from sqlalchemy import func, select

from hub import Actor, Conflict, Ctx, NotFound, UnitOfWork

from .ledger import Reservation
from .models import Issuance
from .standard import TID_LIMIT


class Book:
    """`Ledger` in transactions of its own: what is reserved stays so, whatever the caller does."""

    def __init__(self, unit: UnitOfWork, actor: Actor) -> None:
        self._unit, self._actor = unit, actor

    async def reserve(self, wanted: Reservation, limit: int = TID_LIMIT - 1) -> Reservation:
        """See `Ledger`; Conflict also if it was taken back."""
        async with self._unit(self._actor) as ctx:
            await _lock(ctx, wanted.pan)
            known = await _row(ctx, wanted.pan, wanted.transaction)
            if known is not None:
                made = _reservation(known).same_as(wanted)
                if known.is_void:
                    raise Conflict(f"the tokens of {wanted.transaction!r} were taken back")
                return made
            last = select(func.max(Issuance.tid)).where(
                Issuance.pan == wanted.pan, Issuance.base == wanted.base
            )
            made = wanted.after(await ctx.db.scalar(last), limit)
            ctx.db.add(
                Issuance(
                    pan=made.pan,
                    reference=made.transaction,
                    base=made.base,
                    tid=made.tid,
                    number=made.random,
                    fingerprint=made.fingerprint,
                )
            )
            return made

    async def void(self, wanted: Reservation) -> None:
        """Take back what was reserved; its identifier is not used again."""
        async with self._unit(self._actor) as ctx:
            await _lock(ctx, wanted.pan)
            known = await _row(ctx, wanted.pan, wanted.transaction)
            if known is None:
                raise NotFound(f"nothing was issued under {wanted.transaction!r}")
            _reservation(known).same_as(wanted)
            known.is_void = True


async def _lock(ctx: Ctx, pan: str) -> None:
    """One at a time for a meter, until the transaction ends."""
    await ctx.db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"sts {pan}", 0))))


async def _row(ctx: Ctx, pan: str, reference: str) -> Issuance | None:
    row: Issuance | None = await ctx.db.scalar(
        select(Issuance).where(Issuance.pan == pan, Issuance.reference == reference)
    )
    return row


def _reservation(row: Issuance) -> Reservation:
    return Reservation(
        pan=row.pan,
        base=row.base,
        transaction=row.reference,
        fingerprint=row.fingerprint,
        tid=row.tid,
        random=row.number,
    )
