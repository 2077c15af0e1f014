"""Compute the features of each photo with a frozen network, once for all trainings.

In:  data/clean/photos.
Out: data/embeddings/photo.npy, float32 (photos, width), in the order of the packed photos;
     models/embed, the network; metrics/embed_photos.json.
"""

from __future__ import annotations

from market.core.atomic import replace_when_done, write_json
from market.core.cluster import cluster
from market.core.params import load_params
from market.core.paths import METRICS, PHOTO_EMBEDDER, PHOTO_EMBEDDINGS, PHOTOS, require
from market.core.stage import stage
from market.core.torch_setup import set_up_torch
from market.models.backbones import new_network
from market.models.embeddings import PhotoSettings, write_photo_embeddings
from market.models.photo_embedder import PhotoEmbedder


@stage
def main() -> str:
    params, backbone, weights, jpeg_quality = load_params(
        "embed_photos", "train.backbone", "train.weights", "clean.jpeg_quality"
    )
    require(PHOTOS)
    set_up_torch(params.seed)
    settings = PhotoSettings(backbone, weights, params.seed, params.photo_size, params.batch_size)
    network = new_network(backbone, weights, classes=1, seed=params.seed)
    with replace_when_done(PHOTO_EMBEDDINGS) as path, cluster():
        count = write_photo_embeddings(path, PHOTOS, network.width, settings)
    PhotoEmbedder(network, params.photo_size, jpeg_quality).save(PHOTO_EMBEDDER)
    metrics = {"backbone": backbone, "photo_width": network.width, "photos": count}
    write_json(METRICS / "embed_photos.json", metrics)
    return f"{count} photos, {network.width} features each"


if __name__ == "__main__":
    main()
