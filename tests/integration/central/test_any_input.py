"""Every endpoint under requests made from its own description, valid ones and others."""

import asyncio
import contextlib
import time
import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

from hub.testing.pytest_plugin import MODULES

CHECKS = (
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
ROUNDS, EXAMPLES, SECONDS = 4, 2, 25.0
TOLD = ("Traceback", 'File "', "psycopg", "sqlalchemy", "SELECT ", "password_hash", "$argon2")


@pytest.fixture(scope="session")
def busbar_modules():
    """With the store of readings, so that every endpoint finds what it needs."""
    return (*MODULES, "sync")


def press(document, url, headers):
    """Ask every operation once well and once badly, then again while there is time."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    ends = time.monotonic() + SECONDS
    for number in range(ROUNDS):
        for operation in operations:
            if number and time.monotonic() > ends:
                return
            _one(operation, schemathesis.GenerationMode.POSITIVE, number, url, headers)
            if operation.body or any(operation.iter_parameters()):
                with contextlib.suppress(Unsatisfiable):
                    _one(operation, schemathesis.GenerationMode.NEGATIVE, number, url, headers)


def _one(operation, mode, number, url, headers):
    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        given_ = {k: v for k, v in headers.items() if k not in (case.headers or {})}
        response = case.call(base_url=url, headers=given_, timeout=20)
        assert response.status_code < 500, (operation.label, case.as_curl_command())
        for secret in TOLD:
            assert secret.encode() not in response.content, (operation.label, secret)
        case.validate_response(response, checks=CHECKS)

    ask()


@pytest.mark.filterwarnings("ignore")
async def test_no_request_breaks_an_endpoint_or_gets_an_answer_that_is_not_described(
    client, sign_in
):
    document = await (await client.get("/openapi.json")).json()
    me = await sign_in("*")
    url = f"http://{client.host}:{client.port}"
    await asyncio.to_thread(press, document, url, me)
