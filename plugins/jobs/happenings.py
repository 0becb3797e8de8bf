"""What happens to jobs."""

from uuid import UUID

from hub import Event


class JobSucceeded(Event, frozen=True, tag="job.succeeded"):
    job_id: UUID
    job_type: str


class JobFailed(Event, frozen=True, tag="job.failed"):
    """No attempt is left, or the job said that none can help."""

    job_id: UUID
    job_type: str
    error: str


EVENTS = (JobSucceeded, JobFailed)
