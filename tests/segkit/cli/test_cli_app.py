"""The root of the command line: help that teaches, errors in one line."""

import subprocess
import sys

import pytest
import typer

from segkit import __version__
from segkit.cli import app as app_module
from segkit.cli.errors import sentence, user_errors

COMMANDS = (
    "talk", "fit", "demo", "evaluate", "benchmark", "synth", "prepare", "ablate", "bundle",
)  # fmt: skip


def test_version(command_line):
    assert command_line("--version").stdout.strip() == f"segkit {__version__}"


def test_the_package_runs_without_its_script():
    command = [sys.executable, "-m", "segkit", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"segkit {__version__}"


def test_help_names_every_command(command_line):
    words = command_line("--help").stdout.split()
    assert {*COMMANDS, "train"} <= set(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command_line, command):
    result = command_line(command, "--help")
    assert result.exit_code == 0
    assert "Usage: segkit" in result.stdout or f"{command}" in result.stdout
    assert "--out" in result.stdout
    if command != "demo":
        assert f"segkit {command}" in result.stdout


def test_talk_lists_the_regions(command_line):
    from segkit.regions import SCHEME_12

    text = command_line("talk", "--help").stdout
    assert all(region in text for region in SCHEME_12.regions)


def test_unknown_command_and_option(command_line):
    assert command_line("tlak").exit_code == 2
    assert command_line("talk", "--vdeo", "x").exit_code == 2


def test_train_hands_everything_on(command_line, monkeypatch):
    seen = []
    monkeypatch.setattr("segkit.cli.train.main", seen.append)
    words = ["tsg_tiny", "--cfg-options", "a=1", "b=2", "--resume", "-h"]
    assert command_line("train", *words).exit_code == 0
    assert seen == [words]


def test_train_help_comes_from_the_training_parser(command_line):
    result = command_line("train", "-h")
    assert result.exit_code == 0
    assert "--cfg-options" in result.stdout


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("no region 'lips'"), "no region 'lips'"),
        (ValueError("too short"), "too short"),
        (
            FileNotFoundError(2, "No such file or directory", "me.mp4"),
            "me.mp4: No such file or directory",
        ),
        (FileNotFoundError("me.mp4 not found; record one"), "me.mp4 not found; record one"),
        (ImportError("pip install 'segkit[synth]'"), "pip install 'segkit[synth]'"),
        (ValueError(), "ValueError"),
    ],
)
def test_an_error_in_its_own_words(error, words):
    assert sentence(error) == words


def test_errors_end_with_two_and_interrupts_with_130(capsys):
    def failing(error):
        def command():
            raise error

        return user_errors(interrupted="half is kept")(command)

    for error, code, words in (
        (ValueError("too short"), 2, "error: too short\n"),
        (KeyboardInterrupt(), 130, "interrupted: half is kept\n"),
    ):
        with pytest.raises(typer.Exit) as ended:
            failing(error)()
        assert ended.value.exit_code == code
        assert capsys.readouterr().err == words


def test_bugs_are_not_dressed_up_as_errors_of_the_user():
    @user_errors()
    def command():
        raise AssertionError("our own")

    with pytest.raises(AssertionError):
        command()


def test_debug_shows_the_trace_wherever_it_stands(monkeypatch, tmp_path):
    for words in (
        ["--debug", "synth", "--out", str(tmp_path)],
        ["synth", "--out", str(tmp_path), "--debug"],
    ):
        monkeypatch.setenv("SEGKIT_DEBUG", "")
        (tmp_path / "mine.txt").touch()
        with pytest.raises(FileExistsError):
            app_module.run(words)


def test_the_installed_script(repository):
    script = "from segkit.cli import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", script, "talk", "--image", "absent.png", "-a", "a", "-o", "b"],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert answer.stderr == "error: --image: absent.png does not exist\n"
