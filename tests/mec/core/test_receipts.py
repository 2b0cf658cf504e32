from __future__ import annotations

import pytest

from wayside.clock import MonoNs, VirtualClock
from wayside.link import Action, Outcome, Place, Receipt, Severity, Warning, WarningKind
from wayside.mec.core import ReceiptBook
from wayside.observe import Counters, Stage, TraceMark

MARKS = (
    TraceMark(Stage.ARRIVED, 1_000_000),
    TraceMark(Stage.INGESTED, 1_200_000),
    TraceMark(Stage.FUSED, 2_000_000),
    TraceMark(Stage.DECIDED, 4_000_000),
    TraceMark(Stage.SELECTED, 4_500_000),
)


def warning(marks: tuple[TraceMark, ...] = MARKS) -> Warning:
    return Warning(
        WarningKind.VULNERABLE_ROAD_USER,
        Severity.URGENT,
        "1-1",
        "ab",
        Place(38.9, 117.3),
        Action.BRAKE,
        marks=marks,
    )


def receipt(
    seq: int = 7, outcome: Outcome = Outcome.CALLED, offset_ns: int = 0, called: int = 9_000_000
) -> Receipt:
    return Receipt(seq, "ab", outcome, 8_000_000 - offset_ns, called - offset_ns if called else 0, offset_ns)


@pytest.fixture
def book() -> ReceiptBook:
    return ReceiptBook(Counters(), VirtualClock())


@pytest.mark.parametrize("offset_ns", [0, 5_000_000_000, -77])
def test_a_receipt_closes_the_way_on_the_clock_of_the_edge(book: ReceiptBook, offset_ns: int) -> None:
    book.wrote("s", 7, MonoNs(5_000_000), "vrucw/1", warning(), first=True)
    delivered = book.received("s", receipt(offset_ns=offset_ns))
    assert delivered is not None
    assert delivered.latency_ms == {
        "ingested": 0.2,
        "fused": 0.8,
        "decided": 2.0,
        "selected": 0.5,
        "written": 0.5,
        "received": 3.0,
        "called": 1.0,
    }
    assert delivered.total_ms == 8.0 == sum(delivered.latency_ms.values())
    assert book.latency()["total"].max_ms == 8.0


def test_a_vehicle_whose_clock_estimate_is_off_makes_no_negative_time(book: ReceiptBook) -> None:
    book.wrote("s", 7, MonoNs(8_500_000), "vrucw/1", warning(), first=True)
    delivered = book.received("s", receipt())
    assert delivered is not None
    assert delivered.latency_ms["received"] == 0.0
    assert delivered.total_ms == pytest.approx(sum(delivered.latency_ms.values()))


@pytest.mark.parametrize("called", [-(2**63), 2**63 - 1, 2**64 - 1])
def test_a_vehicle_that_lies_about_its_instants_spoils_neither_figures_nor_records(called: int) -> None:
    counters = Counters()
    book = ReceiptBook(counters, VirtualClock())
    book.wrote("s", 7, MonoNs(5_000_000), "vrucw/1", warning(), first=True)
    delivered = book.received("s", Receipt(7, "ab", Outcome.CALLED, called, called, called))
    assert delivered is not None and delivered.total_ms is not None
    assert 0.0 <= delivered.total_ms <= 1_000.0
    assert all(0 <= mark.at_ns <= 1_000_000_000 for mark in delivered.marks)
    assert "total" not in book.latency()
    assert counters.value("receipts", "implausible") == 1


def test_only_the_first_frame_of_a_danger_counts_towards_the_latency(book: ReceiptBook) -> None:
    book.wrote("s", 7, MonoNs(5_000_000), "vrucw/1", warning(()), first=False)
    delivered = book.received("s", receipt())
    assert delivered is not None
    assert "total" not in book.latency()


def test_what_time_has_brought_is_reported_apart(book: ReceiptBook) -> None:
    look = tuple(TraceMark(mark.stage, max(mark.at_ns, 2_000_000)) for mark in MARKS)
    book.wrote("s", 7, MonoNs(5_000_000), "vrucw/1", warning(look), first=True)
    assert book.received("s", receipt()) is not None
    assert "total" not in book.latency()
    assert book.latency()["brought_by_time"].max_ms == 7.0


def test_an_expired_warning_was_never_called(book: ReceiptBook) -> None:
    book.wrote("s", 7, MonoNs(5_000_000), "vrucw/1", warning(), first=True)
    delivered = book.received("s", receipt(outcome=Outcome.EXPIRED, called=0))
    assert delivered is not None
    assert delivered.total_ms is None
    assert "called" not in delivered.latency_ms
    assert "total" not in book.latency()


def test_receipts_of_unknown_frames_and_second_receipts_are_counted_and_ignored() -> None:
    counters = Counters()
    book = ReceiptBook(counters, VirtualClock())
    assert book.received("s", receipt()) is None
    book.wrote("s", 7, MonoNs(5_000_000), "vrucw/1", warning(), first=True)
    assert book.received("another", receipt()) is None
    assert book.received("s", receipt()) is not None
    assert book.received("s", receipt()) is None
    assert counters.counts()["receipts"] == {"called": 1, "unknown_frame": 3}


def test_the_book_forgets_the_oldest_of_too_many_frames(book: ReceiptBook) -> None:
    for seq in range(20_001):
        book.wrote("s", seq, MonoNs(5_000_000), "x", warning(), first=True)
    assert book.received("s", receipt(seq=0)) is None
    assert book.received("s", receipt(seq=1)) is not None
