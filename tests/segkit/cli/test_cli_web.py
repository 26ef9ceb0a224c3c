"""`segkit web` before it serves: what it refuses, and how it says so."""

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("gradio", reason="needs the extra `web`")


@pytest.fixture(autouse=True)
def _no_token(monkeypatch):
    monkeypatch.delenv("SEGKIT_WEB_TOKEN", raising=False)


def test_other_computers_need_a_token(command_line):
    answer = command_line("web", "--host", "0.0.0.0")
    assert answer.exit_code == 2
    assert "--token-file" in answer.stderr


def test_a_short_token_is_refused(command_line, tmp_path):
    path = tmp_path / "token"
    path.write_text("secret\n")
    answer = command_line("web", "--token-file", path)
    assert answer.exit_code == 2
    assert "shorter than 16 letters" in answer.stderr


def test_a_missing_library_names_the_extra(command_line, monkeypatch):
    import segkit.cli.web as module

    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "gradio" else name)
    answer = command_line("web")
    assert answer.exit_code == 2
    assert "pip install 'segkit[web]'" in answer.stderr
    # Without the page its library is not needed; a folder that is not there is told next.
    answer = command_line("web", "--api-only", "--models", "nowhere")
    assert "nowhere is no folder" in answer.stderr


def test_nobody_can_share_it_by_an_option(command_line):
    assert "--share" not in command_line("web", "--help").stdout
