"""The chart that a new company begins with: five classes, headings of two and three digits.

A row: code, type, Arabic name, English name, purpose, marks. Marks: h heading, i intermediate,
c control. The parent of an account is the longest heading that its code begins with.
"""

from typing import NamedTuple

from .models import AccountType as T


class Seed(NamedTuple):
    code: str
    type: T
    name_ar: str
    name_en: str
    purpose: str = ""
    marks: str = ""


CHART: tuple[Seed, ...] = (
    Seed("1000", T.ASSET, "الأصول", "Assets", marks="h"),
    Seed("1100", T.ASSET, "النقدية وما في حكمها", "Cash and equivalents", marks="h"),
    Seed("1110", T.ASSET, "الصندوق", "Cash on hand", "cash"),
    Seed("1120", T.ASSET, "البنك", "Bank", "bank"),
    Seed("1130", T.ASSET, "عهد الصرافين", "Cash desks", "cash_desk"),
    Seed("1180", T.ASSET, "وسيط بوابات الدفع", "Payment gateway clearing", "clearing", "i"),
    Seed("1190", T.ASSET, "وسيط التحويلات البنكية", "Bank transfers in transit", "transit", "i"),
    Seed("1200", T.ASSET, "المدينون", "Receivables", marks="h"),
    Seed("1210", T.ASSET, "ذمم المشتركين", "Customer receivables", "receivables", "c"),
    Seed("1220", T.ASSET, "ذمم موزعي الشحن", "Vendor receivables", "vendor_receivables", "c"),
    Seed("1230", T.ASSET, "سلف الموظفين", "Employee advances", "employee_advances", "c"),
    Seed("1290", T.ASSET, "مخصص ديون مشكوك فيها", "Allowance for doubtful debts", "allowance"),
    Seed("1300", T.ASSET, "المخزون", "Stock", marks="h"),
    Seed("1310", T.ASSET, "مواد وقطع غيار", "Materials and spares", "stock"),
    Seed("1400", T.ASSET, "مدفوعات مقدمة", "Prepayments", marks="h"),
    Seed("1410", T.ASSET, "مصروفات مدفوعة مقدماً", "Prepaid expenses", "prepaid_expenses"),
    Seed("1420", T.ASSET, "ضريبة قابلة للاسترداد", "Recoverable tax", "tax_recoverable"),
    Seed("1500", T.ASSET, "الأصول الثابتة", "Fixed assets", marks="h"),
    Seed("1510", T.ASSET, "شبكات ومحطات", "Networks and stations", "fixed_assets"),
    Seed("1520", T.ASSET, "عدادات", "Meters", "meters"),
    Seed("1530", T.ASSET, "مركبات", "Vehicles"),
    Seed("1540", T.ASSET, "أثاث وأجهزة", "Furniture and equipment"),
    Seed("1580", T.ASSET, "أعمال تحت التنفيذ", "Work in progress", "work_in_progress"),
    Seed("1590", T.ASSET, "مجمع الإهلاك", "Accumulated depreciation", "depreciation_total"),
    Seed("2000", T.LIABILITY, "الخصوم", "Liabilities", marks="h"),
    Seed("2100", T.LIABILITY, "الدائنون", "Payables", marks="h"),
    Seed("2110", T.LIABILITY, "ذمم الموردين", "Supplier payables", "payables", "c"),
    Seed(
        "2120", T.LIABILITY, "بضاعة مستلمة غير مفوترة", "Goods received not invoiced", "grni", "i"
    ),
    Seed("2130", T.LIABILITY, "صافي الرواتب المستحقة", "Net pay payable", "net_pay"),
    Seed("2140", T.LIABILITY, "تأمينات مستحقة", "Insurance payable", "insurance_payable"),
    Seed("2200", T.LIABILITY, "ضرائب ورسوم", "Taxes and levies", marks="h"),
    Seed("2210", T.LIABILITY, "ضريبة مستحقة", "Tax payable", "tax_payable"),
    Seed("2220", T.LIABILITY, "رسوم لحساب الغير", "Levies for others", "levies"),
    Seed("2300", T.LIABILITY, "أموال المشتركين", "Customers' money", marks="h"),
    Seed("2310", T.LIABILITY, "دفعات مقدمة من المشتركين", "Customer advances", "advances", "c"),
    Seed("2320", T.LIABILITY, "تأمينات المشتركين", "Customer deposits", "deposits", "c"),
    Seed("2330", T.LIABILITY, "أرصدة المحافظ", "Wallet liability", "wallets", "c"),
    Seed("2340", T.LIABILITY, "رصيد موزعي الشحن", "Vendor float", "vendor_float", "c"),
    Seed("2400", T.LIABILITY, "قروض", "Loans", marks="h"),
    Seed("2410", T.LIABILITY, "قروض طويلة الأجل", "Long-term loans", "loans"),
    Seed("3000", T.EQUITY, "حقوق الملكية", "Equity", marks="h"),
    Seed("3100", T.EQUITY, "رأس المال", "Capital", "capital"),
    Seed("3200", T.EQUITY, "أرباح مرحلة", "Retained earnings", "retained_earnings"),
    Seed("3900", T.EQUITY, "أرصدة افتتاحية", "Opening balances", "opening"),
    Seed("4000", T.REVENUE, "الإيرادات", "Revenue", marks="h"),
    Seed("4100", T.REVENUE, "مبيعات الطاقة", "Energy sales", marks="h"),
    Seed("4110", T.REVENUE, "طاقة آجلة الدفع", "Post-paid energy", "energy_revenue"),
    Seed("4120", T.REVENUE, "طاقة مسبقة الدفع", "Prepaid energy", "prepaid_revenue"),
    Seed("4130", T.REVENUE, "رسوم ثابتة", "Standing charges", "standing_revenue"),
    Seed("4200", T.REVENUE, "رسوم وخدمات", "Fees and services", "fee_revenue"),
    Seed("4210", T.REVENUE, "غرامات تأخير", "Late fees", "late_fees"),
    Seed("4300", T.REVENUE, "مبيعات أخرى", "Other sales", "sales_revenue"),
    Seed("4310", T.REVENUE, "عمولات السوق", "Marketplace fees", "marketplace_fees"),
    Seed("4320", T.REVENUE, "اشتراكات", "Subscriptions", "subscription_revenue"),
    Seed("4400", T.REVENUE, "دعم حكومي", "Subsidies", "subsidy"),
    Seed("4800", T.REVENUE, "فروق جرد دائنة", "Stock gains", "stock_gain"),
    Seed("4900", T.REVENUE, "أرباح فروق العملة", "Exchange gains", "fx_gain"),
    Seed("5000", T.EXPENSE, "المصروفات", "Expenses", marks="h"),
    Seed("5100", T.EXPENSE, "شراء الطاقة والوقود", "Energy and fuel bought", "energy_cost"),
    Seed("5200", T.EXPENSE, "رواتب وأجور", "Salaries", "salaries"),
    Seed("5300", T.EXPENSE, "صيانة", "Maintenance", "maintenance"),
    Seed("5310", T.EXPENSE, "تكلفة البضاعة المباعة", "Cost of goods sold", "cost_of_goods"),
    Seed("5400", T.EXPENSE, "إهلاك", "Depreciation", "depreciation"),
    Seed("5500", T.EXPENSE, "رسوم البوابات والبنوك", "Gateway and bank fees", "gateway_fees"),
    Seed("5600", T.EXPENSE, "ديون معدومة", "Bad debts", "bad_debts"),
    Seed("5700", T.EXPENSE, "عجز مخزون", "Stock losses", "stock_loss"),
    Seed("5800", T.EXPENSE, "فروق تقريب", "Rounding differences", "rounding"),
    Seed("5900", T.EXPENSE, "خسائر فروق العملة", "Exchange losses", "fx_loss"),
)


def parent(seed: Seed) -> str | None:
    """The code of the heading above: 1110 → 1100 → 1000."""
    headings = {s.code for s in CHART if "h" in s.marks}
    for digits in (3, 2, 1):
        above = seed.code[:digits].ljust(4, "0")
        if above != seed.code and above in headings:
            return above
    return None
