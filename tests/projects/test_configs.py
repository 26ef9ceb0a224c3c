"""Every config builds at its full size and trains an iteration on a tiny clip folder."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from segkit.engine.config import find_config, load_config
from segkit.engine.launch import TrainOptions, prepare, train
from segkit_models.talking.tsg import TSG

CONFIGS = Path(__file__).parents[2] / "projects" / "segtalker"
NAMES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.py"))

# Paper-size networks need minutes per iteration on a CPU: the same classes, other numbers.
TSG_SMALL: dict[str, Any] = {
    "model.mask_decoder.width": 0.125,
    "model.mask_decoder.size": 128,
    "model.sync_expert.width": 0.125,
    "model.sync_expert.size": 64,
    "train_dataloader.batch_size": 1,
}
GENERATOR_SMALL: dict[str, Any] = {
    "model.generator.size": 128,
    "model.generator.style_dim": 32,
    "model.generator.channels": (16, 16, 16, 16, 8, 8),
}
SGI_SMALL: dict[str, Any] = {
    "model.region_encoder.num_layers": 12,
    "model.region_encoder.style_dim": 32,
    "model.discriminator.size": 128,
    "model.discriminator.channels": (16, 16, 16, 16, 8, 8),
    "train_dataloader.batch_size": 2,
}
BACKBONE_SMALL: dict[str, Any] = {
    "model.region_encoder.width": (8, 8, 8, 8, 16),
    "model.region_encoder.units": (1, 1, 1, 1),
}
FPN_SMALL = BACKBONE_SMALL | {"model.region_encoder.fpn_dim": 16}

PARSING_SMALL: dict[str, Any] = {"train_dataloader.batch_size": 2}
SPADE_SMALL: dict[str, Any] = SGI_SMALL | {
    "model.region_encoder.num_layers": 1,
    "model.region_encoder.width": 2,
    "model.generator.size": 128,
    "model.generator.style_dim": 32,
    "model.generator.width": 2,
    "model.generator.hidden": 8,
}


def at_every_listener(encoder: str, **arguments: Any) -> dict[str, Any]:
    """Change an audio encoder where it trains and where it listens."""
    places = (encoder, "train_dataloader.dataset.listener")
    return {f"{place}.{key}": value for place in places for key, value in arguments.items()}


SPEECH_SMALL = {"weights": None, "dim": 16, "num_layers": 2, "num_heads": 2, "ff_dim": 32}
TORCHAUDIO_SMALL = {
    "weights": None,
    "parameters": {
        "encoder_embed_dim": 16,
        "encoder_num_layers": 2,
        "encoder_num_heads": 2,
        "encoder_ff_interm_features": 32,
        "extractor_conv_layer_config": [(8, 10, 5), (8, 3, 2)] + 3 * [(8, 3, 2)] + 2 * [(8, 2, 2)],
    },
}

SMALL: dict[str, dict[str, Any]] = {
    "syncnet.py": {
        "model.syncnet.width": 0.125,
        "model.syncnet.size": 64,
        "train_dataloader.batch_size": 4,
    },
    "tsg.py": TSG_SMALL | at_every_listener("model.audio_encoder.encoders.1", **SPEECH_SMALL),
    "sgi.py": SGI_SMALL | GENERATOR_SMALL | FPN_SMALL,
    "parsing.py": {"model.parser.width": 8, "train_dataloader.batch_size": 2},
    "tiny/syncnet_tiny.py": {"train_dataloader.batch_size": 4},
    "tiny/tsg_tiny.py": {"train_dataloader.batch_size": 2},
    "tiny/sgi_tiny.py": {"train_dataloader.batch_size": 2},
    "baselines/wav2lip.py": {
        "model.generator.width": 0.125,
        "model.sync_expert.width": 0.125,
        "model.sync_begin": 0,
        "train_dataloader.batch_size": 1,
        "train_dataloader.dataset.size": 96,
    },
    "baselines/wav2lip_syncnet.py": {
        "model.syncnet.width": 0.125,
        "train_dataloader.batch_size": 4,
        "train_dataloader.dataset.size": 96,
    },
    "tiny/wav2lip_tiny.py": {
        "train_dataloader.batch_size": 2,
        "train_dataloader.dataset.size": 96,
    },
    "tiny/wav2lip_syncnet_tiny.py": {
        "train_dataloader.batch_size": 4,
        "train_dataloader.dataset.size": 96,
    },
    "ablations/no_prior_learning.py": SGI_SMALL | GENERATOR_SMALL | FPN_SMALL,
    "ablations/no_cross_entropy.py": TSG_SMALL,
    "ablations/no_syncnet.py": {
        key: value for key, value in TSG_SMALL.items() if "sync" not in key
    },
    "ablations/no_prior_learning_tiny.py": {"train_dataloader.batch_size": 2},
    "ablations/no_cross_entropy_tiny.py": {"train_dataloader.batch_size": 2},
    "ablations/no_syncnet_tiny.py": {"train_dataloader.batch_size": 2},
    # Without the file of its weights an encoder is left out, and the mel encoder trains alone.
    "alternatives/tsg_wide.py": TSG_SMALL,
    "alternatives/tsg_local.py": TSG_SMALL,
    "alternatives/tsg_smp.py": {
        key: value for key, value in TSG_SMALL.items() if "width" not in key
    }
    | {"model.sync_expert.width": 0.125, "model.mask_decoder.encoder": "mobilenet_v2"},
    "alternatives/tsg_global.py": TSG_SMALL
    | at_every_listener("model.audio_encoder", **SPEECH_SMALL),
    "alternatives/tsg_hubert.py": TSG_SMALL
    | at_every_listener("model.audio_encoder.encoders.1", **TORCHAUDIO_SMALL),
    "alternatives/tsg_wavlm.py": TSG_SMALL
    | at_every_listener("model.audio_encoder.encoders.1", **TORCHAUDIO_SMALL, layer=2),
    "alternatives/sgi_e4s.py": SGI_SMALL
    | GENERATOR_SMALL
    | BACKBONE_SMALL
    | {"model.region_encoder.num_coded_layers": 11, "model.generator.num_masked_layers": 11},
    "alternatives/sgi_timm.py": SGI_SMALL
    | GENERATOR_SMALL
    | {"model.region_encoder.backbone": "resnet10t", "model.region_encoder.fpn_dim": 16},
    "alternatives/parsing_unet.py": PARSING_SMALL,
    "alternatives/parsing_segformer.py": PARSING_SMALL,
    "alternatives/parsing_deeplab.py": PARSING_SMALL,
    "alternatives/sgi_sean_encoder.py": SGI_SMALL
    | GENERATOR_SMALL
    | {"model.region_encoder.width": 2},
    "alternatives/sgi_sean.py": SPADE_SMALL,
    "alternatives/sgi_spade.py": SPADE_SMALL,
    "alternatives/sgi_all_layers.py": SGI_SMALL | GENERATOR_SMALL | FPN_SMALL,
}


def test_base_names_are_unique() -> None:
    # openmim finds a config by its base name and refuses two of the same, modules of the package
    # included.
    package = Path(__file__).parents[2] / "segkit"
    names = [Path(name).name for name in NAMES]
    assert len(set(names)) == len(names)
    assert set(names).isdisjoint(
        path.name for path in package.rglob("*.py") if ".mim" not in path.parts
    )


def test_every_config_is_tested() -> None:
    assert set(NAMES) == set(SMALL)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_config_trains_one_iteration(name: str, clip_folder: Path, tmp_path: Path) -> None:
    overrides = (
        {"train_dataloader.dataset.size": 128}
        | SMALL[name]
        | {
            "train_cfg.max_iters": 1,
            "train_dataloader.num_workers": 0,
            "custom_hooks": [],
        }
    )
    options = TrainOptions(
        str(CONFIGS / name), work_dir=str(tmp_path), data=str(clip_folder), overrides=overrides
    )
    runner = train(prepare(options))
    loss = runner.message_hub.get_scalar("train/loss").current()
    assert math.isfinite(loss)
    content = torch.load(tmp_path / "iter_1.pth", weights_only=True)
    assert all(
        value.isfinite().all()
        for value in content["state_dict"].values()
        if value.is_floating_point()
    )
    # The optimiser has seen every trained parameter.
    groups = (
        content["optimizer"].values()
        if "generator" in content["optimizer"]
        else [content["optimizer"]]
    )
    assert all(group["state"] for group in groups)


# Millions of parameters by the layer tables of the published networks that the parts follow.
PAPER_SIZES = [
    ("syncnet", "syncnet", 20.7),
    ("tsg", "mask_decoder", 61.6),
    # Wav2Lip's 2.8 M, AV-HuBERT's 91.0 M and a linear layer each to the 512 numbers they share.
    ("tsg", "audio_encoder", 94.8),
    ("tsg", "sync_expert", 20.7),
    # StyleGAN2's 30.3 M at 512 px are 2.1 M of mapping network, which style codes replace, and
    # these.
    ("sgi", "generator", 28.2),
    ("sgi", "discriminator", 28.9),
    ("wav2lip", "generator", 36.3),
    ("wav2lip", "sync_expert", 16.4),
]


def without_weights(node: Any) -> Any:
    """Return a component's config without the files of its weights."""
    if isinstance(node, dict):
        return {key: without_weights(item) for key, item in node.items() if key != "weights"}
    return [without_weights(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize(("name", "part", "millions"), PAPER_SIZES)
def test_paper_size_builds(name: str, part: str, millions: float) -> None:
    arguments = without_weights(load_config(name).model[part])
    kind = arguments.pop("type")
    with torch.device("meta"):
        module = kind(**arguments)
    assert sum(p.numel() for p in module.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_paper_settings() -> None:
    syncnet, tsg, sgi = (load_config(name) for name in ("syncnet", "tsg", "sgi"))
    assert tsg.optim_wrapper.optimizer.betas == (0.5, 0.999)
    assert (tsg.model.sync_begin, tsg.train_cfg.max_iters) == (50_000, 100_000)
    assert tsg.train_dataloader.batch_size * tsg.train_dataloader.dataset.num_frames == 20
    assert sgi.optim_wrapper.generator.optimizer.betas == (0.9, 0.999)
    assert (sgi.train_cfg.max_iters, sgi.train_dataloader.batch_size) == (400_000, 4)
    assert sgi.train_dataloader.dataset.frame_range == 15
    assert sgi.model.loss_weights == {
        "lpips": 0.8,
        "identity": 0.1,
        "parsing": 0.1,
        "adversarial": 0.01,
    }
    for config in (syncnet, tsg, sgi):
        optimizers = [
            getattr(config.optim_wrapper, "optimizer", None)
            or config.optim_wrapper.generator.optimizer
        ]
        assert all(o.lr == 1e-4 and o.type is torch.optim.Adam for o in optimizers)
        assert config.train_dataloader.dataset.size == 512


def test_missing_data_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @functools.wraps(TSG.__init__)
    def never(*arguments: Any, **named: Any) -> None:
        raise AssertionError("the model was built before the data was looked for")

    monkeypatch.setattr(TSG, "__init__", never)
    with pytest.raises(FileNotFoundError, match=r"nowhere.*`segkit prepare.*`segkit synth"):
        prepare(TrainOptions("tsg", data="nowhere"))


def test_data_root_reaches_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def places(config: Any) -> set[str]:
        held_out = [hook.dataset.root for hook in config.custom_hooks if "dataset" in hook]
        return {
            config.train_dataloader.dataset.root,
            config.model.class_weights,
            *held_out,
            config.data_root,
        }

    assert places(load_config("tsg")) == {"data/hdtf"}
    assert places(load_config("tsg", overrides={"data_root": "b"})) == {"b"}
    monkeypatch.setenv("SEGKIT_DATA", "c")
    assert places(load_config("tsg")) == {"c"}
    assert places(load_config("tsg", data="d")) == {"d"}


def test_missing_expert_weights_are_left_out_aloud(
    clip_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    config = prepare(TrainOptions(str(find_config("sgi").resolve()), data=str(clip_folder)))
    assert {name for name, loss in config.model.losses.items() if loss is not None} == {"l2"}
    warning = capsys.readouterr().err
    for name in ("lpips", "identity", "parsing"):
        assert f"loss '{name}' is left out" in warning


ABLATIONS = ("no_prior_learning", "no_cross_entropy", "no_syncnet")


@pytest.mark.parametrize("tiny", ["", "_tiny"])
def test_an_ablation_changes_one_thing(tiny: str) -> None:
    full = {name: load_config(f"{name}{tiny}") for name in ("tsg", "sgi")}
    rows = {name: load_config(f"{name}{tiny}") for name in ABLATIONS}

    def differences(one: Any, other: Any, path: str = "") -> set[str]:
        if isinstance(one, dict) and isinstance(other, dict):
            keys = one.keys() | other.keys()
            return set().union(
                *(differences(one.get(k), other.get(k), f"{path}.{k}".lstrip(".")) for k in keys)
            )
        return set() if one == other else {path}

    def changed(name: str, base: str) -> set[str]:
        found = differences(full[base]._cfg_dict, rows[name]._cfg_dict)
        # What a config imports is among its names too.
        return {path for path in found if path.partition(".")[0] in full[base]}

    assert changed("no_prior_learning", "sgi") == {"train_dataloader.dataset.frame_range"}
    assert changed("no_cross_entropy", "tsg") == {"model.mask_loss"}
    assert changed("no_syncnet", "tsg") == {"model.sync_expert", "custom_hooks"}
    assert [hook.type.__name__ for hook in rows["no_syncnet"].custom_hooks] == ["HeldOut"]
    for name in ABLATIONS:
        text = (CONFIGS / "ablations" / f"{name}{tiny}.py").read_text()
        assert len(text.partition("with read_base")[2].splitlines()) <= 15
