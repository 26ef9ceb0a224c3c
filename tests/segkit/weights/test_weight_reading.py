"""Weight files are read without running what is inside, and damage is told."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segkit.weights import check_file, read_numpy_pickle, read_tensors, read_tfjs


class Danger:
    def __reduce__(self):
        return (print, ("code ran",))


def test_safetensors_and_plain_torch_files_give_their_tensors(tmp_path):
    state = {"weight": torch.randn(2, 3)}
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"g_ema": state}, tmp_path / "a.pt")
    assert torch.equal(read_tensors(tmp_path / "a.safetensors")["weight"], state["weight"])
    assert torch.equal(read_tensors(tmp_path / "a.pt")["g_ema"]["weight"], state["weight"])


@pytest.mark.parametrize("reader", [read_tensors, read_numpy_pickle])
def test_code_inside_a_file_never_runs(tmp_path, reader, capsys):
    path = tmp_path / "evil.pth"
    if reader is read_tensors:
        torch.save({"weight": Danger()}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": Danger()}))
    with pytest.raises(ValueError, match="refused"):
        reader(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickled_numpy_arrays_of_any_protocol_are_read(tmp_path, protocol):
    # 0-d, Fortran order and non-contiguous arrays too.
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": [np.float32([1])], "c": np.array(3)}
    path = tmp_path / "arrays.ckpt"
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    found = read_numpy_pickle(path)
    np.testing.assert_array_equal(found["a"], arrays["a"])
    np.testing.assert_array_equal(found["b"][0], arrays["b"][0])
    assert found["c"] == 3


def test_old_numpy_names_are_read(tmp_path):
    path = tmp_path / "old.ckpt"
    data = pickle.dumps(np.arange(3), protocol=2)
    path.write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    np.testing.assert_array_equal(read_numpy_pickle(path), np.arange(3))


def test_missing_and_damaged_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `segkit weights`"):
        check_file(tmp_path / "nothing.pth")
    path = tmp_path / "a.bin"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert check_file(path, sha256=digest.upper()) == path
    with pytest.raises(ValueError, match=f"expected sha256 {'0' * 64}, got {digest}"):
        check_file(path, sha256="0" * 64)


def write_tfjs(folder, data, entries):
    manifest = folder / "net-weights_manifest.json"
    manifest.write_text(json.dumps([{"weights": entries, "paths": ["net.bin"]}]))
    (folder / "net.bin").write_bytes(data)
    return manifest


def test_tfjs_quantisation_is_undone(tmp_path):
    plain = np.float32([1.5, -2.0])
    quantised = np.uint8([[0, 255], [10, 20]])
    entries = [
        {"name": "bias", "shape": [2], "dtype": "float32"},
        {"name": "kernel", "shape": [2, 2], "dtype": "float32",
         "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0}},
    ]  # fmt: skip
    manifest = write_tfjs(tmp_path, plain.tobytes() + quantised.tobytes(), entries)
    weights = read_tfjs(manifest)
    assert weights["bias"].tolist() == [1.5, -2.0]
    assert weights["kernel"].tolist() == [[-1.0, 126.5], [4.0, 9.0]]
    assert weights["kernel"].dtype == torch.float32


@pytest.mark.parametrize("change", [-1, 1])
def test_tfjs_binary_of_another_length_is_refused(tmp_path, change):
    entries = [{"name": "bias", "shape": [2], "dtype": "float32"}]
    manifest = write_tfjs(tmp_path, bytes(8 + change), entries)
    with pytest.raises(ValueError, match="fetch it again"):
        read_tfjs(manifest)
