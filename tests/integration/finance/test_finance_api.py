"""The books over HTTP, with the worked examples of their specification."""

from uuid import UUID

import pytest

URL = "/api/v1/finance"
DAY = "2026-06-15"
CASH, SALES = "1110", "4110"
SPAN = {"from": "2026-01-01", "to": "2026-06-30"}


@pytest.fixture
async def me(client, sign_in):
    headers = await sign_in("finance.*")
    body = {"currency": "KWD", "year": 2026}
    assert (await client.post(f"{URL}/setup", json=body, headers=headers)).status == 204
    return headers


async def call(client, me, method, path, body=None, status=200, **query):
    answer = await client.request(method, f"{URL}/{path}", json=body, params=query, headers=me)
    assert answer.status == status, await answer.text()
    return await answer.json() if status != 204 else None


def draft(debit="100.000", credit="100.000", account=CASH, **more):
    lines = [{"account": account, "debit": debit}, {"account": SALES, "credit": credit}]
    return {"entry_date": DAY, "description": "Sale", "lines": lines, **more}


async def posted(client, me, *given):
    ids = []
    for body in given:
        made = await call(client, me, "POST", "journal-entries", body, 201)
        await call(client, me, "POST", f"journal-entries/{made['id']}/post")
        ids.append(made["id"])
    return ids


async def test_an_unbalanced_entry_is_refused_with_its_difference(client, me):
    answer = await call(client, me, "POST", "journal-entries", draft(credit="90.000"), 400)
    assert answer["error_code"] == "UNBALANCED"
    assert "10.000 KWD" in answer["detail"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (draft(debit="0.0001", credit="0.0001"), 422),
        (draft(debit="-5", credit="-5"), 422),
        (draft(account="1210"), 201),
        (draft(account="none"), 400),
        (draft(debit="1e3", credit="1e3"), 422),
    ],
)
async def test_amounts_are_text_with_the_decimals_of_the_currency(client, me, given, status):
    await call(client, me, "POST", "journal-entries", given, status)


async def test_a_draft_has_no_number_can_be_changed_and_thrown_away(client, me):
    made = await call(client, me, "POST", "journal-entries", draft(), 201)
    assert (made["status"], made["entry_no"]) == ("draft", None)
    one = f"journal-entries/{made['id']}"
    changed = await call(client, me, "PUT", one, draft("7.5", "7.5"))
    assert changed["lines"][0]["debit"] == "7.500"
    report = await call(client, me, "GET", "reports/trial-balance", **SPAN)
    assert report["rows"] == []
    await call(client, me, "DELETE", one, status=204)
    await call(client, me, "GET", one, status=404)


async def test_a_posted_entry_stays_and_its_reversal_sums_to_zero(client, me):
    (ident,) = await posted(client, me, draft())
    one = f"journal-entries/{ident}"
    assert (await call(client, me, "PUT", one, draft(), 409))["error_code"] == "CONFLICT"
    await call(client, me, "DELETE", one, status=409)
    await call(client, me, "POST", f"{one}/post", status=409)
    back = await call(client, me, "POST", f"{one}/reverse", {"reason": "wrong"})
    assert (back["reversed_entry_id"], back["entry_no"]) == (ident, "JV-2026-000002")
    first = await call(client, me, "GET", one)
    assert (first["status"], first["reversed_by_id"]) == ("reversed", back["id"])
    report = await call(client, me, "GET", "reports/trial-balance", **SPAN)
    assert {r["closing_debit"] for r in report["rows"]} == {"0.000"}
    listed = await call(client, me, "GET", "journal-entries", status__in="posted,reversed")
    assert listed["total"] == 2


async def test_a_draft_stands_in_the_way_of_closing(client, me):
    january = (await call(client, me, "GET", "periods", period_no=1))["items"][0]
    made = await call(
        client, me, "POST", "journal-entries", draft() | {"entry_date": "2026-01-05"}, 201
    )
    one = f"periods/{january['id']}"
    refused = await call(client, me, "POST", f"{one}/close", {}, 409)
    assert made["id"] in str(refused["details"])
    check = await call(client, me, "GET", f"{one}/close-check")
    assert (check["can_close"], check["drafts"]) == (False, [made["id"]])
    await call(client, me, "POST", f"journal-entries/{made['id']}/post")
    assert (await call(client, me, "POST", f"{one}/close", {}))["status"] == "closed"
    late = await call(
        client, me, "POST", "journal-entries", draft() | {"entry_date": "2026-01-06"}, 201
    )
    refused = await call(client, me, "POST", f"journal-entries/{late['id']}/post", status=409)
    assert refused["error_code"] == "PERIOD_CLOSED"


