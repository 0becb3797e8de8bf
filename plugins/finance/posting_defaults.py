"""The posting rules that a new company begins with: kind of fact → lines.

A line is `side account part`; `*` behind the account: the line names the party.
"""

from .models_posting import RuleLine

_PAID_INTO = "D @cash cash, D @cash_desk cash_desk, D @bank bank, D @clearing clearing, "
_PAID_FROM = "C @cash cash, C @bank bank, C @clearing clearing, "
_RULES = {
    "invoice.issued": (
        "D @receivables* total, C @energy_revenue energy, C @standing_revenue standing, "
        "C @fee_revenue fees, C @late_fees late_fees, C @levies levies, C @subsidy subsidy, "
        "C @energy_cost export, C @rounding rounding, C @tax_payable tax"
    ),
    "payment.received": _PAID_INTO + "C @receivables* settled, C @advances* advance",
    "payment.returned": _PAID_FROM
    + "C @cash_desk cash_desk, D @receivables* settled, D @advances* advance",
    "payment.refunded": _PAID_FROM + "D @advances* amount",
    "credit.applied": "D @advances* amount, C @receivables* amount",
    "credit.released": "D @receivables* amount, C @advances* amount",
    "deposit.received": _PAID_INTO + "C @deposits* amount",
    "deposit.applied": "D @deposits* amount, C @advances* amount",
    "deposit.refunded": _PAID_FROM + "D @deposits* amount",
    "debt.written_off": "D @bad_debts amount, C @receivables* amount",
    "token.issued": _PAID_INTO + "D @vendor_float* float, D @advances* advance, "
    "C @prepaid_revenue energy, C @standing_revenue standing, C @fee_revenue fees, "
    "C @levies levies, C @subsidy subsidy, C @receivables* debt, C @rounding rounding, "
    "C @tax_payable tax",
    "vendor.paid": _PAID_INTO + "C @vendor_float* amount",
    "payroll.approved": "D @salaries salaries, C @net_pay net, C @insurance_payable insurance",
    "asset.depreciated": "D @depreciation amount, C @depreciation_total amount",
    "inventory.received": "D @stock amount, C @grni amount",
    "inventory.issued": "D @maintenance maintenance, D @work_in_progress project, C @stock stock",
    "inventory.adjusted": "D @stock stock, D @stock_loss loss, C @stock_gain gain",
    "project.completed": "D @fixed_assets amount, C @work_in_progress amount",
}


def _line(text: str) -> RuleLine:
    side, account, part = text.split()
    return RuleLine(
        side="debit" if side == "D" else "credit",
        account=account.rstrip("*"),
        part=part,
        party=account.endswith("*"),
    )


DEFAULTS: dict[str, tuple[RuleLine, ...]] = {
    kind: tuple(_line(text) for text in lines.split(", ")) for kind, lines in _RULES.items()
}
