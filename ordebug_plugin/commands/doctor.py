"""``ordebug doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from rich.table import Table
from rich.text import Text

from ordebug_plugin import __version__
from ordebug_plugin.cluster import Cluster, check_head
from ordebug_plugin.commands.common import DONE, FINDINGS, RESULTS, Subparsers, print_json, progress
from ordebug_plugin.errors import OrdebugError
from ordebug_plugin.guarded import hang_limit, probe_licence
from ordebug_plugin.reward_pool import RAY_VARIABLE, WORKERS_VARIABLE, default_crew
from ordebug_plugin.solver import DEFAULT_WORK_LIMIT, gurobi_version
from ordebug_plugin.solver.configuration import FILE_VARIABLE
from ordebug_plugin.solver.environment import ADVICE
from ordebug_plugin.store import SIZE_VARIABLE, STORE_VARIABLE, open_store
from ordebug_plugin.workers import HANG_VARIABLE

State = Literal["ok", "note", "broken"]
_PREFIX = "ORDEBUG_"
# What users set; the tests read the last six.
_VARIABLES = (
    FILE_VARIABLE,
    HANG_VARIABLE,
    RAY_VARIABLE,
    STORE_VARIABLE,
    SIZE_VARIABLE,
    WORKERS_VARIABLE,
    "ORDEBUG_BROWSER",
    "ORDEBUG_CROSSCHECKS",
    "ORDEBUG_DATA",
    "ORDEBUG_FUZZ",
    "ORDEBUG_METAMORPHIC",
    "ORDEBUG_SEQUENCES",
)


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, how it stands, and what to do."""

    subject: str
    state: State
    detail: str


def add_parser(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add(
        "doctor", "show what is installed, what is missing, and how to get it", "ordebug doctor --json"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Examines the environment.

    Returns:
        0 when nothing that is installed is broken, 1 otherwise. A framework that is not installed is no fault: each
        has an environment of its own.
    """
    findings = []
    with progress("doctor", len(_EXAMINATIONS)) as step:  # frameworks take seconds to import
        for examine in _EXAMINATIONS:
            findings.append(examine())
            step(findings[-1].subject)
    if options.json:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table("", "subject", "state")
        marks = {"ok": Text("✓", "green"), "note": Text("–", "yellow"), "broken": Text("✗", "red")}
        for finding in findings:
            table.add_row(marks[finding.state], finding.subject, finding.detail)
        RESULTS.print(table)
    return FINDINGS if any(finding.state == "broken" for finding in findings) else DONE


def _core() -> Finding:
    return Finding("ordebug_plugin", "ok", f"{__version__} on Python {platform.python_version()}")


def _gurobi() -> Finding:
    try:
        licence = probe_licence()
    except OrdebugError as error:
        return Finding("Gurobi", "broken", str(error).replace(ADVICE, _what_to_check()))
    size = (
        "up to 2000 rows and 2000 columns; for larger models see docs/limits.md, licences"
        if licence.limited
        else "no size limit"
    )
    return Finding("Gurobi", "ok", f"{gurobi_version()}, {licence.kind}: {size}")


def _settings() -> Finding:
    """What is set by variables of ours, each read as a command reads it; names alone, for values may be secrets."""
    names = sorted(name for name in os.environ if name.startswith(_PREFIX))
    wrong = []
    for read in (lambda: hang_limit(DEFAULT_WORK_LIMIT), _read_crew, _read_store):
        try:
            read()
        except OrdebugError as error:
            wrong.append(str(error))
    unknown = [name for name in names if name not in _VARIABLES]
    state: State = "broken" if wrong else "note" if unknown else "ok"
    if unknown:
        there = f"there is {', '.join(_VARIABLES)}; set: {', '.join(names)}"
        wrong.append(f"nothing reads {', '.join(unknown)}; {there}")
    return Finding("settings", state, "; ".join(wrong) or f"set: {', '.join(names) or 'no variable ORDEBUG_…'}")


def _read_crew() -> None:
    crew = default_crew()
    if isinstance(crew, Cluster):
        check_head(crew.address)


def _read_store() -> None:
    if (store := open_store(gurobi_version())) is not None:
        store.close()


def _what_to_check() -> str:
    """What to look at where a licence does not work; names of variables alone, for values may be secrets."""
    names = sorted(name for name in os.environ if name.startswith("GRB_") or name == FILE_VARIABLE)
    here = f"what is set here, {', '.join(names)}" if names else "the file"
    return (
        f"Check {here}: the path, the address and the keys, that the licence has not expired, and that a server named "
        "there can be reached from here (docs/limits.md, Licences)"
    )


def _llamafactory() -> Finding:
    name = "LLaMA-Factory"
    installed = _version("llamafactory")
    if installed is None:
        return Finding(name, "note", "not in this environment: pip install -e '.[llamafactory]' in the clone")
    # Imported here: it takes seconds, and it must go through `import torch` as llamafactory-cli does.
    from ordebug_plugin.frameworks.status import llamafactory_formats  # noqa: PLC0415

    formats = llamafactory_formats()
    if "or_debug" not in formats:
        return Finding(
            name,
            "broken",
            f"{installed}, but the format or_debug is not registered: unset TORCH_DEVICE_BACKEND_AUTOLOAD, reinstall "
            "this package into this environment, or convert with `ordebug data convert`",
        )
    return Finding(name, "ok", f"{installed}, format or_debug registered")


def _swift() -> Finding:
    installed = _version("ms-swift")
    if installed is None:
        return Finding("ms-swift", "note", "not in this environment: pip install -e '.[swift]' in the clone")
    if importlib.util.find_spec("msgspec") is None:
        return Finding("ms-swift", "broken", f"{installed}, but msgspec is missing: pip install msgspec")
    return Finding("ms-swift", "ok", installed)


def _accelerator() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "note", "PyTorch is not in this environment; the evaluator does not need it")
    from ordebug_plugin.frameworks.status import gpu_names  # noqa: PLC0415  # importing torch takes seconds

    names = gpu_names()
    if not names:
        return Finding("GPU", "note", f"none; torch {_version('torch')} runs recipes/cpu on the processor")
    return Finding("GPU", "ok", f"{', '.join(names)}; torch {_version('torch')}")


def _extra(package: str, what_for: str) -> Finding:
    installed = _version(package)
    if installed is None:
        return Finding(
            package, "note", f"not in this environment; {what_for}: pip install -e '.[{package}]' in the clone"
        )
    return Finding(package, "ok", installed)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


_EXAMINATIONS: tuple[Callable[[], Finding], ...] = (
    _core,
    _gurobi,
    _settings,
    _llamafactory,
    _swift,
    _accelerator,
    lambda: _extra("ray", "needed by --ray, judged work on several machines (docs/scale.md)"),
    lambda: _extra("deepspeed", "needed by recipes/sft.yaml on several GPUs"),
    lambda: _extra("sglang", "serves models on GPUs; may live in an environment of its own"),
)
