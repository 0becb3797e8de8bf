"""The types of notification that ship, in English and Arabic.

Plugins may bring more in their manifests (`Plugin(notices=…)`).
"""

from collections.abc import Mapping

from hub import Channel, Notice, Priority

MAIL = (Channel.IN_APP, Channel.EMAIL)
ALL = (Channel.IN_APP, Channel.EMAIL, Channel.SMS)
DUTY = ("may:scada.alarms.notify",)
ANNOUNCEMENT, RULE = "announcement", "rule"


def _both(en: str, ar: str) -> Mapping[str, str]:
    return {"en": en, "ar": ar}


ACCOUNTS = (
    Notice(
        code="welcome",
        name=_both("Welcome", "ترحيب"),
        title=_both("Welcome to {{company}}", "مرحبًا بك في {{company}}"),
        text=_both("Your account is ready, {{recipient}}.", "حسابك جاهز يا {{recipient}}."),
        events=("user.created",),
        to=("user:user_id",),
    ),
    Notice(
        code="verification",
        name=_both("Address to be confirmed", "تأكيد البريد الإلكتروني"),
        title=_both("Confirm your e-mail address", "أكّد بريدك الإلكتروني"),
        text=_both(
            "A message with a link was sent to {{email}}.", "أُرسلت رسالة فيها رابط إلى {{email}}."
        ),
        mail=_both(
            "Hello {{recipient}},\n\nconfirm this address by opening the link within 24 hours:\n\n"
            "{{secret_link}}\n\nIf you did not ask for it, ignore this message.",
            "مرحبًا {{recipient}}،\n\nأكّد هذا العنوان بفتح الرابط خلال 24 ساعة:\n\n"
            "{{secret_link}}\n\nإن لم تطلب ذلك فتجاهل هذه الرسالة.",
        ),
        events=("user.verification_requested",),
        to=("user:user_id",),
        channels=MAIL,
        mandatory=True,
        priority=Priority.HIGH,
    ),
    Notice(
        code="password.reset",
        name=_both("New password asked for", "طلب كلمة مرور جديدة"),
        title=_both("Set a new password", "عيّن كلمة مرور جديدة"),
        text=_both(
            "Somebody asked for a new password for your account.",
            "طُلبت كلمة مرور جديدة لحسابك.",
        ),
        mail=_both(
            "Hello {{recipient}},\n\nset a new password by opening the link within 60 minutes:\n\n"
            "{{secret_link}}\n\nIf you did not ask for it, ignore this message: "
            "nothing has changed.",
            "مرحبًا {{recipient}}،\n\nعيّن كلمة مرور جديدة بفتح الرابط خلال 60 دقيقة:\n\n"
            "{{secret_link}}\n\nإن لم تطلب ذلك فتجاهل هذه الرسالة، فلم يتغير شيء.",
        ),
        events=("user.password_reset_requested",),
        where={"purpose": ("reset",)},
        to=("user:user_id",),
        channels=MAIL,
        mandatory=True,
        priority=Priority.CRITICAL,
    ),
    Notice(
        code="password.token",
        name=_both("New password by an administrator", "كلمة مرور جديدة من المسؤول"),
        title=_both("An administrator opened your account", "فتح المسؤول حسابك"),
        text=_both(
            "At {{at}} an administrator made a link by which a new password can be set.",
            "في {{at}} أنشأ المسؤول رابطًا لتعيين كلمة مرور جديدة.",
        ),
        events=("user.password_reset_requested",),
        where={"purpose": ("by_administrator",)},
        to=("user:user_id",),
        channels=MAIL,
        mandatory=True,
        priority=Priority.HIGH,
    ),
    Notice(
        code="invitation",
        name=_both("Invitation", "دعوة"),
        title=_both("You are invited to {{company}}", "دعوة إلى {{company}}"),
        text=_both("An invitation was sent by e-mail.", "أُرسلت دعوة بالبريد الإلكتروني."),
        mail=_both(
            "Hello {{recipient}},\n\nan account was made for you. Choose a password by opening the "
            "link within 72 hours:\n\n{{secret_link}}",
            "مرحبًا {{recipient}}،\n\nأُنشئ لك حساب. اختر كلمة مرور بفتح الرابط خلال 72 ساعة:"
            "\n\n{{secret_link}}",
        ),
        events=("user.password_reset_requested",),
        where={"purpose": ("invite",)},
        to=("user:user_id",),
        channels=MAIL,
        mandatory=True,
        priority=Priority.HIGH,
    ),
    Notice(
        code="password.changed",
        name=_both("Password changed", "تغيير كلمة المرور"),
        title=_both("Your password was changed", "تم تغيير كلمة مرورك"),
        text=_both(
            "This was at {{at}}. If it was not you, tell your administrator at once.",
            "كان ذلك في {{at}}. إن لم تكن أنت من فعل ذلك فأخبر المسؤول فورًا.",
        ),
        events=("user.password_changed",),
        to=("user:user_id",),
        channels=MAIL,
        mandatory=True,
        priority=Priority.HIGH,
    ),
    Notice(
        code="account.locked",
        name=_both("Account locked", "قفل الحساب"),
        title=_both("Your account was locked", "تم قفل حسابك"),
        text=_both(
            "There were too many wrong passwords at {{at}}. It opens by itself after a while.",
            "أُدخلت كلمات مرور خاطئة كثيرة في {{at}}. سيُفتح الحساب من تلقاء نفسه بعد مدة.",
        ),
        events=("user.locked",),
        to=("user:user_id",),
        channels=MAIL,
        mandatory=True,
        priority=Priority.HIGH,
    ),
    Notice(
        code="account.roles",
        name=_both("Roles changed", "تغيير الأدوار"),
        title=_both("Your roles were changed", "تم تغيير أدوارك"),
        text=_both("What you may do has changed.", "تغيّر ما يحق لك فعله."),
        events=("user.role_changed",),
        to=("user:user_id",),
    ),
)

