"""The photo networks: their shapes, their weights, and errors about the weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NoReturn
from urllib.error import URLError

import pytest
import torch

from market.core.errors import MarketError
from market.models import backbones as backbone
from market.models.backbones import PhotoNetwork, new_network

pytestmark = pytest.mark.slow

PHOTOS = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.manual_seed(0))


@pytest.mark.parametrize(
    ("name", "width"),
    [("efficientnet_lite0", 1280), ("efficientnet_lite2", 1280), ("resnet50", 2048)],
)
def test_the_new_layer_reads_the_backbones_features(name: str, width: int) -> None:
    model = PhotoNetwork(name, "none", 13).eval()
    with torch.inference_mode():
        features = model.features(PHOTOS)
        logits = model(PHOTOS)
        torch.testing.assert_close(model.head(features), logits)
    assert model.width == model.head.in_features == width
    assert features.shape == (2, width) and logits.shape == (2, 13)
    assert not torch.equal(features[0], features[1])


@pytest.mark.parametrize("name", [*backbone.NORMALISATION])
def test_photos_are_normalised_as_in_pretraining(name: str) -> None:
    model = PhotoNetwork(name, "none", 2)
    inputs_seen = []
    model.backbone = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model.backbone.register_forward_pre_hook(lambda _, inputs: inputs_seen.append(inputs[0]))
    grey = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    model.features(torch.cat([grey * 0, grey, grey + 127]))
    mean, std = (torch.tensor(numbers) for numbers in backbone.NORMALISATION[name])
    for row, level in enumerate((0, 128, 255)):
        torch.testing.assert_close(inputs_seen[0][row, :, 5, 5], (level / 255 - mean) / std)


@pytest.mark.parametrize("network", ["efficientnet_lite0", "efficientnet_lite2"])
def test_pretrained_weights_come_with_the_package(network: str) -> None:
    pretrained = PhotoNetwork(network, "pretrained", 2).backbone.state_dict()
    random = PhotoNetwork(network, "none", 2).backbone.state_dict()
    packaged = torch.load(backbone._weights_file(network), weights_only=True)
    name = "_conv_stem.weight"
    assert torch.equal(pretrained[name], packaged[name])
    assert not torch.equal(random[name], packaged[name])
    assert "site-packages" in str(backbone._weights_file(network))


@pytest.mark.parametrize(
    ("name", "weights"), [("efficientnet_lite0", "pretrained"), ("resnet50", "none")]
)
def test_the_copy_for_inference_computes_the_same_logits(name: str, weights: str) -> None:
    model = PhotoNetwork(name, weights, 13).eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    folded = model.for_inference()
    with torch.inference_mode():
        torch.testing.assert_close(folded(PHOTOS), model(PHOTOS), rtol=1e-3, atol=1e-4)
    assert not folded.training
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key]), "the original is unchanged"


@pytest.mark.parametrize("weights", ["pretrained", "none"])
def test_only_pretrained_batch_norms_keep_their_statistics(weights: str) -> None:
    model = PhotoNetwork("efficientnet_lite0", weights, 2).train()
    before = model.backbone.state_dict()["_bn0.running_mean"].clone()
    model(PHOTOS)
    kept = torch.equal(model.backbone.state_dict()["_bn0.running_mean"], before)
    assert kept == (weights == "pretrained")


@pytest.mark.parametrize("weights", ["none", "pretrained"])
def test_the_seed_determines_random_weights_only(weights: str) -> None:
    def features(seed: int) -> torch.Tensor:
        network = new_network("efficientnet_lite0", weights, classes=1, seed=seed).eval()
        with torch.inference_mode():
            return network.features(torch.full((1, 3, 32, 32), 99, dtype=torch.uint8))

    assert torch.equal(features(1), features(1))
    assert torch.equal(features(1), features(2)) == (weights == "pretrained")


def test_constants_are_not_saved() -> None:
    state = PhotoNetwork("efficientnet_lite0", "none", 2).state_dict()
    assert not {"mean", "std"} & set(state)
    assert state["head.weight"].shape == (2, 1280)


def weights_file(folder: Path, content: bytes, hash_of: bytes) -> Path:
    path = folder / f"net-{hashlib.sha256(hash_of).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("named", ["net-00000000.pth", "net.pth"])
def test_damaged_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    damaged = tmp_path / named
    torch.save({}, damaged)
    monkeypatch.setattr(backbone, "_weights_file", lambda name: damaged)
    with pytest.raises(MarketError) as error:
        PhotoNetwork("efficientnet_lite0", "pretrained", 2)
    assert str(damaged) in str(error.value) and "\n" not in str(error.value)


def test_weights_that_run_code_are_refused(tmp_path: Path) -> None:
    class Run:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    torch.save(Run(), tmp_path / "net.pth")
    content = (tmp_path / "net.pth").read_bytes()
    with pytest.raises(Exception, match="Weights only"):
        backbone._load_checked(weights_file(tmp_path, content, content))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (URLError("Temporary failure in name resolution"), "put resnet50-11ad3fa6.pth into"),
        (TimeoutError("timed out"), "put resnet50-11ad3fa6.pth into"),
        (RuntimeError('invalid hash value (expected "11ad3fa6", got "0")'), "damaged"),
    ],
)
def test_a_failed_download_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(MarketError) as raised:
        PhotoNetwork("resnet50", "pretrained", 2)
    assert remedy in str(raised.value) and "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*.pth"))


def test_a_downloaded_file_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / backbone.PRETRAINED).mkdir(parents=True)
    (tmp_path / backbone.PRETRAINED / "resnet50-11ad3fa6.pth").write_bytes(b"damaged")
    with pytest.raises(MarketError, match=r"resnet50-11ad3fa6\.pth is damaged"):
        PhotoNetwork("resnet50", "pretrained", 2)