async def test_statements_agree_with_each_other(client, me):
    pay = {
        "entry_date": "2026-06-16",
        "description": "Salaries",
        "lines": [{"account": "5200", "debit": "30"}, {"account": CASH, "credit": "30"}],
    }
    await posted(client, me, draft(), pay)
    income = await call(client, me, "GET", "reports/income-statement", **SPAN)
    assert income["totals"]["KWD"] == {
        "revenue": "100.000",
        "expense": "30.000",
        "result": "70.000",
    }
    sheet = await call(client, me, "GET", "reports/balance-sheet", **SPAN)
    assert sheet["totals"]["KWD"]["asset"] == sheet["totals"]["KWD"]["result"] == "70.000"
    assert sheet["totals"]["KWD"]["difference"] == "0.000"
    trial = (await call(client, me, "GET", "reports/trial-balance", **SPAN))["totals"]["KWD"]
    assert trial["closing_debit"] == trial["closing_credit"] == "100.000"
    ledger = await call(client, me, "GET", "reports/general-ledger", **SPAN)
    assert len(ledger["rows"]) == 4
    cash = (await call(client, me, "GET", "accounts", code=CASH))["items"][0]
    moved = await call(client, me, "GET", f"accounts/{cash['id']}/transactions", **SPAN)
    assert [m["balance"] for m in moved] == ["100.000", "70.000"]
    at = await call(client, me, "GET", f"accounts/{cash['id']}/balance", date="2026-06-15")
    assert (at["opening"], at["debit"], at["closing"]) == ("0.000", "100.000", "100.000")
    tree = await call(client, me, "GET", "accounts/tree", date="2026-06-30")
    assert [n["code"] for n in tree] == ["1000", "2000", "3000", "4000", "5000"]
    assert tree[0]["balance"]["KWD"] == "70.000"
    await call(client, me, "GET", "reports/no-such-report", status=404)


async def test_debts_are_aged_and_payments_settle_the_oldest(client, me):
    party = {"party_type": "customer", "party_id": str(UUID(int=5))}

    def move(day, debit="0", credit="0"):
        lines = [
            {"account": "@receivables", "debit": debit, "credit": credit, **party},
            {"account": SALES, "debit": credit, "credit": debit},
        ]
        return {"entry_date": day, "description": "x", "lines": lines}

    await posted(
        client,
        me,
        move("2026-01-10", "50"),
        move("2026-06-01", "20"),
        move("2026-06-10", "0", "40"),
    )
    report = await call(client, me, "GET", "reports/aged-receivables", to="2026-06-15")
    (row,) = report["rows"]
    assert (row["over_90"], row["to_30"], row["total"]) == ("10.000", "20.000", "30.000")


async def test_an_account_that_was_posted_to_keeps_its_type(client, me):
    await posted(client, me, draft())
    cash = (await call(client, me, "GET", "accounts", code=CASH))["items"][0]
    one = f"accounts/{cash['id']}"
    await call(client, me, "PUT", one, {"account_type": "expense"}, 409)
    await call(client, me, "PUT", one, {"currency": "USD"}, 409)
    assert (await call(client, me, "PUT", one, {"name_en": "Till"}))["name_en"] == "Till"
    kwd = (await call(client, me, "GET", "currencies"))["items"][0]
    await call(client, me, "PUT", f"currencies/{kwd['id']}", {"digits": 2}, 409)


async def test_a_chart_is_a_tree_of_one_type(client, me):
    assets = (await call(client, me, "GET", "accounts", code="1100"))["items"][0]
    body = {"code": "1111", "name_ar": "صندوق", "currency": "KWD", "parent_id": assets["id"]}
    made = await call(client, me, "POST", "accounts", body | {"account_type": "asset"}, 201)
    assert made["level"] == 3
    wrong = body | {"code": "1112", "account_type": "expense"}
    await call(client, me, "POST", "accounts", wrong, 422)
    await call(client, me, "PUT", f"accounts/{assets['id']}", {"parent_id": assets["id"]}, 422)


async def test_another_companys_books_are_not_there(client, me, sign_in):
    (ident,) = await posted(client, me, draft())
    other = await sign_in("finance.*", tenant="other")
    await call(client, other, "POST", "setup", {"currency": "USD", "year": 2026}, 204)
    for method, path, body in (
        ("GET", f"journal-entries/{ident}", None),
        ("POST", f"journal-entries/{ident}/reverse", {"reason": "theirs"}),
        ("PUT", f"journal-entries/{ident}", draft()),
        ("DELETE", f"journal-entries/{ident}", None),
    ):
        await call(client, other, method, path, body, 404)
    assert (await call(client, other, "GET", "journal-entries"))["total"] == 0
    assert (await call(client, other, "GET", "reports/trial-balance", **SPAN))["rows"] == []
    (theirs,) = await posted(client, other, draft("1.00", "1.00"))
    assert (await call(client, other, "GET", f"journal-entries/{theirs}"))["entry_no"] == (
        "JV-2026-000001"
    )


