"""What a browser calls itself, in words that a person knows: `Firefox on Linux`. Pure.

It is told, not proven: anybody can send any name. What is not known is said not to be known.
Source: RFC 9110, section 10.1.5; MDN, "Browser detection using the user agent".
"""

import re
from typing import Final

UNKNOWN: Final = "Unknown browser"
# In this order: most browsers name those before them, which they want to be taken for.
_BROWSERS: Final = (
    (r"\bEdg(?:e|A|iOS)?/", "Edge"),
    (r"\b(?:OPR|Opera|OPiOS)/", "Opera"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\bVivaldi/", "Vivaldi"),
    (r"\b(?:Firefox|FxiOS)/", "Firefox"),
    (r"\b(?:Chrome|CriOS|HeadlessChrome|Chromium)/", "Chrome"),
    (r"\bVersion/[\d.]+ .*\bSafari/", "Safari"),
)
_SYSTEMS: Final = (
    (r"\bAndroid\b", "Android"),
    (r"\biPad\b", "iPadOS"),
    (r"\biPhone\b|\biPod\b", "iOS"),
    (r"\bWindows\b", "Windows"),
    (r"\bMac OS X\b|\bMacintosh\b", "macOS"),
    (r"\bCrOS\b", "ChromeOS"),
    (r"\bLinux\b|\bX11\b", "Linux"),
)
# A program tells its own name first: `curl/8.5.0`.
_PROGRAM: Final = re.compile(r"([A-Za-z][\w.+-]{1,30})/\d")


def told(user_agent: str) -> str:
    """Who sent this `User-Agent`, as far as it says."""
    if not user_agent.startswith("Mozilla/"):
        program = _PROGRAM.match(user_agent)
        return program[1] if program else UNKNOWN
    browser = _first(_BROWSERS, user_agent) or UNKNOWN
    system = _first(_SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for pattern, name in names if re.search(pattern, user_agent)), "")
