"""Headers of every answer."""

from multidict import istr

Headers = tuple[tuple[str, str], ...]

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
        "img-src 'self' data: https:; connect-src 'self'; font-src 'self' https: data:; "
        "object-src 'none'; media-src 'self' blob:; frame-src 'none'; frame-ancestors 'none'; "
        "base-uri 'self'; form-action 'self'"
    ),
}


def headers(*, production: bool = False, connect: frozenset[str] = frozenset()) -> Headers:
    """What is added to an answer that does not say otherwise. connect: origins of the console."""
    made = dict(SECURITY)
    if connect:
        own = "connect-src 'self'"
        reach = " ".join(sorted(connect | {o.replace("http", "ws", 1) for o in connect}))
        policy = made["Content-Security-Policy"]
        made["Content-Security-Policy"] = policy.replace(own, f"{own} {reach}")
    if production:
        made["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return tuple((istr(name), value) for name, value in made.items())
