"""Which licence Gurobi is to use, and within how much memory: what a user sets once, outside of every command.

A licence file (GRB_LICENSE_FILE, or gurobi.lic in a default place) is read by Gurobi itself. What it may say, a file
named by ORDEBUG_GUROBI may say as well, one ``Name value`` a line as in a .prm file, and so may environment variables
GRB_NAME, as Gurobi's container images take them. Parameters that change answers cannot be set there: two runs of the
same command must agree. Names and meanings: Gurobi reference manual, parameters, and "Gurobi licences".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ordebug_plugin.errors import InputError

FILE_VARIABLE = "ORDEBUG_GUROBI"
_PREFIX = "GRB_"
# Gurobi reads this in the current folder whatever it is asked, and takes any parameter from it.
_STRAY = "gurobi.env"
_SECRET = (
    *("WLSAccessID", "WLSSecret", "WLSToken", "ServerPassword", "CSAuthToken", "CSAPIAccessID", "CSAPISecret"),
    *("CloudAccessID", "CloudSecretKey", "Password"),
)
_TEXT = (
    *_SECRET,
    *("ComputeServer", "CSManager", "CSRouter", "CSGroup", "CSAppName", "CSTLSCAFile", "UserName", "TokenServer"),
    *("CloudHost", "CloudPool", "WorkerPool", "WorkerPassword"),
)
_NUMBERS = (
    *("LicenseID", "TSPort", "ServerTimeout", "CSPriority", "CSQueueTimeout", "CSIdleTimeout", "CSTLSInsecure"),
    *("WLSTokenDuration", "WLSTokenRefresh", "MemLimit", "SoftMemLimit"),
)
_NAMES = {name.lower(): name for name in (*_TEXT, *_NUMBERS) if name != "Password"}
_HIDDEN = {name.lower() for name in (*_SECRET, "WorkerPassword")}
# What decides the kind of licence, in the order in which Gurobi looks.
_KINDS = (
    (("csmanager", "computeserver"), "a compute server"),
    (("cloudaccessid", "cloudsecretkey"), "Gurobi Instant Cloud"),
    (("wlsaccessid", "wlssecret", "wlstoken"), "the Web License Service (WLS)"),
    (("tokenserver",), "a token server"),
)
_DEFAULT_PLACES = (Path("/opt/gurobi/gurobi.lic"), Path("/opt/gurobi1300/gurobi.lic"))
_LINE = re.compile(r"\s*(\w+)\s*[\s=]\s*(.*?)\s*")


@dataclass(frozen=True)
class Configuration:
    """What Gurobi is started with beside our own parameters.

    Attributes:
        parameters: For `gurobipy.Env`, secrets and all: never to be shown.
        kind: Which kind of licence is in use, in words, with the address of a server but no secret.
        secrets: What must be blotted out of any message.
    """

    parameters: dict[str, str | float]
    kind: str
    secrets: tuple[str, ...]

    def without_secrets(self, text: str) -> str:
        """A message of Gurobi as it may be shown."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def configuration() -> Configuration:
    """Reads what is set at the moment.

    Raises:
        InputError: Something is set that Gurobi could not use, or that would change answers.
    """
    if Path(_STRAY).exists():
        raise InputError(
            f"there is a {_STRAY} in this folder, and Gurobi takes any parameter from it: answers would depend on the "
            f"folder. Run from another one, or move what it says of licences into a file named by {FILE_VARIABLE}"
        )
    found = {**dict(_variables()), **dict(_file())}
    licence = _licence_file()
    known = {**_said(licence), **{name.lower(): str(value) for name, value in found.items()}}
    secrets = tuple(value for name, value in known.items() if name in _HIDDEN | {"password"} and value)
    return Configuration(found, _kind(known, licence), secrets)


def _variables() -> Iterator[tuple[str, str | float]]:
    for variable, value in sorted(os.environ.items()):
        name = _NAMES.get(variable.removeprefix(_PREFIX).lower()) if variable.startswith(_PREFIX) else None
        if name is not None and value:
            yield name, _value(name, value, f"the environment variable {variable}")


def _file() -> Iterator[tuple[str, str | float]]:
    named = os.environ.get(FILE_VARIABLE)
    if not named:
        return
    try:
        lines = Path(named).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{named} ({FILE_VARIABLE}) cannot be read: {reason}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{named}, line {number}"
        match = _LINE.fullmatch(line)
        name = _NAMES.get(match[1].lower()) if match else None
        if match is None or name is None:
            # Not the line itself: a secret may stand in it.
            raise InputError(
                f"{where}: a licence parameter and its value are expected (ComputeServer 10.0.0.5:61000), or MemLimit "
                f"or SoftMemLimit; known are {', '.join(sorted(_NAMES.values()))}"
            )
        yield name, _value(name, match[2], where)


def _value(name: str, text: str, where: str) -> str | float:
    if name not in _NUMBERS:
        return text
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{where}: {name} must be a number") from error


def _licence_file() -> Path | None:
    named = os.environ.get("GRB_LICENSE_FILE")
    if named:
        return Path(named)
    return next((path for path in (Path.home() / "gurobi.lic", *_DEFAULT_PLACES) if path.is_file()), None)


def _said(licence: Path | None) -> dict[str, str]:
    """The entries of a licence file by their names in small letters; none where it cannot be read."""
    try:
        lines = [] if licence is None else licence.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # for Gurobi to complain about
        return {}
    matches = [_LINE.fullmatch(line) for line in lines if not line.lstrip().startswith("#")]
    return {match[1].lower(): match[2] for match in matches if match}


def _kind(known: dict[str, str], licence: Path | None) -> str:
    for names, kind in _KINDS:
        if any(known.get(name) for name in names):
            address = known.get(names[0], "") if names[0] not in _HIDDEN else ""
            if not address and names[-1] not in _HIDDEN:
                address = known.get(names[-1], "")
            return f"{kind} at {address}" if address else kind
    if licence is not None:
        return f"the licence file {licence}"
    return "the licence inside gurobipy's own wheel"
