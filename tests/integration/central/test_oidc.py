"""Sign-in by another provider, against one that runs here."""

import base64
import hashlib
import time
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import func, select

from hub import UNIT
from plugins.identity import ACCOUNTS, bootstrap
from plugins.identity.models import User
from plugins.identity.settings import IdentitySettings, Provider

AUTH = "/api/v1/auth"


class Issuer:
    """An OpenID provider with one person. codes: code → (challenge, nonce)."""

    def __init__(self):
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.person = {"sub": "p1", "email": "Lina@mail.example", "email_verified": True}
        self.person["name"] = "Lina Haddad"
        self.codes, self.url, self.down = {}, "", False

    async def about(self, _):
        if self.down:
            raise web.HTTPServiceUnavailable
        ends = {n: f"{self.url}/{n}" for n in ("authorization_endpoint", "token_endpoint")}
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **ends})

    async def jwks(self, _):
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request):
        form = await request.post()
        challenge, nonce = self.codes.pop(form["code"], (None, None))
        hashed = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(hashed).decode().rstrip("=") != challenge:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"id_token": self.sign(nonce=nonce)})

    def sign(self, **more):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "busbar", "iat": now, "exp": now + 300}
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, claims | self.person | more, self.key)

    def agree(self, url):
        """What the browser comes back with."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
        self.codes["c1"] = (asked["code_challenge"], asked["nonce"])
        return {"code": "c1", "state": asked["state"]}


@pytest.fixture
async def issuer(central):
    made, app = Issuer(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.about)
    app.router.add_get("/jwks", made.jwks)
    app.router.add_post("/token_endpoint", made.token)
    async with TestServer(app) as server:
        made.url = str(server.make_url("")).rstrip("/")
        accounts = central.get(ACCOUNTS)
        provider = Provider(issuer=made.url, client_id="busbar", redirect_uri="https://c.example/")
        accounts.settings = IdentitySettings(providers={"google": provider, "office": provider})
        await bootstrap(central.get(UNIT), accounts)
        yield made


async def people(central):
    async with central.get(UNIT).system() as ctx:
        return await ctx.db.scalar(select(func.count()).select_from(User))


async def own(client):
    """What a page of ours sends along with a cookie."""
    token = (await (await client.get("/api/v1/system/csrf-token")).json())["csrf_token"]
    return {"Origin": f"http://{client.host}:{client.port}", "X-CSRF-Token": token}


async def test_a_person_comes_back_with_a_code_and_is_signed_in(client, issuer):
    begun = await (await client.post(f"{AUTH}/oidc/office/start")).json()
    body = issuer.agree(begun["url"])
    url = f"{AUTH}/oidc/office/callback"
    forged = await client.post(url, json=body | {"state": "other"}, headers=await own(client))
    assert forged.status == 400
    answer = await client.post(url, json=body, headers=await own(client))
    done = await answer.json()
    assert (answer.status, done["user"]["email"]) == (200, "Lina@mail.example"), done
    assert done["user"]["is_verified"] is True
    again = await client.post(url, json=body, headers=await own(client))
    assert again.status == 400


async def test_a_code_means_nothing_to_another_browser(client, issuer):
    begun = await (await client.post(f"{AUTH}/oidc/office/start")).json()
    client.session.cookie_jar.clear()
    body = issuer.agree(begun["url"])
    answer = await client.post(f"{AUTH}/oidc/office/callback", json=body, headers=await own(client))
    assert answer.status == 400


async def test_the_same_person_is_known_again(client, issuer, central):
    before = await people(central)
    for _ in range(2):
        answer = await client.post(f"{AUTH}/google", json={"credential": issuer.sign()})
        assert answer.status == 200, await answer.text()
    assert await people(central) == before + 1


async def test_a_confirmed_address_is_linked_and_another_is_not(client, issuer, central):
    before = await people(central)
    issuer.person |= {"sub": "boss", "email": "ADMIN@busbar.example"}
    bad = issuer.sign(email_verified=False)
    assert (await client.post(f"{AUTH}/google", json={"credential": bad})).status == 401
    good = await client.post(f"{AUTH}/google", json={"credential": issuer.sign()})
    assert (await good.json())["user"]["username"] == "admin"
    assert await people(central) == before


@pytest.mark.parametrize(
    "wrong", [{"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}, {"iat": None}]
)
async def test_a_token_that_is_not_for_us_makes_nobody(client, issuer, central, wrong):
    before = await people(central)
    answer = await client.post(f"{AUTH}/google", json={"credential": issuer.sign(**wrong)})
    assert answer.status == 401
    assert await people(central) == before


async def test_another_ones_signature_is_refused_and_a_new_key_is_found(client, issuer, central):
    assert (await client.post(f"{AUTH}/google", json={"credential": issuer.sign()})).status == 200
    known, issuer.key = issuer.key, RSAKey.generate_key(2048, {"kid": "two"})
    credential = {"credential": issuer.sign()}
    assert (await client.post(f"{AUTH}/google", json=credential)).status == 401
    from plugins.identity.oidc import OIDC

    for read in central.get(OIDC)._known.values():
        read.read -= 3600
    assert (await client.post(f"{AUTH}/google", json=credential)).status == 200
    issuer.key = known
    none = msgspec.json.encode({"alg": "none"})
    forged = base64.urlsafe_b64encode(none).decode().rstrip("=") + ".e30."
    assert (await client.post(f"{AUTH}/google", json={"credential": forged})).status == 401


async def test_a_provider_that_is_away_is_told_and_an_unknown_one_not_found(client, issuer):
    issuer.down = True
    answer = await client.post(f"{AUTH}/google", json={"credential": "x.y.z"})
    assert (answer.status, (await answer.json())["error_code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert (await client.post(f"{AUTH}/oidc/nobody/start")).status == 404
