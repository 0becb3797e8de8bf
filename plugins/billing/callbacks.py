"""Callbacks of payment providers: believed for one thing, that it is worth asking."""

from typing import Any

from msgspec import Struct
from sqlalchemy import select

from hub import (
    Actor,
    Conflict,
    Ctx,
    HubError,
    Invalid,
    NotFound,
    Permanent,
    Queue,
    RawRequest,
    Reply,
    Run,
    Scope,
    action,
    job,
)
from plugins.identity import Tenant

from .models_payments import Channel, Means, Tender
from .providers import PROVIDERS
from .receiving import Money, receive


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """A payment to ask a provider for."""

    provider: str
    reference: str


class Noted(Struct, kw_only=True):
    reference: str


@action("callbacks/{provider}", public=True, scope=Scope.SYSTEM, status=202, rate="webhook_in")
async def callback(ctx: Ctx, provider: str, raw: RawRequest) -> Reply[Noted]:
    """Hear from a provider that signs; the payment is asked for, whatever the callback says."""
    known = ctx.get(PROVIDERS).get(provider)
    if known is None:
        raise NotFound(f"there is no provider {provider}")
    reference = known.told(raw, ctx.clock())
    tenant = await ctx.db.scalar(select(Tenant.id).where(Tenant.code == known.company))
    if tenant is None:
        raise NotFound(f"there is no company {known.company}")
    ctx.act_as(Actor(id=f"provider:{provider}", tenant=tenant, kind="system"))
    asked = Ask(provider, reference)
    await ctx.jobs.start(ctx, ask_provider, asked, key=f"payment/{provider}/{reference}")
    return Reply(body=Noted(reference=reference), status=202)


class Pending(HubError):
    """The provider has not decided yet: it is asked again later."""

    code = "payment_pending"


@job("billing_ask_provider", queue=Queue.IO, retries=6, timeout=120)
async def ask_provider(run: Run, params: Ask) -> dict[str, Any]:
    """Ask a provider for a payment, and take what it says that it holds."""
    async with run.unit() as ctx:
        provider, http = ctx.get(PROVIDERS)[params.provider], ctx.http
    said = await provider.ask(http, params.reference)
    if said.state == "pending":
        raise Pending(f"{params.provider} has not decided about {params.reference}")
    if said.state == "failed":
        return {"state": said.state}
    async with run.unit() as ctx:
        money = Money(
            account=said.account,
            source=provider.name,
            reference=params.reference,
            currency=said.currency,
            tenders=(Tender(means=Means.CLEARING, amount=said.amount),),
        )
        try:
            done = await receive(ctx, money, Channel.CALLBACK)
        except (NotFound, Conflict, Invalid) as error:
            raise Permanent(f"{provider.name} holds {params.reference}: {error}") from None
        return {"state": said.state, "payment": done.payment.payment_no}
