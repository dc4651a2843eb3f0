import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from patience import PATIENCE
from sandbox_calls import a_sandbox, tiktok_body, tiktok_event

from target_adpostbacks.cli.sandbox import sandbox as command
from target_adpostbacks.sandbox.faults import FaultError, script
from target_adpostbacks.sandbox.networks import SANDBOX_NETWORKS

PROGRAM = [sys.executable, "-c", "from target_adpostbacks.cli.sandbox import sandbox; sandbox()"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip().removeprefix("sandbox: ")
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(stop: signal.Signals, tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps({"faults": [{"error": "too_frequent", "times": 1}], "tokens": ["good"]}), "utf-8")
    with running("--faults", str(faults)) as (process, url):
        import requests

        def post(token: str) -> int:
            headers, body = {"Access-Token": token}, tiktok_body(tiktok_event(event_time=1))
            answer = requests.post(f"{url}/open_api/v1.3/event/track/", json=body, headers=headers, timeout=60)
            return int(answer.json()["code"])

        assert [post("good"), post("good"), post("stranger")] == [40100, 40002, 40105]
        process.send_signal(stop)
        assert process.wait(PATIENCE) == 0


def test_it_lists_what_it_plays() -> None:
    result = CliRunner().invoke(command, ["--networks"])
    assert result.exit_code == 0
    for name, network in SANDBOX_NETWORKS.items():
        assert f"{name}  " in result.output
        assert all(f"  {path}\n" in result.output for path in network.paths)


@pytest.mark.parametrize(
    ("rule", "path", "said"),
    [
        ({"error": "too_frequent"}, "/open_api/v1.3/event/track/", ""),
        ({"refuse_event": 0}, "/open_api/v1.3/event/track/", ""),
        ({"delay_seconds": 0}, "/open_api/v1.3/event/track/", "refused: tiktok 40002 (1 request)"),
        ({"network": "reddit", "status": 500}, "/open_api/v1.3/event/track/", "refused: tiktok 40002 (1 request)"),
        ({"status": 500}, "/elsewhere", "refused: none 404 (1 request)"),
    ],
)
def test_what_no_fault_asked_for_is_a_mistake(rule: dict[str, object], path: str, said: str, tmp_path: Path) -> None:
    import requests

    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([rule]), "utf-8")
    with running("--fail-on-mistake", "--faults", str(faults)) as (process, url):
        body = tiktok_body(tiktok_event(event_time=1))
        requests.post(f"{url}{path}", json=body, headers={"Access-Token": "good"}, timeout=60)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.strip()) == (int(bool(said)), f"Error: {said}" if said else "")


def test_a_reset_forgives_no_mistake() -> None:
    import requests

    with running("--fail-on-mistake") as (process, url):
        requests.post(f"{url}/elsewhere", timeout=60)
        requests.post(f"{url}/_reset", timeout=60)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.strip()) == (1, "Error: refused: none 404 (1 request)")


BROKEN = {
    "not JSON": ("{", "faults.json: not valid JSON"),
    "no list": ("3", "faults.json: body: not a valid object"),
    "an unknown key": ('[{"status": 500}, {"statuz": 1}]', "faults.json: rule 2: statuz: unknown field"),
    "an unknown key beside the faults": ('{"fault": []}', "faults.json: fault: unknown field"),
    "a wrong type": ('[{"status": "500"}]', "faults.json: rule 1: status: not a valid integer"),
    "an unknown network": (
        '[{"network": "newspaper", "status": 500}]',
        f"rule 1: network: not one of {', '.join(sorted(SANDBOX_NETWORKS))}",
    ),
    "an unknown error": (
        '[{"network": "reddit", "error": "oops"}]',
        "rule 1: error: not one of authorization_required",
    ),
    "no effect": ('[{"times": 2}]', "faults.json: rule 1: no effect"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_faults_file_is_one_clear_line_and_exit_1(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text(content, "utf-8")
    result = CliRunner().invoke(command, ["--faults", str(tmp_path / "faults.json")])
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.count("\n") == 1


def test_a_faults_file_that_is_not_there_is_said() -> None:
    result = CliRunner().invoke(command, ["--faults", "/nowhere/faults.json"])
    assert (result.exit_code, result.output) == (1, "Error: faults.json: No such file or directory\n")


def test_a_port_in_use_is_said() -> None:
    with a_sandbox() as other:
        result = CliRunner().invoke(command, ["--port", other.url.rpartition(":")[2]])
    assert result.exit_code == 1
    assert "in use" in result.output


def test_signals_reach_the_process_again_when_the_command_is_over() -> None:
    with a_sandbox() as other:
        CliRunner().invoke(command, ["--port", other.url.rpartition(":")[2]])
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}


def test_without_the_extra_the_command_says_what_to_install() -> None:
    block = "import sys; sys.modules['aiohttp'] = None; "
    program = [sys.executable, "-c", block + PROGRAM[2]]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install 'target-adpostbacks[sandbox]'" in result.stderr


def test_the_command_is_read_without_the_server() -> None:
    program = "import sys, target_adpostbacks.cli.sandbox; print({'aiohttp', 'jsonschema_rs'} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_a_faults_file_may_map_tokens_to_assets() -> None:
    read = script({"faults": [], "tokens": {"good": ["a2_x"]}, "assets": ["a2_x"]})
    assert (read.tokens, read.assets) == ({"good": ["a2_x"]}, ["a2_x"])
    with pytest.raises(FaultError, match=r"faults: tokens\.good: not a valid array"):
        script({"tokens": {"good": "a2_x"}})
