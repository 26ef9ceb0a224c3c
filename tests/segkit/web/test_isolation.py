"""One user's files and another: every door of the page, tried with the wrong cookie."""

import json

import pytest

pytest.importorskip("fastapi", reason="needs the extra `web`")
pytest.importorskip("gradio", reason="needs the extra `web`")

from fastapi.testclient import TestClient

from segkit.serve.exchange import COOKIE

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture
def visit(server):
    """A browser with a cookie of its own; the application is not started, only asked."""

    def come():
        client = TestClient(server.app)
        assert client.get("/config").status_code == 200
        assert len(client.cookies[COOKIE]) == 43
        return client

    return come


def upload(client, content=PNG, name="me.png"):
    answer = client.post("/gradio_api/upload", files={"files": (name, content, "image/png")})
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


def join(client, path, session="abc"):
    data = {"data": [{"path": path}], "fn_index": 0, "session_hash": session}
    return client.post("/gradio_api/queue/join", json=data)


def test_an_upload_is_only_its_senders(visit):
    me, you = visit(), visit()
    path = upload(me)
    assert me.get(f"/gradio_api/file={path}").content == PNG
    assert you.get(f"/gradio_api/file={path}").status_code == 403
    assert you.head(f"/gradio_api/file={path}").status_code == 403
    # Nor may they give it to a function of the page as if it were theirs.
    assert join(you, path).status_code == 403
    nested = {"data": [{"layers": [{"x": [{"path": path}]}]}], "session_hash": "z"}
    assert you.post("/gradio_api/queue/join", json=nested).status_code == 403


def test_the_same_picture_sent_by_two_belongs_to_both(visit, server):
    me, you = visit(), visit()
    content = PNG + b"both"
    assert upload(me, content) == upload(you, content)
    path = upload(you, content)
    assert {c.get(f"/gradio_api/file={path}").status_code for c in (me, you)} == {200}
    # The one who leaves does not take it from the other.
    assert server.ownership.release(me.cookies[COOKIE]) == []
    assert you.get(f"/gradio_api/file={path}").status_code == 200
    assert [str(p) for p in server.ownership.release(you.cookies[COOKIE])] == [path]


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/proc/self/environ", "http://example.org/x", "{cache}/../jobs.sqlite3"],
)
def test_other_files_of_the_machine_are_nobodys(visit, server, path):
    path = path.format(cache=server.folder / "page")
    assert visit().get(f"/gradio_api/file={path}").status_code in (403, 404)
    assert join(visit(), path).status_code == 403


def test_a_stream_of_events_is_only_its_pages(visit):
    me, you = visit(), visit()
    upload(me)
    assert join(me, upload(me), session="mine").status_code != 403
    assert you.get("/gradio_api/queue/data?session_hash=mine").status_code == 403
    assert you.get("/gradio_api/heartbeat/mine").status_code == 403


def test_a_video_is_only_its_owners(visit, server):
    me, you = visit(), visit()
    id, folder = server.queue.new_folder()
    (folder / "edits").mkdir()
    (folder / "edits/edits.yaml").write_text("version: 1\n")
    server.queue.submit(id, owner=me.cookies[COOKIE], kind="talk", options={})
    server.queue.store.take()
    (folder / "result.mp4").write_bytes(b"film")
    server.queue.store.end(id, state="done")
    assert me.get(f"/media/{id}/video").content == b"film"
    for what in ("video", "masks", "edits"):
        assert you.get(f"/media/{id}/{what}").status_code == 404
    # Nor through the API, whose jobs are others.
    assert me.get(f"/api/jobs/{id}/result").status_code == 404


@pytest.mark.parametrize(
    "door",
    ["/gradio_api/runs", "/gradio_api/deep_link", "/gradio_api/proxy=http://example.org/", "/docs",
     "/gradio_api/dev/reload", "/gradio_api/file/etc/passwd", "/monitoring/summary"],
)  # fmt: skip
def test_doors_that_the_page_does_not_need_are_closed(visit, door):
    assert visit().get(door).status_code == 404


def test_a_page_that_is_left_takes_its_files_along(visit, server):
    from segkit.web.studio import Studio

    me = visit()
    studio = Studio(
        server.folder / "page", queue=server.queue, models=server.models,
        ownership=server.ownership, device="cpu",
    )  # fmt: skip
    draft = studio.open(me.cookies[COOKIE])
    path = upload(me, PNG + b"mine alone")
    studio.take_face(draft, path)
    assert draft.folder.stat().st_mode & 0o077 == 0
    assert draft.face == "face.png"
    studio.close_draft(draft)
    assert not draft.folder.exists()
    assert me.get(f"/gradio_api/file={path}").status_code == 403
    with pytest.raises(ValueError, match="reload"):
        studio.preview(draft, 0.0)
    studio.close()


def test_answers_forbid_the_browser_to_ask_anybody_else(visit):
    policy = visit().get("/").headers["content-security-policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    sources = {word for words in parts.values() for word in words.split()}
    assert sources <= {"'self'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:", "'none'"}


def test_a_page_with_a_token_asks_for_it(make_page):
    token = "a token of enough letters"
    client = TestClient(make_page(token=token).app, follow_redirects=False)
    asked = client.get("/")
    assert (asked.status_code, "Token of this server" in asked.text) == (401, True)
    assert client.get("/config").status_code == 401
    assert client.post("/enter", data={"token": "wrong"}).status_code == 401
    entered = client.post("/enter", data={"token": token})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert json.loads(client.get("/config").text)["title"] == "segkit"
