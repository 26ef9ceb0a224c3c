"""The SyncNet of pictures that was trained on the data judges the sync, whatever rows there are."""

import pytest
import torch

from segkit.cli.ablate import suite_maker
from segkit_models.baselines.wav2lip import Wav2LipSyncNet


def test_the_judge_is_the_trained_expert(tmp_path):
    folder = tmp_path / "wav2lip_syncnet_tiny"
    folder.mkdir()
    with pytest.raises(KeyError, match="no metric 'sync-judge'"):
        suite_maker("sync-judge", None, folder)(True)
    network = Wav2LipSyncNet(size=96, num_frames=5, width=0.0625)
    config = {
        "syncnet": {"type": "a.b.Wav2LipSyncNet", "size": 96, "num_frames": 5, "width": 0.0625},
        "type": "a.b.ColourSyncExpert",
    }
    state = {f"syncnet.{key}": value for key, value in network.state_dict().items()}
    torch.save(
        {"state_dict": state, "meta": {"cfg": f"model = {config!r}\n"}}, folder / "iter_7.pth"
    )
    give = suite_maker("sync-judge,psnr,masks", None, folder)
    metric = give(True).metrics["sync-judge"]
    for key, value in metric.network.state_dict().items():
        assert torch.equal(value, network.state_dict()[key])
    assert "wav2lip_syncnet_tiny" in metric.definition()
    # Every row has the same metrics, but for those of masks.
    assert list(give(True).metrics) == ["sync-judge", "psnr", "masks"]
    assert list(give(False).metrics) == ["sync-judge", "psnr"]
    assert give(False).metrics["sync-judge"] is metric
