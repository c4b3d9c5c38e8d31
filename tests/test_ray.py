"""A Ray cluster of two nodes on this machine: the same bytes as without one, and nothing lost when a node is."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ordebug_plugin.cli import _parser, main
from ordebug_plugin.cluster import Cluster, check_head
from ordebug_plugin.errors import InputError, ProblemError
from ordebug_plugin.grading import Task
from ordebug_plugin.model_files import model_file, pack, unpacked
from ordebug_plugin.problem import load_benchmark
from ordebug_plugin.reward_pool import RewardPool
from ordebug_plugin.solver import Judge
from ordebug_plugin.tasks import dump_task, load_task
from ordebug_plugin.workers import Lost
from tests.conftest import REPO, documented, free_port
from tests.served import episodes_of, figures_of, write_bench
from tests.test_chat import server
from tests.toys import answer

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
needs_ray = pytest.mark.skipif(
    shutil.which("ray", path=Path(sys.executable).parent) is None, reason="Ray is not installed: pip install '.[ray]'"
)
_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Two nodes of one CPU each, on ports that are free; nodes find our package as this process does."""
    from ray import shutdown  # noqa: PLC0415  # an extra
    from ray.cluster_utils import Cluster as Nodes  # noqa: PLC0415

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(REPO)
    started = up(lambda: Nodes(initialize_head=True, head_node_args={**_NODE, "include_dashboard": False}))
    try:
        up(lambda: started.add_node(**_NODE))
        yield started
    finally:
        shutdown()
        started.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def up(start: Callable[[], Any], tries: int = 3) -> Any:
    """What comes of starting a node: on a busy machine one may miss Ray's own limit of 30 s."""
    for left in reversed(range(tries)):
        try:
            return start()
        except Exception as error:  # Ray raises no other
            if left == 0 or "timed out" not in str(error):
                raise
    return None


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "bench", 12)