async def clearing(client, me, *amounts):
    def move(amount, reference):
        lines = [
            {"account": "@clearing", "debit": amount, "description": reference},
            {"account": SALES, "credit": amount},
        ]
        return {"entry_date": DAY, "description": "paid", "lines": lines}

    await posted(client, me, *(move(a, r) for a, r in amounts))
    account = (await call(client, me, "GET", "accounts", purpose="clearing"))["items"][0]
    body = {
        "account_id": account["id"],
        "source_kind": "gateway_settlement",
        "date_from": "2026-06-01",
        "date_to": "2026-06-30",
        "tolerance": 5,
    }
    return await call(client, me, "POST", "reconciliation/sessions", body, 201)


async def test_a_session_matches_what_is_certain_and_proposes_the_rest(client, me):
    session = await clearing(client, me, ("100", "R1"), ("50", "B/1"), ("50", "B/2"))
    one = f"reconciliation/sessions/{session['id']}"
    csv = f"date,amount,reference\n{DAY},99.998,R1\n2026-06-16,100,B\n"
    totals = await call(client, me, "POST", f"{one}/items", {"csv": csv})
    assert (totals["book"], totals["external"]) == (200_000, 199_998)
    run = {"session_id": session["id"]}
    assert len(await call(client, me, "POST", "reconciliation/match", run)) == 2
    found = await call(client, me, "GET", "reconciliation/baskets", session_id=session["id"])
    shown = [(b["rule"], b["status"], b["difference"]) for b in found["items"]]
    assert shown == [("exact_reference", "matched", -2), ("many_to_one", "proposed", 0)]
    await call(client, me, "POST", f"{one}/settle", status=409)
    confirm = run | {"action": "confirm", "basket_ids": [found["items"][1]["id"]]}
    await call(client, me, "POST", "reconciliation/match", confirm)
    settled = await call(client, me, "POST", f"{one}/settle")
    assert (settled["status"], settled["closing_difference"]) == ("settled", 0)
    rounding = (await call(client, me, "GET", "accounts", purpose="rounding"))["items"][0]
    held = await call(client, me, "GET", f"accounts/{rounding['id']}/balance", date="2026-06-30")
    assert held["closing"] == "0.002"
    await call(client, me, "POST", f"{one}/settle", status=409)
    assert len(await call(client, me, "GET", "settlements")) == 1
    again = await clearing(client, me, ("7", "R9"))
    assert again["opening_difference"] == -7_000


async def test_a_basket_is_made_by_hand_within_the_tolerance(client, me):
    session = await clearing(client, me, ("10", "X"), ("20", "Y"))
    one = f"reconciliation/sessions/{session['id']}"
    lines = [{"date": "2026-06-29", "amount": "9.997"}, {"date": "2026-06-29", "amount": "33"}]
    await call(client, me, "POST", f"{one}/items", {"items": lines})
    held = (await call(client, me, "GET", "reconciliation/items", session_id=session["id"]))[
        "items"
    ]
    by = {i["amount"]: i["id"] for i in held}
    body = {"session_id": session["id"], "item_ids": [by[10_000], by[9_997]]}
    wrong = body | {"item_ids": [by[20_000], by[33_000]]}
    await call(client, me, "POST", "reconciliation/baskets", wrong, 422)
    await call(client, me, "POST", "reconciliation/baskets", body, 201)
    await call(client, me, "POST", "reconciliation/baskets", body, 409)
    settled = await call(client, me, "POST", f"{one}/settle")
    assert settled["closing_difference"] == 13_000
    accounts = await call(client, me, "GET", "intermediate-accounts")
    assert [a["open_items"] for a in accounts if a["code"] == "1180"] == [2]


@pytest.mark.parametrize(
    ("csv", "told"),
    [
        ("day,amount\n", "row 1: there is no column date"),
        ("date,amount\n2026-13-01,5\n", "row 2: date '2026-13-01'"),
        ("date,amount\n2026-06-01,5,0\n2026-06-01,1 000\n", "row 3: amount '1 000'"),
        ("date,amount\n2026-06-01,0.0005\n", "more than 3 decimals"),
        ('date,amount\n2026-06-01,"5\n', "row 2"),
    ],
)
async def test_a_faulty_statement_is_refused_by_row_and_nothing_is_loaded(client, me, csv, told):
    session = await clearing(client, me, ("10", "X"))
    one = f"reconciliation/sessions/{session['id']}"
    refused = await call(client, me, "POST", f"{one}/items", {"csv": csv}, 422)
    assert told in refused["detail"]
    assert (await call(client, me, "GET", f"{one}/totals"))["external"] == 0
