"""The project's paths, relative to its folder. No other module spells a path.

The files inside an artefact's folder are known to its class alone.
"""

from __future__ import annotations

from pathlib import Path

from market.core.errors import MarketError

PARAMS = Path("params.yaml")
RULES = Path("rules.yaml")
DVC_FILES = (Path("data/sample/dvc.yaml"), Path("dvc.yaml"))
DVC_LOCK = Path("dvc.lock")
README = Path("README.md")

DATA = Path("data")
SAMPLE_RAW = DATA / "sample/raw"
DATASET = DATA / "dataset.json"

CHANGES = DATA / "changes"
LOGS = DATA / "logs"

CLEAN = DATA / "clean"
PRODUCTS = CLEAN / "products.parquet"
IMAGES = CLEAN / "images.parquet"
INTERACTIONS = CLEAN / "interactions.parquet"
SEARCHES = CLEAN / "searches.parquet"
FREQUENT_SEARCHES = CLEAN / "frequent_searches.parquet"
PHOTOS = CLEAN / "photos"
REJECTS = CLEAN / "rejects.csv"
DISPLAY_PHOTOS = DATA / "display"
REJECTS_OF_ERROR = DATA / "clean.rejects.csv"  # no output of a stage: written after an error

ANALYTICS = DATA / "analytics"
LISTINGS = DATA / "merged/listings.parquet"
PHOTO_EMBEDDINGS = DATA / "embeddings/photo.npy"
TEXT_EMBEDDINGS = DATA / "embeddings/text.parquet"
PHOTO_PROBABILITIES = DATA / "cnn/probabilities.parquet"
TEXT_PROBABILITIES = DATA / "text/probabilities.parquet"
CATEGORY = DATA / "category"
TEST_PREDICTIONS = CATEGORY / "test.parquet"
LABEL_ERRORS = CATEGORY / "label_errors.csv"
CATEGORY_PROBABILITIES = CATEGORY / "probabilities.parquet"
EXPECTED_PRICES = DATA / "price/expected.parquet"

MODELS = Path("models")
PRETRAINED = MODELS / "pretrained"
RANDOM_FOREST = MODELS / "rf"
PHOTO_EMBEDDER = MODELS / "embed"
PHOTO_CLASSIFIER = MODELS / "cnn"
TEXT_CLASSIFIER = MODELS / "text"
CATEGORY_CLASSIFIER = MODELS / "category"
PRICE_MODEL = MODELS / "price"
SEARCH_INDEX = MODELS / "index"
RANKER = MODELS / "rank"
PROMOTED = MODELS / "promoted"  # the version that serves instead of RANKER, if there is one
VARIANTS = MODELS / "variants"  # of experiments: a folder for each revision

METRICS = Path("metrics")
PLOTS = Path("plots")
CALIBRATION_PLOT = PLOTS / "classify_calibration.csv"
CONFUSION_PLOT = PLOTS / "classify_confusion.csv"
PHOTO_CURVES = PLOTS / "train_cnn.csv"
PHOTO_CONFUSION_PLOT = PLOTS / "train_cnn_confusion.csv"
TEXT_CURVES = PLOTS / "train_text.csv"
PRICE_PLOT = PLOTS / "regress.csv"
RESULTS = Path("results/marketplace")  # committed metrics of the last run on the real data
RUNS = Path("runs")  # TensorBoard's files, and checkpoints
REPORT = Path("report/index.html")


def raw_folder(dataset: str) -> Path:
    """Return the folder of a dataset's raw tables and photos.

    Examples
    --------
    >>> raw_folder("sample").as_posix()
    'data/sample/raw'
    """
    return DATA / dataset / "raw"


def kept_section(dataset: str) -> Path:
    """Return the file that keeps a dataset's section `input` while another dataset is in use.

    Examples
    --------
    >>> kept_section("mine").as_posix()
    'data/mine/input.yaml'
    """
    return DATA / dataset / "input.yaml"


def require(*paths: Path) -> None:
    """Raise MarketError naming the first path that does not exist, and the remedy."""
    for path in paths:
        if not path.exists():
            raise MarketError(f"{path} not found: run `dvc repro` or `dvc pull`")
