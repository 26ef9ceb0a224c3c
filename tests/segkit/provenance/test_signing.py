"""Signed videos: what is said, what is kept, and every change that must show."""

import dataclasses
import subprocess
import sys
from fractions import Fraction

import av
import pytest

from segkit.provenance import read_credentials, sign


@pytest.fixture
def signed(tmp_path, film, statement, certificate):
    path = tmp_path / "out.mp4"
    sign(film, to=path, statement=statement, certificate=certificate)
    return path


def packets_of(path):
    with av.open(str(path)) as container:
        return [
            (packet.stream.type, packet.pts, bytes(packet))
            for packet in container.demux()
            if packet.size
        ]


def remuxed(path, target):
    """Copy pictures and sound alone, as any program does that knows nothing of credentials."""
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        streams = {one.index: copy.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)


def test_what_was_said_is_read(signed):
    read = read_credentials(signed)
    assert (read.intact, read.trusted, read.local, read.problems) == (True, False, True, ())
    assert read.generator.startswith("segkit ")
    assert read.source_type == "compositeWithTrainedAlgorithmicMedia"
    assert read.actions == (
        "the face of a film was made to speak",
        "swap: region lip, picture ref.jpg",
        "blink: amount 0.8, at 2.0 s",
    )
    said = read.synthesis
    assert said["source"] == {"kind": "film", "file": "me.mp4"}
    assert said["synthesised_regions"] == ["skin", "lip"]
    assert said["edits"][1] == {"kind": "blink", "amount": 0.8, "at_s": 2.0}
    assert said["model"] == {"name": "some_model", "sha256": "ab" * 32}
    assert said["passed_through"] == [
        {"start_s": 0.5, "end_s": 0.75},
        {"start_s": 1.0, "end_s": 1.25},
    ]


def test_picture_and_sound_stay_bit_for_bit(film, signed):
    assert packets_of(signed) == packets_of(film)


def test_quicktime_and_m4v_carry_credentials_too(tmp_path, film, statement, certificate):
    for suffix in (".mov", ".m4v"):
        plain = tmp_path / f"plain{suffix}"
        remuxed(film, plain)
        titled = dataclasses.replace(statement, title=f"out{suffix}", kind="picture")
        sign(plain, to=tmp_path / f"out{suffix}", statement=titled, certificate=certificate)
        read = read_credentials(tmp_path / f"out{suffix}")
        assert (read.intact, read.source_type) == (True, "trainedAlgorithmicMedia")


def test_who_vouches_decides_about_trust(signed, tmp_path, certificate):
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(certificate.chain)
    assert read_credentials(signed, trust=anchors).trusted
    from segkit.provenance import local_certificate

    anchors.write_bytes(local_certificate(tmp_path / "stranger").chain)
    assert not read_credentials(signed, trust=anchors).trusted
    anchors.write_text("dear reader")
    with pytest.raises(ValueError, match="expected certificates"):
        read_credentials(signed, trust=anchors)


@pytest.mark.parametrize("place", ["moov", "mdat", "swap: region", "end", "middle"])
def test_a_flipped_bit_is_seen(signed, place):
    content = bytearray(signed.read_bytes())
    position = {"end": len(content) - 9, "middle": len(content) // 2}.get(place)
    if position is None:
        position = content.index(place.encode()) + 12
    content[position] ^= 1
    signed.write_bytes(content)
    read = read_credentials(signed)
    assert not read.intact
    assert read.problems


def test_a_shortened_or_longer_file_is_seen(signed):
    content = signed.read_bytes()
    for changed in (content[: len(content) // 2], content[:2000], content + b"more"):
        signed.write_bytes(changed)
        assert not read_credentials(signed).intact


def test_a_copy_without_the_manifest_has_no_credentials(signed, tmp_path):
    bare = tmp_path / "bare.mp4"
    remuxed(signed, bare)
    assert read_credentials(bare) is None
    assert [one[2] for one in packets_of(bare)] == [one[2] for one in packets_of(signed)]


def test_files_without_a_place_for_credentials_have_none(tmp_path, film):
    (tmp_path / "letter.txt").write_text("dear reader " * 50)
    assert read_credentials(tmp_path / "letter.txt") is None
    assert read_credentials(film) is None


def test_matroska_is_refused(tmp_path, film, statement, certificate):
    titled = dataclasses.replace(statement, title="out.mkv")
    with pytest.raises(ValueError, match=r"\.mkv files cannot carry"):
        sign(film, to=tmp_path / "out.mkv", statement=titled, certificate=certificate)


MEASURE = """
import resource, sys
from pathlib import Path
from segkit.provenance import Statement, local_certificate, sign
folder, small, large = map(Path, sys.argv[1:])
certificate = local_certificate(folder / "credentials")
statement = Statement("out.mov", "film", "a", "b", ("lip",))
peaks = []
for path in (small, large):
    sign(path, to=folder / "signed.mov", statement=statement, certificate=certificate)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


def test_memory_does_not_grow_with_length(tmp_path):
    pytest.importorskip("resource", reason="this system does not count a process's memory so")
    sizes = {}
    for name, num_blocks in (("small", 20), ("large", 120)):
        path = tmp_path / f"{name}.mov"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
            for number in range(num_blocks):
                packet = av.Packet(bytes([number]) * (1 << 19))
                packet.stream, packet.time_base = stream, Fraction(1, 48_000)
                packet.pts = packet.dts = number * (1 << 18)
                container.mux(packet)
        sizes[name] = path.stat().st_size
    assert sizes["large"] - sizes["small"] > 50_000_000
    command = [sys.executable, "-c", MEASURE, str(tmp_path)]
    command += [str(tmp_path / f"{name}.mov") for name in sizes]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(answer.stdout) * unit < 10_000_000
