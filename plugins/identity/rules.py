"""What a password must be. Pure: no database, no clock."""

from difflib import SequenceMatcher

SHORTEST, LONGEST = 8, 72
SIMILAR = 0.7
HISTORY = 5
STRENGTH_CUSTOMER, STRENGTH_STAFF = 50, 70

# What most guessed passwords are made of; digits and signs around them do not help.
_WORDS = """
password passwd pass qwerty qwertz azerty qwertyuiop asdfghjkl asdfgh zxcvbnm zxcvbn letmein
welcome admin administrator root login master secret changeme default guest user test
testing iloveyou monkey dragon football baseball basketball soccer hockey superman batman
spiderman pokemon starwars princess sunshine shadow michael jordan jennifer jessica ashley
daniel charlie thomas robert andrew matthew joshua hunter ranger buster tigger maggie pepper
ginger cookie cheese banana orange summer winter spring autumn monday friday january london
paris berlin computer internet google facebook amazon samsung apple windows trustno qazwsx
qweasd abcdef abcdefg abcdefgh abcd abc aaaaaaaa mohamed mohammed ahmed muhammad allah
bismillah habibi energy electric electricity power meter utility grid busbar scada operator
dispatcher engineer hello freedom whatever nothing killer flower lovely angel family mother
father mustang corvette harley yamaha ferrari mercedes
"""
COMMON = frozenset(_WORDS.split())
_AROUND = "0123456789!@#$%^&*()_+-=.?,"
_LEET = str.maketrans("@4301!$57", "aaeoiisst")


def strength(password: str) -> int:
    """0 to 100: length 30, upper case 20, digit 20, sign 30."""
    score = 30 if len(password) >= SHORTEST else 0
    score += 20 if any(c.isupper() for c in password) else 0
    score += 20 if any(c.isdigit() for c in password) else 0
    return score + (30 if any(not c.isalnum() for c in password) else 0)


def faults(password: str, *, about: tuple[str | None, ...] = (), staff: bool = True) -> list[str]:
    """Every rule that a password breaks, in words. about: e-mail, user name, full name."""
    found = []
    if len(password) < SHORTEST:
        found.append(f"needs at least {SHORTEST} characters")
    if len(password.encode()) > LONGEST:
        found.append(f"has more than {LONGEST} bytes")
    if password.isdigit():
        found.append("needs more than digits")
    if common(password):
        found.append("is among those that are guessed first")
    if any(_similar(password, known) for known in about if known):
        found.append("is too much like your name or address")
    if strength(password) < (STRENGTH_STAFF if staff else STRENGTH_CUSTOMER):
        found.append("is too weak: mix upper case, digits and signs")
    return found


def common(password: str) -> bool:
    """Whether it is a common word, or one character again and again, under its disguise."""
    lower = password.lower()
    bare = lower.strip(_AROUND)
    for plain in (lower, bare, lower.translate(_LEET), bare.translate(_LEET)):
        if len(set(plain)) <= 2 or "".join(filter(str.isalpha, plain)) in COMMON:
            return True
    return False


def _similar(password: str, known: str) -> bool:
    lower = password.lower()
    parts = {known.lower(), known.lower().partition("@")[0], *known.lower().split()}
    return any(
        len(part) >= 3 and SequenceMatcher(None, lower, part).ratio() >= SIMILAR for part in parts
    )
