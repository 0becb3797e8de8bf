"""Evaluates the rules of a company, each minute, and does what follows."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import select

from hub import NOTIFIER, Ctx, HubError, NoParams, Queue, Run, Schedule, job, uuid7

from .conditions import Absence, Condition, judged, read
from .events import SystemAlert, SystemAlertResolved
from .models import Alert, AlertStatus, AlertType, Rule
from .rules import Watch, step
from .sampling import sample
from .texts import filled
from .windows import seen

NOTICE = "system.alert"


@job("evaluate_alerts", queue=Queue.DEFAULT, priority=2, retries=0, timeout=55.0)
async def evaluate(run: Run, params: NoParams) -> dict[str, int]:
    """Measure the product and evaluate the alert rules of a company."""
    async with run.unit() as ctx:
        await sample(ctx)
    async with run.unit() as ctx:
        rules = list(await ctx.db.scalars(select(Rule.id).where(Rule.is_active)))
    fired = 0
    for ident in rules:  # a transaction each: a rule that fails keeps none of the others
        async with run.unit() as ctx:
            fired += await evaluate_one(ctx, ident)
    return {"rules": len(rules), "fired": fired}


async def evaluate_one(ctx: Ctx, ident: UUID) -> bool:
    """Evaluate one rule; whether it fired. What is wrong with it is noted in it."""
    rule = await ctx.db.scalar(select(Rule).where(Rule.id == ident).with_for_update())
    if rule is None or not rule.is_active:
        return False
    try:
        condition = read(rule.condition_type, rule.condition_config)
        holds, value = judged(condition, await seen(ctx, condition, ctx.clock()))
    except (HubError, LookupError) as error:
        rule.fault, rule.evaluated_at = str(error)[:1000], ctx.clock()
        return False
    rule.fault = None
    return await _act(ctx, rule, condition, holds=holds, value=value)


async def _act(
    ctx: Ctx, rule: Rule, condition: Condition, *, holds: bool, value: float | None
) -> bool:
    now = ctx.clock()
    alert = await open_alert(ctx, rule.id)
    if alert is not None and alert.status is AlertStatus.SUPPRESSED:
        _wake(alert, now)
    done = step(
        Watch(
            since=rule.since,
            clear_since=rule.clear_since,
            told_at=rule.last_fired_at,
            is_open=alert is not None,
        ),
        holds=holds,
        now=now,
        hold_for=dt.timedelta(seconds=0 if isinstance(condition, Absence) else condition.for_s),
        cooldown=dt.timedelta(minutes=rule.cooldown_minutes),
        resolves=rule.alert_type is not AlertType.SECURITY,
    )
    rule.since, rule.clear_since = done.watch.since, done.watch.clear_since
    rule.last_value, rule.evaluated_at = value, now
    if done.resolves and alert is not None:
        resolve(ctx, alert, "system", "its condition is over")
    if not done.fires:
        return False
    silent = alert is not None and alert.status is AlertStatus.SUPPRESSED
    alert = await _raise(ctx, rule, condition, alert, value)
    if done.tells and not silent:
        rule.last_fired_at = now
        await _tell(ctx, rule, alert)
    return True


async def open_alert(ctx: Ctx, rule: UUID) -> Alert | None:
    found: Alert | None = await ctx.db.scalar(
        select(Alert)
        .where(Alert.source_rule_id == rule, Alert.status != AlertStatus.RESOLVED)
        .with_for_update()
    )
    return found


def _wake(alert: Alert, now: dt.datetime) -> None:
    """End a suppression whose time is over."""
    if alert.suppressed_until is not None and alert.suppressed_until <= now:
        alert.status, alert.suppressed_until = AlertStatus.ACTIVE, None


def resolve(ctx: Ctx, alert: Alert, by: str, notes: str) -> None:
    alert.status, alert.resolved_at = AlertStatus.RESOLVED, ctx.clock()
    alert.resolved_by, alert.resolution_notes, alert.suppressed_until = by, notes, None
    ctx.emit(SystemAlertResolved(alert_id=alert.id, code=alert.code, by=by))


def _words(rule: Rule, condition: Condition, value: float | None) -> dict[str, Any]:
    """What the places of a rule's texts stand for."""
    return {
        "value": value,
        "threshold": None if isinstance(condition, Absence) else condition.value,
        "name": condition.name,
        "rule": rule.name,
        **{f"labels.{k}": v for k, v in condition.labels.items()},
    }


async def _raise(
    ctx: Ctx, rule: Rule, condition: Condition, alert: Alert | None, value: float | None
) -> Alert:
    """The alert of the rule: a new one, or one more time of the open one."""
    now, words = ctx.clock(), _words(rule, condition, value)
    if alert is not None:
        alert.occurrence_count += 1
        alert.last_seen_at, alert.alert_data = now, words
        return alert
    made = Alert(
        id=uuid7(),
        code=rule.code,
        alert_type=rule.alert_type,
        severity=rule.severity,
        title=filled(rule.title_template, words)[:500] or rule.name,
        description=filled(rule.description_template, words)[:10_000],
        source_rule_id=rule.id,
        alert_data=words,
        last_seen_at=now,
        occurrence_count=1,
        status=AlertStatus.ACTIVE,
    )
    ctx.db.add(made)
    await ctx.db.flush()
    ctx.emit(
        SystemAlert(
            alert_id=made.id,
            code=rule.code,
            severity=made.severity,
            title=made.title,
            description=made.description,
        )
    )
    return made


async def _tell(ctx: Ctx, rule: Rule, alert: Alert) -> None:
    """Tell the people that the rule names. Systems hear of it by the event, through webhooks."""
    if not rule.recipients:
        return
    said = {
        "alert_id": str(alert.id),
        "code": rule.code,
        "severity": alert.severity,
        "title": alert.title,
        "description": alert.description,
        "occurrence_count": alert.occurrence_count,
    }
    await ctx.get(NOTIFIER).tell(ctx, NOTICE, said, to=rule.recipients)


EACH_MINUTE = Schedule(code="evaluate_alerts", job="evaluate_alerts", every=60, catch_up=False)
