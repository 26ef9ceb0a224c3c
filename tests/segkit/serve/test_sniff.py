"""What a file is, told by its first bytes, against files that libraries really write."""

import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from segkit.media import MediaError
from segkit.serve.sniff import FILM, PICTURE, SOUND, kind_of, require_kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "AVIF"])
def test_pictures_of_pillow_are_known(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(buffer, format=kind)
    assert kind_of(buffer.getvalue()[:512])[0] == PICTURE


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "CAF", "MP3"])
def test_sounds_of_libsndfile_are_known(kind):
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.1 * np.ones(8000, np.float32), 16_000, format=kind)
    assert kind_of(buffer.getvalue()[:512])[0] == SOUND


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "avi", "ogg", "mpg", "flv", "ts"])
def test_containers_of_ffmpeg_are_known(tmp_path, ending):
    import av

    path = tmp_path / f"film.{ending}"
    codec = {"webm": "libvpx", "ogg": "libopus", "mpg": "mpeg2video", "flv": "flv"}.get(
        ending, "mpeg4"
    )
    with av.open(str(path), "w") as output:
        if ending == "ogg":
            stream = output.add_stream(codec, rate=48_000)
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = 48_000
        else:
            stream = output.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert kind_of(path.read_bytes()[:512])[0] == FILM


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        "ffconcat version 1.0\nfile /etc/hostname\n",
        "<?xml version='1.0'?><MPD/>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        "<svg xmlns='http://www.w3.org/2000/svg'/>",
        "%!PS-Adobe-3.0 EPSF-3.0\n",
        "[InternetShortcut]\n",
    ],
)
def test_what_names_other_files_is_refused(tmp_path, text):
    path = tmp_path / "face.mp4"
    path.write_text(text)
    assert kind_of(text.encode()) is None
    with pytest.raises(MediaError, match="expected a film, got a file of another kind"):
        require_kind(path, (FILM,), wanted="a film")
