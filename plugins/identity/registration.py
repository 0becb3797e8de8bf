"""Customers who make their own account, and people whom another provider vouches for."""

from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import func, select

from hub import Conflict, Ctx, Email, Forbidden, Phone, Reply, action, uuid7

from .accounts import ACCOUNTS, usable
from .credentials import Text, set_password
from .events import UserCreated
from .models import Role, Tenant, User, UserRole, UserType
from .opening import Delivery, SignedIn, open_session
from .recovery import send_confirmation

FullName = Annotated[str, Meta(min_length=3, max_length=200)]


class EmailTaken(Conflict):
    """This address has an account already."""

    code = "email_taken"


class RegistrationClosed(Forbidden):
    """Ask the company for an account."""

    code = "registration_closed"


class Register(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    email: Email
    password: Text
    full_name: FullName
    phone: Phone | None = None
    remember: bool = False
    token_delivery: Delivery = Delivery.COOKIE


@action("register", module="auth", public=True, status=201)
async def register(ctx: Ctx, body: Register) -> Reply[SignedIn]:
    """Make a customer's account and sign in."""
    user = await new_customer(ctx, body.email, body.full_name, body.phone)
    await set_password(ctx, user, body.password, reason="registered")
    await ctx.db.flush()
    await send_confirmation(ctx, user, user.email)
    cookie = body.token_delivery is Delivery.COOKIE
    opened = await open_session(ctx, user, remember=body.remember, cookie=cookie)
    return msgspec.structs.replace(opened, status=201)


async def new_customer(
    ctx: Ctx, email: str, full_name: str | None, phone: str | None = None, *, verified: bool = False
) -> User:
    """A customer of the company that registration is for, with the role of customers."""
    settings = ctx.get(ACCOUNTS).settings
    if not settings.registration:
        raise RegistrationClosed
    tenant = await ctx.db.scalar(select(Tenant).where(Tenant.code == settings.tenant))
    if tenant is None:
        raise RegistrationClosed
    taken = select(User.id).where(User.tenant == tenant.id, func.lower(User.email) == email.lower())
    if await ctx.db.scalar(taken) is not None:
        raise EmailTaken(field="email")
    user = User(
        id=uuid7(),
        tenant=tenant.id,
        email=email,
        full_name=full_name,
        phone=phone,
        user_type=UserType.CUSTOMER,
        is_active=True,
        is_verified=verified,
        must_change_password=False,
        perm_version=1,
        locale=tenant.default_locale,
    )
    usable(user, tenant)
    ctx.db.add(user)
    await ctx.db.flush()
    role = await ctx.db.scalar(
        select(Role.id).where(Role.tenant == tenant.id, Role.code == "customer")
    )
    if role is not None:
        ctx.db.add(UserRole(tenant=tenant.id, user_id=user.id, role_id=role))
        await ctx.db.flush()
    ctx.emit(UserCreated(user_id=user.id), tenant=tenant.id)
    return user
