"""Fetch the photos whose URLs the raw folder holds, into the raw folder.

In:  a raw folder whose listings (input.photo_columns) or table of photos (image_ref) hold URLs.
Out: <photos>/fetched/, a file for each URL; fetched_photos.csv in the raw folder, the file of each
     URL; <raw folder>.unfetched.csv beside it, the reason for each URL that was not fetched.

No stage fetches anything: only this command does. A file is whole and opens as a photo, or it is
not there. A second run fetches only what is missing, so the command may be stopped at any time.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import pandas as pd

from market.core.atomic import replace_when_done
from market.core.errors import MarketError
from market.core.params import load_params
from market.core.paths import raw_folder
from market.core.settings import Input
from market.core.stage import stage
from market.data.images import decode_limits
from market.data.photo_downloads import DownloadLimits, PhotoDownloader
from market.data.photo_folder import FETCHED, PhotoFolder
from market.data.photo_references import canonical_url, is_url, listing_references
from market.data.raw_folder import RawFolder
from market.data.rejects import reason_kind

RECORD = "fetched_photos.csv"
MAX_REASONS_SHOWN = 10  # the file of unfetched URLs has all of them
DEFAULTS = DownloadLimits()


def photo_urls(folder: RawFolder, settings: Input) -> list[str]:
    """Return the URLs of a raw folder's photos, each once, in the order of the table."""
    if settings.photos == "column":
        listings = folder.listings(labelled=False)
        references = listing_references(listings, settings, partial=False)["reference"]
    elif settings.photos == "table" and settings.images:
        references = folder.images().rows.get("image_ref", pd.Series(dtype="str")).dropna()
    else:
        references = pd.Series(dtype="str")
    return list(dict.fromkeys(canonical_url(text) for text in references if is_url(text)))


def record_files(raw: Path, files: dict[str, Path]) -> None:
    """Add the files of URLs to the record in the raw folder; earlier rows stay as they are."""
    path = raw / RECORD
    rows = pd.DataFrame(
        {"url": list(files), "file": [file.relative_to(raw).as_posix() for file in files.values()]}
    )
    if path.exists():
        earlier = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = pd.concat([earlier, rows[~rows["url"].isin(earlier["url"])]])
    with replace_when_done(path) as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")


def report_failures(raw: Path, failures: dict[str, str], attempted: int) -> None:
    """Write the reason for each URL that was not fetched, and print how often each occurred."""
    path = raw.with_name(f"{raw.name}.unfetched.csv")
    if not failures:
        path.unlink(missing_ok=True)
        return
    table = pd.DataFrame({"url": list(failures), "reason": list(failures.values())})
    with replace_when_done(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    kinds = Counter(map(reason_kind, failures.values()))
    for kind, count in kinds.most_common(MAX_REASONS_SHOWN):
        example = next(url for url, reason in failures.items() if reason_kind(reason) == kind)
        click.echo(f"{count} of {attempted} ({count / attempted:.0%}): {kind}, such as {example}")
    click.echo(f"all reasons are in {path}")


@stage
@click.option(
    "--raw", type=click.Path(path_type=Path), help="Raw folder; by default the dataset's."
)
@click.option("--max-photos", type=click.IntRange(1), default=100_000, show_default=True)
@click.option(
    "--max-megabytes",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULTS.max_megabytes,
    show_default=True,
    help="Largest size of one photo.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=DEFAULTS.timeout,
    show_default=True,
    help="Seconds for one attempt.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=DEFAULTS.parallel,
    show_default=True,
    help="Downloads at once.",
)
@click.option(
    "--delay",
    type=click.FloatRange(0),
    default=DEFAULTS.delay,
    show_default=True,
    help="Seconds between two downloads from one host.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Also fetch from this machine and its network, which a stranger's table could spy on.",
)
def main(raw: Path | None, max_photos: int, **options) -> str:
    dataset, settings, clean = load_params("dataset", "input", "clean")
    raw = raw or raw_folder(dataset)
    urls = photo_urls(RawFolder(raw, settings), settings)
    if not urls:
        return f"no URL of a photo in {raw}: nothing to fetch (input.photos is {settings.photos})"
    folder = PhotoFolder(raw, settings.photo_folder, partial=True).path / FETCHED
    limits = DownloadLimits(**options)
    downloader = PhotoDownloader(folder, limits, decode_limits(clean))
    files = downloader.fetched(urls)
    missing = [url for url in urls if url not in files]
    earlier, chosen = len(files), missing[:max_photos]
    failures: dict[str, str] = {}
    try:
        for url, outcome in downloader.fetch(chosen):
            if isinstance(outcome, Path):
                files[url] = outcome
            else:
                failures[url] = outcome
    finally:  # after Ctrl-C too
        record_files(raw, {url: files[url] for url in urls if url in files})
        report_failures(raw, failures, len(chosen))
    fetched = len(files) - earlier
    if failures and not fetched:
        raise MarketError(
            f"none of {len(chosen)} photos was fetched: {next(iter(failures.values()))}: check the "
            "URLs and the connection, then run the command again"
        )
    left = len(missing) - len(chosen)
    if raw.with_name(f"{raw.name}.dvc").exists():
        click.echo(f"{raw} has changed: run `dvc add {raw}`")
    return (
        f"{fetched} photos fetched into {folder}, {earlier} were there, {len(failures)} failed"
        + (f", {left} left by --max-photos: run the command again" if left else "")
    )


if __name__ == "__main__":
    main()
