"""Show or erase the data of one user in the service's database, or stop recording searches.

\b
python -m market.service.privacy export USER > data.ndjson
python -m market.service.privacy erase USER
python -m market.service.privacy opt-out USER
python -m market.service.privacy opt-in USER

EVENTS_URL names the database, as for the service, which may run meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from market.core.errors import MarketError
from market.service.database import STORE_ERRORS
from market.service.events import EventStore
from market.service.settings import Settings
from market.service.user_data import UserData
from market.service.user_export import export_user


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("export")
@click.argument("user")
def export_data(user: str) -> None:
    """Print all events and searches of USER, a line of JSON for each."""
    for line in _run(lambda data: [*export_user(user, data)]):
        click.echo(line, nl=False)


@main.command()
@click.argument("user")
def erase(user: str) -> None:
    """Delete all events and searches of USER, and leave the user out of the next `dvc repro`."""
    events = _run(lambda data: data.erase(user))
    click.echo(
        f"erased {events} events and all recorded searches; no result uses the log's events of "
        "this user any more. docs/serve.md says how the next `dvc repro` leaves them out, and "
        "which copies remain"
    )


@main.command("opt-out")
@click.argument("user")
def opt_out(user: str) -> None:
    """Record no search of USER from now on."""
    _run(lambda data: data.opt_out(user))
    click.echo("no search of this user is recorded from now on; `erase` deletes the earlier ones")


@main.command("opt-in")
@click.argument("user")
def opt_in(user: str) -> None:
    """Record the searches of USER again."""
    _run(lambda data: data.opt_in(user))
    click.echo("the searches of this user are recorded again")


def _run(action: Callable[[UserData], Any]) -> Any:
    """Return the result of an action on the database that EVENTS_URL names."""
    try:
        with closing(EventStore(Settings.from_environment().events_url)) as store:
            return action(UserData(store.database))
    except MarketError as error:
        raise click.ClickException(str(error)) from None
    except STORE_ERRORS as error:
        raise click.ClickException(f"the database does not answer: {error}") from None


if __name__ == "__main__":
    main()
