"""The page in a real browser: upload, edit, render, download, on the built-in model."""

import importlib.util
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile

import numpy as np
import pytest

REQUIRED = bool(os.environ.get("SEGKIT_REQUIRE_BROWSER"))
WAIT_MS = 240_000


def missing(reason):
    """Skip, or fail where the browser test was promised."""
    if REQUIRED:
        pytest.fail(f"SEGKIT_REQUIRE_BROWSER is set, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser(repository):
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("needs playwright (extra dev)")
    spec = importlib.util.spec_from_file_location("browsers", repository / "tools/get_browser.py")
    tools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    path = tools.find_browser()
    if path is None:
        missing("needs Chromium: run `make browser`")
    with sync_playwright() as playwright:
        # Without a sandbox of its own: containers often allow none; only our page is opened.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    """The address of `segkit web`, run as a user runs it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "web.txt"
    command = [sys.executable, "-c", "from segkit.cli import main; main()", "web"]
    words = [*command, "--port", str(port), "--device", "cpu"]
    with log.open("w") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file)
    url = f"http://127.0.0.1:{port}/"
    end = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{url}api/health", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A photograph, ten frames of voice, and something that is neither."""
    import skimage.data
    import soundfile
    from PIL import Image

    folder = tmp_path_factory.mktemp("material")
    Image.fromarray(skimage.data.astronaut()[:300, 75:375]).save(folder / "me.png")
    times_s = np.arange(6400) / 16_000
    soundfile.write(folder / "say.wav", 0.3 * np.sin(2 * np.pi * 140 * times_s), 16_000)
    (folder / "list.mp4").write_text("#EXTM3U\nfile:///etc/hostname\n")
    return folder


@pytest.fixture
def open_page(browser, address):
    """Open pages; afterwards, nobody else was asked for anything and no script failed."""
    opened = []

    def come(width, height):
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.asked, page.failed = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.failed.append(str(error)))
        opened.append(page)
        page.goto(address)
        page.wait_for_selector("#face input[type=file]", state="attached")
        return page

    yield come
    for page in opened:
        strangers = [url for url in page.asked if not url.startswith((address, "data:", "blob:"))]
        assert strangers == []
        assert page.failed == []
        page.context.close()


def choose_face_and_voice(page, material):
    page.set_input_files("#voice input[type=file]", material / "say.wav")
    page.set_input_files("#face input[type=file]", material / "me.png")
    page.wait_for_selector("#stage-picture img")


def picture(page):
    return page.get_attribute("#stage-picture img", "src")


def changed(page, before):
    """Wait until the preview shows something else."""
    page.wait_for_function(
        "before => { const i = document.querySelector('#stage-picture img');"
        " return i && i.src !== before && i.complete }",
        arg=before,
    )


def click_within(picture, x, y):
    """Click at a share of a picture's width and height, once it stands still."""
    box = picture.bounding_box()
    picture.click(position={"x": x * box["width"], "y": y * box["height"]})


def slide(page, slider, value):
    """Type a slider's value; what is typed into one that is only just shown can be lost."""
    for _ in range(12):
        page.fill(f"{slider} input[type=number]", value)
        page.press(f"{slider} input[type=number]", "Tab")
        page.wait_for_timeout(500)
        if page.input_value(f"{slider} input[type=range]") == value:
            return
    pytest.fail(f"{slider} does not take {value}")


def download(page, what):
    with page.expect_download() as event:
        page.click(f'#result a[href$="/{what}"]')
    return event.value.path().read_bytes()


