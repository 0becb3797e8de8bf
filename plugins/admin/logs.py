"""What was changed by whom, and what the system did in the background."""

from hub import Op, Resource

from .models import AuditEntry, OperationsEntry

audit = Resource(
    name="audit-logs",
    model=AuditEntry,
    subject="audit",
    title="Audit",
    ops=Op.LIST,
    filters=(
        "actor",
        "actor_kind",
        "action",
        "resource_type",
        "resource_id",
        "request_id",
        "ip_address",
        "created_at",
    ),
    sort=("-created_at",),
    search=("actor", "resource_type", "action"),
)
operations = Resource(
    name="ops-logs",
    model=OperationsEntry,
    subject="logs",
    title="Operations",
    ops=Op.LIST,
    filters=("kind", "name", "status", "started_by", "created_at"),
    sort=("-created_at",),
    search=("name", "message"),
)