GRID = (
    Notice(
        code="alarm.critical",
        name=_both("Critical alarm", "إنذار حرج"),
        title=_both("Critical alarm: {{message}}", "إنذار حرج: {{message}}"),
        text=_both("{{message}}\nRaised at {{at}}.", "{{message}}\nوقت الإنذار {{at}}."),
        events=("alert.raised",),
        where={"severity": ("critical",)},
        to=DUTY,
        channels=ALL,
        priority=Priority.CRITICAL,
        link="/scada/alarms",
    ),
    Notice(
        code="alarm",
        name=_both("Alarm", "إنذار"),
        title=_both("Alarm: {{message}}", "إنذار: {{message}}"),
        text=_both("{{message}}\nRaised at {{at}}.", "{{message}}\nوقت الإنذار {{at}}."),
        events=("alert.raised",),
        where={"severity": ("error", "warning")},
        to=DUTY,
        priority=Priority.HIGH,
        link="/scada/alarms",
    ),
    Notice(
        code="outage",
        name=_both("Outage", "انقطاع"),
        title=_both("Station without supply", "محطة بلا تغذية"),
        text=_both("Since {{at}}.", "منذ {{at}}."),
        events=("network.outage",),
        to=DUTY,
        channels=ALL,
        priority=Priority.CRITICAL,
        link="/scada/stations/{{station_id}}/live",
    ),
    Notice(
        code="restored",
        name=_both("Supply restored", "عودة التغذية"),
        title=_both("Supply of a station restored", "عادت تغذية محطة"),
        text=_both("After {{duration_s}} s.", "بعد {{duration_s}} ثانية."),
        events=("network.restored",),
        to=DUTY,
        link="/scada/stations/{{station_id}}/live",
    ),
    Notice(
        code="overload",
        name=_both("Overload", "حمل زائد"),
        title=_both("Station loaded to {{load_percent}} %", "حمل المحطة {{load_percent}} ٪"),
        text=_both("Seen at {{at}}.", "رُصد في {{at}}."),
        events=("network.overload",),
        to=DUTY,
        priority=Priority.HIGH,
        link="/scada/stations/{{station_id}}/live",
    ),
    Notice(
        code="gateway.offline",
        name=_both("Gateway silent", "بوابة صامتة"),
        title=_both("A gateway does not answer", "بوابة لا تستجيب"),
        text=_both("Nothing was heard since {{at}}.", "لم يصل منها شيء منذ {{at}}."),
        events=("gateway.disconnected",),
        to=DUTY,
        priority=Priority.HIGH,
    ),
)

SYSTEM = (
    Notice(
        code="job.failed",
        name=_both("Job failed", "فشل مهمة"),
        title=_both("Job failed: {{job_type}}", "فشلت المهمة: {{job_type}}"),
        text=_both("{{error}}", "{{error}}"),
        events=("job.failed",),
        to=("may:jobs.queue.write",),
        link="/jobs/queue/{{job_id}}",
    ),
    Notice(
        code="webhook.disabled",
        name=_both("Webhook switched off", "إيقاف مستقبِل أحداث"),
        title=_both("A receiver of webhooks was switched off", "أُوقف مستقبِل أحداث"),
        text=_both("Reason: {{reason}}.", "السبب: {{reason}}."),
        events=("webhook.disabled",),
        to=("may:events.endpoints.write",),
        channels=MAIL,
        priority=Priority.HIGH,
        link="/events/endpoints/{{endpoint_id}}",
    ),
    Notice(
        code="finance.mismatch",
        name=_both("Reconciliation does not balance", "عدم تطابق التسوية"),
        title=_both("A reconciliation does not balance", "تسوية غير متطابقة"),
        text=_both("Difference: {{difference}}.", "الفرق: {{difference}}."),
        events=("finance.reconciliation_mismatch",),
        to=("may:finance.reconciliation.write",),
        priority=Priority.HIGH,
    ),
    Notice(
        code="system.alert",
        name=_both("Alert of the system", "تنبيه النظام"),
        title=_both("{{title}}", "{{title}}"),
        text=_both("{{description}}\nSeen at {{at}}.", "{{description}}\nرُصد في {{at}}."),
        channels=MAIL,
        priority=Priority.HIGH,
        link="/monitoring/alerts/{{alert_id}}",
    ),
    Notice(
        code=ANNOUNCEMENT,
        name=_both("Announcement", "إعلان"),
        title=_both("{{title}}", "{{title}}"),
        text=_both("{{message}}", "{{message}}"),
        link="{{action_url}}",
    ),
    Notice(
        code=RULE,
        name=_both("Rule of the company", "قاعدة الشركة"),
        title=_both("{{title}}", "{{title}}"),
        text=_both("{{message}}", "{{message}}"),
    ),
)

NOTICES = (*ACCOUNTS, *GRID, *SYSTEM)
