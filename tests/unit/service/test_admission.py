"""The limit on concurrent requests."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.exceptions import HTTPException

from market.service.admission import Admission


async def is_connected() -> bool:
    return False


async def is_gone() -> bool:
    return True


def new_admission(at_once: int, waiting: int, seconds: float) -> Admission:
    return Admission(
        at_once, waiting, seconds, Counter("refused", "", registry=CollectorRegistry())
    )


def test_limits_running_and_waiting_requests_and_refuses_the_rest() -> None:
    queue = new_admission(2, 3, 60)
    running = most = 0
    order: list[int] = []

    async def run_request(number: int) -> int:
        nonlocal running, most
        try:
            async with queue.turn(is_connected):
                running += 1
                most = max(most, running)
                order.append(number)
                await asyncio.sleep(0.01)
                running -= 1
        except HTTPException as refused:
            assert refused.headers == {"Retry-After": "60"}
            return refused.status_code
        return 200

    async def run_two_rounds() -> None:  # the second round needs all slots to be free
        for _ in range(2):
            order.clear()
            statuses = await asyncio.gather(*(run_request(number) for number in range(9)))
            assert statuses == [200] * 5 + [503] * 4
            assert order == [0, 1, 2, 3, 4] and most == 2

    asyncio.run(run_two_rounds())


def test_waiting_time_is_limited() -> None:
    async def check() -> None:
        queue = new_admission(1, 5, 0.05)
        async with queue.turn(is_connected):
            with pytest.raises(HTTPException, match="503"):
                async with queue.turn(is_connected):
                    raise AssertionError("there was no room")
        async with queue.turn(is_connected):
            pass

    asyncio.run(check())


def test_disconnected_clients_are_skipped() -> None:
    async def run_requests() -> str:
        queue = new_admission(1, 5, 60)
        done = []

        async def request(is_disconnected: Any, name: str) -> None:
            async with queue.turn(is_disconnected):
                await asyncio.sleep(0.01)
                done.append(name)

        requests = [
            request(is_connected, "first"),
            request(is_gone, "gone"),
            request(is_connected, "last"),
        ]
        faults = await asyncio.gather(*requests, return_exceptions=True)
        assert isinstance(faults[1], HTTPException) and faults[1].status_code == 499
        return " ".join(done)

    assert asyncio.run(run_requests()) == "first last"


def test_turn_ends_if_the_connection_check_fails() -> None:
    """The check reads from the connection, and the request may prove invalid."""

    async def fails() -> bool:
        raise HTTPException(413)

    async def run_requests() -> list[Any]:
        queue = new_admission(1, 5, 60)

        async def request(is_disconnected: Any) -> int:
            async with queue.turn(is_disconnected):
                await asyncio.sleep(0.01)
                return 200

        requests = [request(check) for check in (is_connected, fails, fails, is_connected)]
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*requests, return_exceptions=True)
        assert queue.under_way == 0
        return [getattr(answer, "status_code", answer) for answer in answers]

    assert asyncio.run(run_requests()) == [200, 413, 413, 200]


def test_turn_ends_with_an_error_or_a_cancellation() -> None:
    async def check() -> None:
        queue = new_admission(1, 1, 60)
        with pytest.raises(ZeroDivisionError):
            async with queue.turn(is_connected):
                raise ZeroDivisionError
        async with queue.turn(is_connected):
            waits = asyncio.create_task(queue.turn(is_connected).__aenter__())
            await asyncio.sleep(0)
            waits.cancel()
            await asyncio.gather(waits, return_exceptions=True)
            again = asyncio.create_task(queue.turn(is_connected).__aenter__())
            await asyncio.sleep(0)
            assert not again.done(), "there is room to wait again"
        await again

    asyncio.run(check())
