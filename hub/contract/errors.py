"""What can go wrong, as one tree. The docstring is the message when none is given.

HubError
├── NotFound, Forbidden, Unauthenticated, Invalid, Conflict, Unavailable   what a handler raises
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
    code = "internal"

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.__doc__ or "")
        self.extra = extra


class NotFound(HubError):
    """No such thing."""

    status, code = 404, "not_found"


class Unauthenticated(HubError):
    """Sign in first."""

    status, code = 401, "unauthenticated"


class Forbidden(HubError):
    """Not allowed."""

    status, code = 403, "forbidden"


class Invalid(HubError):
    """The request does not make sense."""

    status, code = 422, "invalid"


class Conflict(HubError):
    """Someone else changed it first."""

    status, code = 409, "conflict"


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


class ConfigError(HubError):
    """It cannot work as configured."""

    code = "config"


class ProtocolError(HubError):
    """The peer sent what its protocol forbids."""

    code = "protocol"


class Unsupported(HubError):
    """This driver does not do that."""

    code = "unsupported"