def test_upload_edit_render_download(open_page, material, tmp_path):
    from segkit.edits import read_edits
    from segkit.video import VideoReader

    page = open_page(1280, 900)
    choose_face_and_voice(page, material)

    # The mask over the face; a click on its nose chooses that region.
    before = picture(page)
    page.click('#view label:has-text("Mask")')
    changed(page, before)
    page.click('button[role=tab]:has-text("Looks")')
    click_within(page.locator("#stage-picture img"), 0.5, 0.37)
    page.wait_for_function("document.querySelector('#region input:checked')?.value === 'nose'")

    # A look, by the keyboard alone.
    page.focus("#region input[value=lip]")
    page.keyboard.press("Space")
    page.wait_for_selector("#swatches button:has(img)")
    before = picture(page)
    page.locator("#swatches button:has(img)").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#looks :text('lip of swatch c')")
    changed(page, before)

    before = picture(page)
    page.click('button[role=tab]:has-text("Blinks")')
    page.wait_for_selector("#timeline img")
    click_within(page.locator("#timeline img"), 0.5, 0.5)
    page.wait_for_selector("#blink-list :text('0.2 s, 100%')")
    changed(page, before)

    before = picture(page)
    page.click('button[role=tab]:has-text("Background")')
    page.click('#background label:has-text("A colour")')
    changed(page, before)

    page.click("#render")
    page.wait_for_selector("#render-progress progress")
    page.wait_for_selector("#result video")

    (tmp_path / "made.mp4").write_bytes(download(page, "video"))
    with VideoReader(tmp_path / "made.mp4") as video:
        frames = [frame.image for frame in video]
    assert len(frames) == 10
    assert np.abs(frames[0][2, 2].astype(int) - (0x20, 0x40, 0x60)).max() < 12
    masks = zipfile.ZipFile(io.BytesIO(download(page, "masks")))
    assert len(masks.namelist()) == 11
    zipfile.ZipFile(io.BytesIO(download(page, "edits"))).extractall(tmp_path / "edits")
    plan = read_edits(tmp_path / "edits/edits.yaml", confined=True)
    assert [(swap.region, swap.strength) for swap in plan.swaps] == [("lip", 1.0)]
    assert plan.blinks.blinks == ((1.0, 0.2),)
    assert plan.background.colour == (0x20, 0x40, 0x60)

    # The video is this browser's; another one gets nothing.
    stranger = open_page(1280, 900)
    source = page.get_attribute("#result video", "src")
    assert stranger.request.get(f"{page.url.rstrip('/')}{source}").status == 404


@pytest.fixture
def swaying(tmp_path):
    """A film of a photograph that sways, with a hum."""
    import cv2
    import skimage.data
    import torch

    from segkit.video import VideoWriter

    photo = skimage.data.astronaut()[:300, 75:375]
    hum = 0.3 * torch.sin(2 * torch.pi * 140 * torch.arange(19_200) / 16_000)
    with VideoWriter(tmp_path / "film.mp4", width=300, height=300, fps=25, waveform=hum) as writer:
        for number in range(30):
            turn = cv2.getRotationMatrix2D((150, 150), 3 * np.sin(number / 4), 1)
            writer.write(cv2.warpAffine(photo, turn, (300, 300), borderMode=cv2.BORDER_REFLECT))
    return tmp_path / "film.mp4"


@pytest.mark.slow
def test_a_person_is_learned_and_drawn(open_page, swaying, tmp_path):

    page = open_page(1280, 900)
    page.set_input_files("#face input[type=file]", swaying)
    page.wait_for_selector("#stage-picture img")
    before = picture(page)
    page.click("#model-box > button")
    slide(page, "#fit-minutes", "0.5")
    page.click("#fit")
    page.wait_for_selector("#fit-progress progress")
    told = page.wait_for_selector("#fit-progress :is([role=alert], :text('is chosen'))")
    assert "the model is chosen" in told.inner_text()
    assert page.input_value("#model input").startswith("Fitted here")
    changed(page, before)

    page.click("#render")
    page.wait_for_selector("#result video")
    (tmp_path / "made.mp4").write_bytes(download(page, "video"))
    assert (tmp_path / "made.mp4").stat().st_size > 10_000
    models = page.request.get(f"{page.url}api/models").json()
    assert [one["name"].split(":")[0] for one in models] == ["builtin"]  # no other's session


def test_what_is_wrong_is_told_beside_the_input(open_page, material):
    page = open_page(1280, 900)
    # A click is lost while the page is not all there; nothing tells when it is.
    alert = "#render-progress [role=alert]:has-text('Choose a film or photo')"
    for _ in range(12):
        page.click("#render")
        page.wait_for_timeout(5000)
        if page.is_visible(alert):
            break
    page.wait_for_selector(alert)
    page.set_input_files("#face input[type=file]", material / "list.mp4")
    page.wait_for_selector("#face-note [role=alert]:has-text('Expected a film or picture')")


def test_a_painting_is_used_on_a_phone(open_page, material):
    page = open_page(390, 844)
    choose_face_and_voice(page, material)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click('button[role=tab]:visible:has-text("Paint")')
    canvas = page.locator("#canvas canvas").first
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)  # the canvas fits its picture in, with no sign of when it has
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 40, y - 60)
    page.mouse.down()
    page.mouse.move(x + 40, y - 60, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)
    before = picture(page)
    page.click("#use-painting")
    page.wait_for_selector("#paint-note:has-text('In use')")
    changed(page, before)


def test_the_schema_is_served_beside_the_page(address):
    with urllib.request.urlopen(f"{address}api/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    assert "/api/jobs" in paths
    assert all(path.startswith("/api/") for path in paths)
