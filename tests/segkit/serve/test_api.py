"""The HTTP API from submission to deletion, its bounds, and who is let in."""

import json
import logging
import zipfile
from io import BytesIO

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")

from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from segkit.serve.intake import save_stream
from segkit.serve.models import Models

TOKEN = "open sesame, and close behind me"


@pytest.fixture
def waiting(make_server):
    """A client of a server whose jobs only wait."""
    return TestClient(make_server(waiting=3, upload_mb=1).app)


def test_a_job_becomes_a_video_with_masks_and_is_forgotten(make_server, submit, finished):
    from PIL import Image

    from segkit.regions import SCHEME_12
    from segkit.video import VideoReader

    server = make_server(run_jobs=True)
    client = TestClient(server.app)
    edits = b"version: 1\nblinks: [{at: 0.2}]\nbackground: {colour: navy}\n"
    answer = submit(client, files=[("edits", ("mine.yaml", edits, "application/yaml"))])
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    assert answer.headers["location"] == f"/api/jobs/{id}"
    job = finished(client, id)
    assert (job["state"], job["progress"], job["message"]) == ("done", 1.0, "")
    assert (job["report"]["frames"], job["report"]["signed"]) == (10, True)

    folder = server.queue.folder_of(server.queue.store.get(id))
    (folder / "taken.mp4").write_bytes(client.get(f"/api/jobs/{id}/result").content)
    with VideoReader(folder / "taken.mp4") as video:
        frames = [frame.image for frame in video]
    assert len(frames) == 10
    assert np.abs(frames[0][2, 2].astype(int) - (0, 0, 128)).max() < 12  # the background is navy

    masks = zipfile.ZipFile(BytesIO(client.get(f"/api/jobs/{id}/masks").content))
    assert len(masks.namelist()) == 1 + 10
    labels = [np.asarray(Image.open(BytesIO(masks.read(f"{n:06d}.png")))) for n in (0, 5)]
    eyes = [int((map_ == SCHEME_12.index("eyes")).sum()) for map_ in labels]
    assert labels[0].shape == frames[0].shape[:2]
    assert eyes[1] < eyes[0] / 4  # frame 5 is at 0.2 s, where the eyes close

    assert client.delete(f"/api/jobs/{id}").status_code == 204
    assert not folder.exists()
    assert client.get(f"/api/jobs/{id}").status_code == 404


def test_a_running_job_can_be_stopped(make_server, submit, finished):
    server = make_server(run_jobs=True, waiting=2)
    client = TestClient(server.app)
    first, second = (submit(client).json()["id"] for _ in range(2))
    for id in (second, first):
        assert client.post(f"/api/jobs/{id}/cancel").json()["state"] == "cancelled"
    assert [finished(client, id)["state"] for id in (first, second)] == ["cancelled"] * 2
    assert client.get(f"/api/jobs/{first}/result").status_code == 409


def test_a_restart_finishes_what_was_accepted(tmp_path, make_server, submit, finished):
    home = tmp_path / "kept"
    before = make_server(home)
    id = submit(TestClient(before.app)).json()["id"]
    assert before.queue.store.take().id == id
    # No goodbye: a crash. Half an upload lies about, and half a result.
    _, stray = before.queue.new_folder()
    (before.queue.folder_of(before.queue.store.get(id)) / "result.mp4").write_bytes(b"half")
    after = make_server(home, run_jobs=True)
    assert not stray.exists()
    client = TestClient(after.app)
    assert finished(client, id)["state"] == "done"
    assert client.get(f"/api/jobs/{id}/result").content[4:8] == b"ftyp"


def test_a_damaged_upload_fails_and_the_server_goes_on(make_server, submit, finished, portrait_png):
    client = TestClient(make_server(run_jobs=True).app)
    torn = submit(client, face=portrait_png[:2000]).json()["id"]
    whole = submit(client).json()["id"]
    job = finished(client, torn)
    assert job["state"] == "failed"
    assert "no readable picture" in job["message"]
    assert "/" not in job["message"]  # nothing of where things lie
    assert finished(client, whole)["state"] == "done"


def test_the_queue_is_bounded(waiting, submit):
    assert [submit(waiting).status_code for _ in range(5)] == [202, 202, 202, 429, 429]
    assert waiting.get("/api/health").json()["queued"] == 3


