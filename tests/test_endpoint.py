"""What `ordebug eval` says of a server that is none, that refuses, or that has moved."""

from pathlib import Path
from typing import Any

import pytest

from ordebug_plugin.cli import main
from tests.served import arguments, episodes_of, write_bench
from tests.test_chat import GOOD, completion, server


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """One problem."""
    return write_bench(tmp_path / "bench", 1)


@pytest.mark.parametrize(
    ("models", "shown"),
    [
        ("<html>\n<body>Welcome", "<html> <body>Welcome"),
        (["m"], '["m"]'),
        ("7", "7"),
        ("", "nothing"),
        ({"data": {"id": "m"}}, '{"data": {"id": "m"}}'),
        ({"data": [{"name": "m"}]}, '{"data": [{"name": "m"}]}'),
        ("[" * 200_000, "[[["),
    ],
)
def test_a_server_that_is_not_openai_compatible_is_named(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], models: Any, shown: str
) -> None:
    with server(lambda n, body: (200, completion(GOOD)), models) as (url, requests):
        assert main(arguments(bench, url, tmp_path / "run")) == 4
    message = capsys.readouterr().err
    assert (
        f"no OpenAI-compatible server at {url}: it answers /models with no list of models, but with {shown}" in message
    )
    assert "up to and including /v1" in message
    assert not requests
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("models", [{"data": []}, {"object": "list", "data": None}])
def test_an_empty_list_of_models_is_no_proof(bench: Path, tmp_path: Path, models: Any) -> None:
    with server(lambda n, body: (200, completion(GOOD)), models) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run")) == 0


def test_a_server_without_models_is_asked(bench: Path, tmp_path: Path) -> None:
    with server(lambda n, body: (200, completion(GOOD)), "", 404) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run")) == 0


def test_an_address_without_its_v1_is_found_out_before_the_run(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(lambda n, body: (200, completion(GOOD))) as (url, requests):
        assert main(arguments(bench, url.removesuffix("/v1"), tmp_path / "run")) == 4
    said = " ".join(capsys.readouterr().err.split())
    assert f"{url.removesuffix('/v1')} has no chat completions: Error code: 404" in said
    assert f"The address lacks its end: give {url}" in said
    assert not requests
    assert not (tmp_path / "run").exists()


def test_an_address_with_nothing_behind_it_is_found_out_before_the_run(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(lambda n, body: (404, {"detail": "Not Found"}), "", 404) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run")) == 4
    assert "does the address end in /v1?" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:9/v1", "localhost:9", "htp://127.0.0.1:9/v1"])
def test_an_address_without_its_scheme_is_no_dead_server_and_no_folder(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    graduate = ["graduate", address, "--bench", str(bench), "--model", "m", "--out", str(tmp_path / "g")]
    for command in (arguments(bench, address, tmp_path / "run"), graduate):
        if command is graduate and "://" in address:
            continue  # may be the name of a folder
        assert main(command) == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"{address}: the address must begin with http:// or https://: give http://" in said
        assert "config.json" not in said


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("key", "verb"), [(None, "asks for a key"), ("sk-old", "refuses the key")])
def test_a_key_that_is_missing_or_wrong_is_named(
    bench: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    key: str | None,
    verb: str,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    refusal = {"error": {"message": "go away"}}
    with server(lambda n, body: (200, completion(GOOD)), refusal, status) as (url, _):
        assert main(arguments(bench, url, tmp_path / "run")) == 4
    assert f"{url} {verb} in OPENAI_API_KEY: Error code: {status} - go away" in capsys.readouterr().err


def test_a_key_that_only_answers_need_loses_the_episode(bench: Path, tmp_path: Path) -> None:
    with server(lambda n, body: (401, {"error": {"message": "go away"}})) as (url, requests):
        assert main(arguments(bench, url, tmp_path / "run")) == 4
    assert len(requests) == 1  # another try would be refused, too
    (episode,) = episodes_of(tmp_path / "run")
    assert episode["outcome"] is None
    assert "401 - go away" in episode["error"]


@pytest.mark.parametrize("status", [301, 307])
def test_a_server_that_moved(bench: Path, tmp_path: Path, status: int) -> None:
    """307 keeps the question; 301 makes a GET of it, for which the new server has a page or nothing."""
    with server(lambda n, body: (200, completion(GOOD))) as (new, requests):
        with server(lambda n, body: (status, f"{new}/chat/completions")) as (old, _):
            code = main(arguments(bench, old, tmp_path / "run"))
        (episode,) = episodes_of(tmp_path / "run")
        if status == 307:
            assert (code, episode["outcome"], len(requests)) == (0, "recovered", 1)
        else:
            assert (code, episode["outcome"], len(requests)) == (4, None, 0)
            assert f"sent on to {new}/chat/completions by 301: give the address" in episode["error"]