def ordebug(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command in a folder that no node works in: paths relative to it say nothing there."""
    command = [sys.executable, "-m", "ordebug_plugin.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def ended(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    return said


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@needs_ray
class TestTwoNodes:
    def test_a_benchmark_is_made_imported_and_checked_to_the_same_bytes(
        self, nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        messages: dict[str, list[str]] = {}
        for name, crew in {"here": ["--workers", "1"], "there": ["--ray", nodes.address]}.items():
            folder = tmp_path / name
            folder.mkdir()
            monkeypatch.chdir(folder)  # paths from here say nothing where a node works
            assert main(["bench", "make", "made", "--n", "8", "--seed", "3", "--families", "plans", *crew]) == 0
            shutil.copytree("made/models", "models")
            Path("models/odd.mps").write_text("ROWS\n N obj\nCOLUMNS\n x nowhere 1\nENDATA\n")
            Path("models/torn.lp").write_text("Minimize\n obj: 2 x +* y\nSubject To\n")
            capsys.readouterr()
            assert main(["bench", "import", "models", "own", *crew]) == 1  # two are refused
            said = capsys.readouterr().err
            messages[name] = [line for line in said.splitlines() if line.strip().startswith("models/")]
            assert main(["bench", "check", "made", "--json", "check.json", *crew]) == 0
        assert messages["here"] == messages["there"]
        assert any("models/torn.lp: Gurobi cannot read" in line for line in messages["here"])
        assert any("models/odd.mps: Gurobi says" in line for line in messages["here"])
        here, there = files_of(tmp_path / "here"), files_of(tmp_path / "there")
        assert len(here) > 30
        assert here == there

    def test_rewards_are_the_same_as_in_this_process(self, nodes: Any, bench: Path) -> None:
        tasks = [load_task(dump_task(Task(problem), inline=True)) for problem in load_benchmark(bench).problems]
        texts = [[answer("DROP_CONSTRAINT(high)")], [answer("RELAX_CONSTRAINT(low, 4)")], ["nonsense"]] * 4
        found = RewardPool(workers=Cluster(nodes.address)).components(tasks, texts)
        assert found == RewardPool(workers=0).components(tasks, texts)
        assert None not in found

    def test_a_trainer_stays_without_a_ray_of_its_own(self, nodes: Any, bench: Path) -> None:
        """ms-swift takes a Ray that is connected in its process for the one that it is to train on."""
        script = (
            "import sys; from pathlib import Path; from ordebug_plugin.grading import Task\n"
            "from ordebug_plugin.problem import load_benchmark; from ordebug_plugin.reward_pool import *\n"
            "check_crew(); tasks = [Task(one) for one in load_benchmark(Path(sys.argv[1])).problems]\n"
            f"found = RewardPool().components(tasks, [[{answer('DROP_CONSTRAINT(high)')!r}]] * len(tasks))\n"
            "print(sum(one is not None for one in found), 'ray' in sys.modules)"
        )
        environment = {**os.environ, "PYTHONPATH": str(REPO), "ORDEBUG_RAY": nodes.address}
        command = [sys.executable, "-c", script, str(bench)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.stdout.split() == ["12", "False"], done.stderr

    def test_a_call_that_ends_its_process_or_hangs_is_a_named_loss(self, nodes: Any) -> None:
        cluster = Cluster(nodes.address, 1)
        died, kept = cluster.map(exits, [(True,), (False,)], 60.0)
        assert died == Lost("the process that judged it died")
        assert kept == "kept"
        assert cluster.map(time.sleep, [(60.0,)], 0.5) == [
            Lost("Gurobi did not return within 0.5 s (ORDEBUG_HANG sets the limit)")
        ]

    def test_a_node_removed_during_a_run_loses_nothing(self, nodes: Any, bench: Path, tmp_path: Path) -> None:
        run = ["eval", "bench", "--agent", "random", "--seed", "1", "--samples", "40"]
        ended(ordebug(tmp_path, *run, "--workers", "1", "--out", "here"))
        second = up(lambda: nodes.add_node(**_NODE))
        process = ordebug(tmp_path, *run, "--ray", nodes.address, "--out", "there")
        lines = tmp_path / "there" / "episodes.jsonl"
        while process.poll() is None and not (lines.exists() and lines.read_bytes().count(b"\n") >= 20):
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()[0]
        done = lines.read_bytes().count(b"\n")
        nodes.remove_node(second, allow_graceful=False)
        ended(process)
        assert done < 12 * 40
        assert len(episodes_of(tmp_path / "there")) == 12 * 40
        assert episodes_of(tmp_path / "there") == episodes_of(tmp_path / "here")
        assert figures_of(tmp_path / "there") == figures_of(tmp_path / "here")
        configs = [yaml.safe_load((tmp_path / name / "config.yaml").read_text()) for name in ("here", "there")]
        assert configs[0] == configs[1]

    def test_the_head_is_found(self, nodes: Any) -> None:
        check_head(nodes.address)
        check_head(f"localhost:{nodes.address.rpartition(':')[2]}")

    @pytest.mark.parametrize("address", ["ray://127.0.0.1:9", "127.0.0.1:9"])
    def test_an_address_without_a_cluster_is_bad_input(self, bench: Path, tmp_path: Path, address: str) -> None:
        """And one line: of a port where nobody listens, Ray alone writes ten in a minute and a half, and goes on."""
        process = ordebug(tmp_path, "bench", "check", str(bench), "--ray", address)
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 2, said
        assert said.startswith("ordebug: ")
        assert address in said
        assert said.count("\n") == 1


class TestHead:
    """What is found out about an address before Ray is asked."""

    @pytest.fixture
    def listener(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener

    @pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray.invalid:6379", "a..b:6379", "127.0.0.1:99999"])
    def test_nobody(self, address: str) -> None:
        address = address.format(port=free_port())
        with pytest.raises(InputError, match=f"no Ray cluster at {address}: .*; `ray start --head` starts one"):
            check_head(address)

    @pytest.mark.parametrize("form", ["{}:{}", "ray://{}:{}"])
    def test_one_that_accepts_and_says_nothing(self, listener: socket.socket, form: str) -> None:
        address = form.format(*listener.getsockname())
        with pytest.raises(InputError, match=rf"no Ray cluster at {address}: nothing answers within 0\.2 s"):
            check_head(address, seconds=0.2)

    def test_one_that_hangs_up(self, listener: socket.socket) -> None:
        address = "{}:{}".format(*listener.getsockname())

        def hang_up() -> None:
            listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(InputError, match=f"no Ray cluster at {address}: "):
            check_head(address)
        thread.join()

    def test_a_server_of_models(self) -> None:
        with server(lambda n, body: (200, "")) as (url, _), pytest.raises(InputError, match="listens there is no Ray"):
            check_head(url.removeprefix("http://").removesuffix("/v1"))

    @pytest.mark.parametrize("value", ["1", "true", "True"])
    def test_one_behind_tls_is_left_to_ray(
        self, listener: socket.socket, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        """It says nothing to who does not speak TLS."""
        monkeypatch.setenv("RAY_USE_TLS", value)
        check_head("{}:{}".format(*listener.getsockname()), seconds=0.2)

    def test_one_behind_a_proxy_is_left_to_ray(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It may have no way there but the proxy."""
        monkeypatch.setenv("RAY_grpc_enable_http_proxy", "true")
        check_head(f"127.0.0.1:{free_port()}")

    def test_none_where_ray_finds_it_itself(self) -> None:
        for address in ("auto", "local", "ray://somewhere", "anyscale://somewhere"):
            check_head(address)


def exits(now: bool) -> str:
    if now:
        os._exit(7)
    return "kept"


def test_a_model_travels_with_the_problem_and_keeps_its_name(bench: Path, tmp_path: Path) -> None:
    problems = load_benchmark(bench).problems
    with Judge() as judge:
        expected = [judge.iis(problem) for problem in problems]
    packed = pack(("some call", [Task(problem, ("x",)) for problem in problems]))
    shutil.rmtree(bench)
    with unpacked(packed) as (_, tasks), Judge() as judge:
        assert [task.problem for task in tasks] == list(problems)
        assert [judge.iis(task.problem) for task in tasks] == expected
        with model_file(problems[0]) as copy:
            assert problems[0].content_hash in copy.name
        assert not copy.exists()
    with Judge() as judge, pytest.raises(ProblemError, match=str(problems[0].path)):
        judge.iis(problems[0])


def test_without_ray_the_extra_is_named(bench: Path) -> None:
    command = ["bench", "check", str(bench), "--ray", "auto"]
    code = f"import sys; sys.modules['ray'] = None; from ordebug_plugin.cli import main; sys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO, check=False)
    assert done.returncode == 2
    assert "pip install -e '.[ray]'" in done.stderr


@pytest.mark.parametrize("words", documented("--ray"), ids=" ".join)
def test_a_documented_command_is_one(words: list[str]) -> None:
    assert words[0] == "ordebug"
    assert _parser().parse_args(words[1:]).ray in ("auto", "10.0.0.1:6379")


def test_no_process_and_a_cluster_contradict_each_other(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "check", str(bench), "--ray", "auto", "--workers", "0"]) == 2
    assert "leave one of them out" in capsys.readouterr().err