def test_too_many_bytes_are_refused_declared_or_not(waiting, submit, portrait_png):
    large = portrait_png + bytes(3_000_000)
    assert submit(waiting, face=large).status_code == 413

    def chunks():
        for _ in range(40):
            yield bytes(100_000)

    answer = waiting.post(
        "/api/jobs",
        content=chunks(),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code in (400, 413)
    assert waiting.get("/api/health").json()["queued"] == 0


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"#EXTM3U\nfile:///etc/passwd\n", 400), (b"<svg/>", 400)],
)
def test_what_is_no_media_is_refused_at_once(waiting, submit, content, status):
    answer = waiting.post(
        "/api/jobs", files={"face": ("me.mp4", content, "video/mp4")}, data={"model": "tiny"}
    )
    assert answer.status_code == status
    assert "expected a film or picture of the face" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("edits", "names"),
    [
        ("version: 1\nmasks: [{function: 'mine.py:f'}]\n", "functions are not run here"),
        ("version: 1\nbackground: {image: /etc/passwd}\n", "lies beside the edit file"),
        ("version: 1\nbackground: {image: ../face.png}\n", "lies beside the edit file"),
        ("version: 1\nswaps: [{region: lip, image: other.png}]\n", "other.png does not exist"),
    ],
)
def test_edits_run_no_code_and_read_no_other_files(waiting, submit, edits, names):
    answer = submit(waiting, files=[("edits", ("e.yaml", edits.encode(), "text/yaml"))])
    assert answer.status_code == 400
    assert names in answer.json()["detail"]
    assert answer.json()["detail"].startswith("edits.yaml:2:")


@pytest.mark.parametrize("name", ["../../x.png", "/tmp/x.png", ".hidden", "edits.yaml", "a b.png"])
def test_names_of_references_are_plain(waiting, submit, portrait_png, name):
    answer = submit(waiting, files=[("references", (name, portrait_png, "image/png"))])
    # A parser of forms may cut folders off a name; then it is plain.
    assert answer.status_code == 400 or name.startswith(("..", "/"))


def test_a_model_is_a_name_and_never_a_path(waiting, submit, models):
    for name in (str(models / "tiny.safetensors"), "../tiny", "fit:unknown", "nobody"):
        answer = submit(waiting, model=name)
        assert answer.status_code == 400
        assert "expected one of builtin, tiny" in answer.json()["detail"]
    assert {m["name"] for m in waiting.get("/api/models").json()} == {"builtin", "tiny"}


def test_a_token_is_asked_for_before_anything_is_read(make_server, submit):
    server = make_server(token=TOKEN)
    client = TestClient(server.app)
    for header in ({}, {"Authorization": "Bearer no"}, {"Authorization": TOKEN}):
        answer = client.get("/api/models", headers=header)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert submit(client).status_code == 401
    client.headers["Authorization"] = f"Bearer {TOKEN}"
    assert submit(client).status_code == 202


def test_foreign_hosts_and_origins_are_refused(waiting, submit):
    assert waiting.get("/api/health", headers={"host": "evil.example"}).status_code == 403
    waiting.headers["origin"] = "https://evil.example"
    assert submit(waiting).status_code == 403
    waiting.headers["origin"] = "http://testserver"
    assert submit(waiting).status_code == 202


def test_uploads_are_private_and_kept_to_the_disk(make_server, submit):
    server = make_server()
    id = submit(TestClient(server.app)).json()["id"]
    folder = server.queue.folder_of(server.queue.store.get(id))
    assert {path.stat().st_mode & 0o077 for path in (server.folder, folder, *folder.iterdir())} == {
        0
    }
    options = server.queue.store.get(id).options
    assert json.dumps(options["face"]) == '"face.png"'


def test_a_stream_is_cut_off_where_it_grows_too_large(tmp_path):
    with pytest.raises(ValueError, match="larger than 1e-06 MB"):
        save_stream(BytesIO(b"two"), tmp_path / "x", most_bytes=1)
    assert not (tmp_path / "x").exists()


def test_a_folder_that_others_can_read_is_refused(tmp_path, make_server):
    home = tmp_path / "open"
    home.mkdir()
    home.chmod(0o755)
    with pytest.raises(PermissionError, match="chmod 700"):
        make_server(home)


def test_models_of_other_regions_are_not_offered(make_server, tmp_path, caplog):
    heads = {"twelve": {"scheme": "celeba12"}, "nineteen": {"scheme": "celeba_hq"}, "odd": [1]}
    for name, head in heads.items():
        save_file(
            {"x": np.zeros(1)}, tmp_path / f"{name}.safetensors", {"segkit": json.dumps(head)}
        )
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    queue = make_server().queue
    with caplog.at_level(logging.WARNING):
        offered = Models(queue, tmp_path).titles(owner="me")
    assert set(offered) == {"builtin", "twelve", "odd", "broken"}
    assert "nineteen.safetensors is not offered" in caplog.text
