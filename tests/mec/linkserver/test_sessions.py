"""Session rules without a socket: who is let in, what is sent again, how much a vehicle may send."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wayside.clock import MonoNs, UtcNs, VirtualClock
from wayside.link import FrameKind, Hello, LinkRules, Refusal, Refused
from wayside.mec.linkserver import Admission, LinkServerReason, Outgoing, Registry, Session
from wayside.mec.linkserver._history import History, after
from wayside.mec.linkserver._session import FLOOD_BURSTS, RateBucket

DIALECT = "csae53-2020"
RULES = LinkRules(max_sessions=2, mailbox_limit=4, resume_window_s=30.0)
Make = Callable[..., Outgoing]


def registry(token: str | None = None, rules: LinkRules = RULES) -> tuple[Registry, list[LinkServerReason]]:
    dropped: list[LinkServerReason] = []
    return Registry(rules, token, [DIALECT], dropped.append), dropped


def let_in(admission: Admission | Refused) -> Admission:
    assert isinstance(admission, Admission)
    return admission


def refused(admission: Admission | Refused) -> Refused:
    assert isinstance(admission, Refused)
    return admission


def cut(session: Session, now: MonoNs) -> None:
    session.cut_at = now


def written(session: Session, now: MonoNs) -> list[tuple[FrameKind, int, bool]]:
    """Kind, key and RESUMED flag of all that a session would write now."""
    out = []
    while (taken := session.next_frame(now)) is not None:
        data, _, item = taken
        out.append((item.kind, item.key, bool(data[1] & 2)))
    return out


def warning(
    clock: VirtualClock, key: int, lives_s: float = 10.0, kind: FrameKind = FrameKind.WARNING
) -> Outgoing:
    expires = MonoNs(clock.mono() + round(lives_s * 1e9))
    ttl_ms = 0 if kind is FrameKind.CANCEL else round(lives_s * 1e3)
    return Outgoing(kind, key, 160, clock.utc(), expires, ttl_ms, b"")


def test_token_and_dialect_are_asked_for(clock: VirtualClock) -> None:
    sessions, _ = registry(token="secret")
    assert refused(sessions.admit(Hello("v", DIALECT), clock.mono())).reason is Refusal.BAD_TOKEN
    assert refused(sessions.admit(Hello("v", DIALECT, "Secret"), clock.mono())).reason is Refusal.BAD_TOKEN
    answer = refused(sessions.admit(Hello("v", "morse", "secret"), clock.mono()))
    assert answer.reason is Refusal.UNKNOWN_DIALECT
    assert answer.retry_after_s < 0
    assert (
        let_in(sessions.admit(Hello("v", DIALECT, "secret"), clock.mono())).session in sessions.by_id.values()
    )


def test_open_site_keeps_a_live_vehicle_against_a_stranger(clock: VirtualClock) -> None:
    sessions, _ = registry()
    first = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    assert refused(sessions.admit(Hello("v", DIALECT), clock.mono())).reason is Refusal.BAD_TOKEN
    guess = Hello("v", DIALECT, resume="guess")
    assert refused(sessions.admit(guess, clock.mono())).reason is Refusal.BAD_TOKEN
    other = Hello("w", DIALECT, resume=first.resume_token)
    assert let_in(sessions.admit(other, clock.mono())).session is not first
    again = let_in(sessions.admit(Hello("v", DIALECT, resume=first.resume_token), clock.mono()))
    assert again.resumed and again.session is first
    cut(first, clock.mono())
    fresh = let_in(sessions.admit(Hello("v", DIALECT), clock.mono()))
    assert not fresh.resumed and fresh.replaced is first


def test_site_token_replaces_a_live_session_by_a_new_one(clock: VirtualClock) -> None:
    sessions, dropped = registry(token="secret")
    first = let_in(sessions.admit(Hello("v", DIALECT, "secret"), clock.mono())).session
    first.post(warning(clock, 1))
    second = let_in(sessions.admit(Hello("v", DIALECT, "secret"), clock.mono()))
    assert second.replaced is first and not second.resumed
    assert second.session.resume_token != first.resume_token
    assert list(sessions.by_id.values()) == [second.session]
    assert dropped == [LinkServerReason.NO_SESSION]


def test_full_edge_gives_a_cut_vehicles_place_away_first(clock: VirtualClock) -> None:
    sessions, _ = registry()
    first = let_in(sessions.admit(Hello("a", DIALECT), clock.mono())).session
    let_in(sessions.admit(Hello("b", DIALECT), clock.mono()))
    assert refused(sessions.admit(Hello("c", DIALECT), clock.mono())).reason is Refusal.FULL
    cut(first, clock.mono())
    let_in(sessions.admit(Hello("c", DIALECT), clock.mono()))
    assert first.info.session_id not in sessions.by_id
    assert len(sessions.by_id) == 2


def test_resume_brings_what_was_missed_and_is_still_valid(clock: VirtualClock) -> None:
    sessions, _ = registry()
    session = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    for item in (warning(clock, 1), warning(clock, 2), warning(clock, 3, lives_s=1.0), warning(clock, 4)):
        session.post(item)
    seen = session.next_frame(clock.mono())
    assert seen is not None
    written(session, clock.mono())
    session.post(warning(clock, 2, kind=FrameKind.CANCEL))
    written(session, clock.mono())  # written to the socket, never read
    cut(session, clock.mono())
    session.post(warning(clock, 4, lives_s=20.0))  # an update while it is away
    session.post(warning(clock, 1, kind=FrameKind.CANCEL))
    clock.advance(2.0)
    hello = Hello("v", DIALECT, resume=session.resume_token, last_seq=seen[1])
    assert let_in(sessions.admit(hello, clock.mono())).resumed
    assert written(session, clock.mono()) == [
        (FrameKind.WARNING, 4, False),  # newer than the one missed, in that one's place
        (FrameKind.CANCEL, 2, True),
        (FrameKind.CANCEL, 1, False),
    ]


def test_resume_repeats_nothing_that_arrived(clock: VirtualClock) -> None:
    sessions, _ = registry()
    session = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    session.post(warning(clock, 1))
    session.post(warning(clock, 2))
    first, second = session.next_frame(clock.mono()), session.next_frame(clock.mono())
    assert first is not None and second is not None
    cut(session, clock.mono())
    let_in(sessions.admit(Hello("v", DIALECT, resume=session.resume_token, last_seq=first[1]), clock.mono()))
    assert written(session, clock.mono()) == [(FrameKind.WARNING, 2, True)]
    cut(session, clock.mono())
    let_in(sessions.admit(Hello("v", DIALECT, resume=session.resume_token, last_seq=2**40), clock.mono()))


def test_resume_window_ends(clock: VirtualClock) -> None:
    sessions, _ = registry()
    session = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    cut(session, clock.mono())
    clock.advance(29.0)
    assert sessions.lapsed(clock.mono()) == []
    clock.advance(2.0)
    assert sessions.lapsed(clock.mono()) == [session]
    answer = let_in(sessions.admit(Hello("v", DIALECT, resume=session.resume_token), clock.mono()))
    assert not answer.resumed


def test_cancel_goes_out_unless_the_vehicle_never_saw_the_key(clock: VirtualClock) -> None:
    sessions, dropped = registry()
    session = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    session.post(warning(clock, 1))
    session.post(warning(clock, 1, kind=FrameKind.CANCEL))
    assert written(session, clock.mono()) == []
    session.post(warning(clock, 1))
    written(session, clock.mono())
    session.post(warning(clock, 1))
    session.post(warning(clock, 1, kind=FrameKind.CANCEL))
    assert written(session, clock.mono()) == [(FrameKind.CANCEL, 1, False)]
    assert dropped == [LinkServerReason.SUPERSEDED] * 2


@pytest.mark.drops(LinkServerReason.EXPIRED)
def test_expired_is_never_framed(clock: VirtualClock) -> None:
    sessions, dropped = registry()
    session = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    item = warning(clock, 1, lives_s=0.5)
    session.post(item)
    clock.advance(0.5)
    assert session.next_frame(clock.mono()) is None
    assert session.frame_at_once(item, clock.mono()) is None
    assert dropped == [LinkServerReason.EXPIRED] * 2


@pytest.mark.drops(LinkServerReason.SUPERSEDED, LinkServerReason.MAILBOX_FULL)
def test_mailbox_losses_are_counted(clock: VirtualClock) -> None:
    sessions, dropped = registry()
    session = let_in(sessions.admit(Hello("v", DIALECT), clock.mono())).session
    session.post(warning(clock, 1))
    session.post(warning(clock, 1))
    for key in range(2, 6):
        session.post(warning(clock, key))
    assert dropped == [LinkServerReason.SUPERSEDED, LinkServerReason.MAILBOX_FULL]


def test_history_is_bounded_and_forgets_towards_sending_the_cancel(clock: VirtualClock) -> None:
    history = History(limit=2)
    assert not history.saw(1)
    for seq, key in enumerate((1, 2, 3), start=1):
        history.written(seq, warning(clock, key))
    assert len(history) == 2
    assert history.saw(1) and history.saw(99)
    history.written(9, warning(clock, 4, kind=FrameKind.MESSAGE))
    assert len(history) == 2


def test_sequence_numbers_wrap() -> None:
    assert after(1, 0xFFFFFFFF)
    assert not after(0xFFFFFFFF, 1)
    assert not after(5, 5)


def test_bucket_refills_and_tells_a_burst_from_a_flood() -> None:
    bucket = RateBucket(40.0, 80, MonoNs(0))
    assert sum(bucket.admit(MonoNs(0)) for _ in range(200)) == 80
    assert bucket.excess == 120
    assert sum(bucket.admit(MonoNs(1_000_000_000)) for _ in range(200)) == 40
    assert bucket.admit(MonoNs(4_000_000_000))
    assert bucket.excess == 0


def test_flood_is_told_after_the_stated_number_of_frames(clock: VirtualClock) -> None:
    session = Session(Hello("v", DIALECT), LinkRules(), clock.mono(), lambda _: None)
    count = 0
    while not session.floods():
        session.heard(clock.mono())
        count += 1
    assert count == 80 + FLOOD_BURSTS * 80 + 1


@pytest.mark.parametrize("kind", [FrameKind.WELCOME, FrameKind.HELLO])
def test_only_frames_for_vehicles_are_built(kind: FrameKind) -> None:
    with pytest.raises(ValueError, match=kind.name):
        Outgoing(kind, 1, 1, UtcNs(0), MonoNs(0), 1_000, b"")


def test_a_warning_needs_a_lifetime() -> None:
    with pytest.raises(ValueError, match="lifetime"):
        Outgoing(FrameKind.WARNING, 1, 1, UtcNs(0), MonoNs(0), 0, b"")
