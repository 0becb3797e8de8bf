"""Settings of accounts: the table `[plugin.identity]`."""

from msgspec import Struct


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where people may sign in instead of here, by OpenID Connect.

    issuer: its address; the rest is found below it. client_id: ours there. redirect_uri: the page
    of our console that gets the code.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    redirect_uri: str = ""
    title: str = ""
    scopes: tuple[str, ...] = ("openid", "email", "profile")


class IdentitySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """registration: whether customers may register. tenant: code of the company they belong to."""

    registration: bool = True
    tenant: str = "main"
    providers: dict[str, Provider] = {}
