"""What can go wrong, as one tree. The docstring is the message when none is given.

HubError
├── NotFound, Forbidden, Unauthenticated, Invalid (BadRequest), Conflict (Stale), TooLarge, Locked,
│   TooMany, TimedOut, Unavailable      what a handler raises
├── LinkError            the link failed; the supervisor reconnects
│   └── AuthError        the peer refused who we are; longest delay at once
├── NoResponse           one device of a live channel is silent
├── ConfigError          cannot work as configured; waits for a new configuration
├── ProtocolError        bytes that the protocol forbids
└── Unsupported          this driver does not do that
"""


class HubError(Exception):
    """Something failed inside the hub."""

    status = 500
    code = "internal_error"

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.__doc__ or "")
        self.extra = extra


class NotFound(HubError):
    """No such thing."""

    status, code = 404, "resource_not_found"


class Unauthenticated(HubError):
    """Sign in first."""

    status, code = 401, "unauthenticated"


class Forbidden(HubError):
    """Not allowed."""

    status, code = 403, "insufficient_permissions"


class Invalid(HubError):
    """The request does not make sense."""

    status, code = 422, "validation_error"


class Conflict(HubError):
    """Someone else changed it first."""

    status, code = 409, "conflict"


class BadRequest(Invalid):
    """The request cannot be read."""

    status, code = 400, "validation_error"


class Stale(Conflict):
    """It was changed since you read it."""

    status, code = 412, "precondition_failed"


class TooLarge(HubError):
    """The request is too large."""

    status, code = 413, "payload_too_large"


class Locked(HubError):
    """The account is locked; try again later."""

    status, code = 423, "account_locked"


class TooMany(HubError):
    """Too many requests; please try again later."""

    status, code = 429, "rate_limited"


class TimedOut(HubError):
    """It took too long."""

    status, code = 504, "timeout"


class Unavailable(HubError):
    """Not now; try again later."""

    status, code = 503, "unavailable"


class LinkError(HubError):
    """The link failed."""

    code = "link"


class AuthError(LinkError):
    """The peer refused our credentials."""

    code = "link_auth"


class NoResponse(HubError):
    """The device did not answer in time, though its channel is alive."""

    code = "no_response"


class NoService(Unavailable, LookupError):
    """This process does not offer that."""


class ConfigError(HubError):
    """It cannot work as configured."""

    code = "config"


class ProtocolError(HubError):
    """The peer sent what its protocol forbids."""

    code = "protocol"


class Unsupported(HubError):
    """This driver does not do that."""

    code = "unsupported"
