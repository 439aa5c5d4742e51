//! Framing of syslog over byte streams (RFC 6587): octet counting (`LEN SP MSG`) and
//! non-transparent framing (LF, CR LF or NUL at the end), told apart for every message.
//!
//! In: what was read of a connection, in pieces of any size. Out: one message after the other, the
//! same whatever the pieces were.
//!
//! ```text
//!             digit 1-9, digits, SP, '<', digit
//!           ┌──────────────────────────────────▶ Counted ── so many bytes ──┐
//!  Between ─┤                                                               ├─▶ Between
//!           └──────────────────────────────────▶ Delimited ─ LF, NUL ───────┘
//!             anything else
//! ```
//!
//! - *A count is believed* unless it exceeds [`COUNT_MAX`]. It must be: text that a user could
//!   write into a message (`Invalid user 17 <11>1 - …`) would otherwise forge messages of a trusted
//!   relay.
//! - *A count that lied* shows when no message begins where it ends. What stands there is given
//!   with fault `frame-length-invalid`, up to a line end or to `LEN SP <PRI>`, and the stream goes
//!   on.
//! - *A long frame* is cut at [`FRAME_BYTES_MAX`] with fault `oversize`; the rest is passed over.
//! - *The end of the stream* inside a counted frame gives what came with fault `frame-incomplete`.
//!   A last line without line end is complete: many senders close right after their last byte, and
//!   rsyslog and telegraf take such a line too.
//! - Empty lines are no messages.

use crate::model::fault::{Fault, Faults};
use crate::model::limits::FRAME_BYTES_MAX;
use memchr::{memchr2, memchr3_iter};
use std::ops::Range;

/// One message of a stream, without count and line end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Its bytes, for [`SyslogDecoder::decode`](super::SyslogDecoder::decode); never empty.
    pub bytes: &'a [u8],
    /// What was wrong with its framing, to be added to the faults of the message.
    pub faults: Faults,
}

/// Cuts the bytes of one connection into messages.
///
/// Call [`push`](Self::push) with what was read, then [`next_frame`](Self::next_frame) until it
/// gives none; [`finish`](Self::finish) at the end of the stream, and `next_frame` again. It holds
/// one unfinished frame ([`FRAME_BYTES_MAX`] and a few bytes) and the piece pushed last; in the
/// steady state nothing is allocated.
#[derive(Debug, Default)]
pub struct FrameSplitter {
    buffer: Vec<u8>,
    /// Where the bytes begin that were not given yet.
    start: usize,
    /// How many of those were already searched for an end.
    searched: usize,
    state: State,
    /// Whether the last start of a message was a count.
    is_counting: bool,
    is_finished: bool,
}

/// What stands at the start of the bytes not given yet.
#[derive(Clone, Copy, Default, Debug)]
enum State {
    #[default]
    Between,
    /// A frame of so many bytes.
    Counted(usize),
    /// A frame up to a line end, or also up to a count when the last count lied.
    Delimited(Search, Faults),
    /// So many bytes of a frame that was cut.
    SkipCounted(usize),
    /// A frame that was cut, up to its end.
    SkipDelimited(Search),
}

/// What ends a frame that has no count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Search {
    LineEnd,
    LineEndOrCount,
}

/// What one look at the bytes gave.
enum Step {
    Again,
    NeedsMore,
    Given(Range<usize>, Faults),
}

/// What may stand before a counted message.
enum Count {
    NeedsMore,
    Absent,
    /// With the bytes that it and its space take.
    Plausible(usize, usize),
    Impossible(usize),
}

/// Whether a count stands before a `<`.
enum CountBefore {
    NeedsMore,
    Absent,
    /// Where its first digit is.
    At(usize),
}

/// Where a frame without count ends.
enum End {
    NeedsMore,
    /// Frame bytes, and bytes to go on after.
    At(usize, usize),
}

impl FrameSplitter {
    /// A splitter at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start.min(self.buffer.len()));
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that nothing follows: what is held becomes the last frames.
    pub const fn finish(&mut self) {
        self.is_finished = true;
    }

    /// The next message, or `None` until more is pushed.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        loop {
            let step = match self.state {
                State::Between => self.begin(),
                State::Counted(bytes) => self.counted(bytes),
                State::Delimited(search, faults) => self.delimited(search, faults),
                State::SkipCounted(bytes) => self.skip_counted(bytes),
                State::SkipDelimited(search) => self.skip_delimited(search),
            };
            match step {
                Step::Again => {}
                Step::NeedsMore => return None,
                Step::Given(range, faults) => {
                    let bytes = self.buffer.get(range).unwrap_or(&[]);
                    return Some(Frame { bytes, faults });
                }
            }
        }
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or(&[])
    }

    /// Passes over bytes and goes to a state.
    fn advance(&mut self, bytes: usize, state: State) {
        self.start = self.start.saturating_add(bytes).min(self.buffer.len());
        self.searched = 0;
        self.state = state;
    }

    /// Gives `given` bytes, passes over `passed`, goes to a state.
    fn give(&mut self, given: usize, passed: usize, state: State, faults: Faults) -> Step {
        let range = self.start..self.start.saturating_add(given).min(self.buffer.len());
        self.advance(passed, state);
        if range.is_empty() { Step::Again } else { Step::Given(range, faults) }
    }

    /// Decides how the next message is framed.
    fn begin(&mut self) -> Step {
        let is_filler = |byte: &&u8| matches!(**byte, b'\n' | b'\r' | 0);
        let filler = self.held().iter().take_while(is_filler).count();
        self.advance(filler, State::Between);
        let Some(&first) = self.held().first() else { return Step::NeedsMore };
        match read_count(self.held()) {
            Count::NeedsMore if !self.is_finished => return Step::NeedsMore,
            Count::NeedsMore if self.is_counting => {
                let incomplete = Faults::NONE.with(Fault::FrameIncomplete);
                self.state = State::Delimited(Search::LineEnd, incomplete);
            }
            Count::Plausible(bytes, header_bytes) => {
                self.is_counting = true;
                self.advance(header_bytes, State::Counted(bytes));
            }
            Count::Impossible(header_bytes) => {
                self.is_counting = true;
                self.advance(header_bytes, LIED);
            }
            Count::NeedsMore | Count::Absent if self.is_counting && first != b'<' => {
                self.state = LIED;
            }
            Count::NeedsMore | Count::Absent => {
                self.is_counting = false;
                self.state = State::Delimited(Search::LineEnd, Faults::NONE);
            }
        }
        Step::Again
    }

    fn counted(&mut self, bytes: usize) -> Step {
        let held = self.held().len();
        let wanted = bytes.min(FRAME_BYTES_MAX);
        if held >= wanted && bytes > FRAME_BYTES_MAX {
            let oversize = Faults::NONE.with(Fault::Oversize);
            self.give(wanted, wanted, State::SkipCounted(bytes - wanted), oversize)
        } else if held >= wanted {
            self.give(wanted, wanted, State::Between, Faults::NONE)
        } else if self.is_finished {
            let incomplete = Faults::NONE.with(Fault::FrameIncomplete);
            self.give(held, held, State::Between, incomplete)
        } else {
            Step::NeedsMore
        }
    }

    fn delimited(&mut self, search: Search, faults: Faults) -> Step {
        let oversize = faults.with(Fault::Oversize);
        let held = self.held().len();
        match self.find_end(search, DELIMITED_BYTES_MAX) {
            End::At(bytes, passed) if bytes > FRAME_BYTES_MAX => {
                self.give(FRAME_BYTES_MAX, passed, State::Between, oversize)
            }
            End::At(bytes, passed) => self.give(bytes, passed, State::Between, faults),
            End::NeedsMore if self.searched >= DELIMITED_BYTES_MAX => {
                let skip = State::SkipDelimited(search);
                self.give(FRAME_BYTES_MAX, FRAME_BYTES_MAX, skip, oversize)
            }
            End::NeedsMore if !self.is_finished => Step::NeedsMore,
            End::NeedsMore if held > FRAME_BYTES_MAX => {
                self.give(FRAME_BYTES_MAX, held, State::Between, oversize)
            }
            End::NeedsMore => self.give(held, held, State::Between, faults),
        }
    }

    fn skip_counted(&mut self, bytes: usize) -> Step {
        let held = self.held().len();
        if held >= bytes {
            self.advance(bytes, State::Between);
            return Step::Again;
        }
        self.advance(held, State::SkipCounted(bytes - held));
        Step::NeedsMore
    }

    /// Keeps as many bytes as a count can be long, so that one is seen across two pieces.
    fn skip_delimited(&mut self, search: Search) -> Step {
        if let End::At(_, passed) = self.find_end(search, usize::MAX) {
            self.advance(passed, State::Between);
            return Step::Again;
        }
        if self.is_finished {
            self.advance(self.held().len(), State::Between);
            return Step::NeedsMore;
        }
        let dropped = self.searched.saturating_sub(COUNT_BYTES_MAX);
        let searched = self.searched - dropped;
        self.advance(dropped, State::SkipDelimited(search));
        self.searched = searched;
        Step::NeedsMore
    }

    /// Looks for the end in the first `window` bytes, from where the last look ended. The window
    /// makes the outcome independent of how much was pushed.
    fn find_end(&mut self, search: Search, window: usize) -> End {
        let (start, searched) = (self.start, self.searched);
        let held = self.buffer.get(start..).unwrap_or(&[]);
        let looked_at = held.get(..window.min(held.len())).unwrap_or(held);
        let fresh = looked_at.get(searched..).unwrap_or(&[]);
        self.searched = looked_at.len().max(searched);
        match search {
            Search::LineEnd => match memchr2(b'\n', 0, fresh) {
                Some(place) => line_end(held, searched + place),
                None => End::NeedsMore,
            },
            Search::LineEndOrCount => {
                for place in memchr3_iter(b'\n', 0, b'<', fresh).map(|place| searched + place) {
                    if held.get(place) != Some(&b'<') {
                        return line_end(held, place);
                    }
                    match count_before(held, place) {
                        CountBefore::At(at) => return End::At(at, at),
                        CountBefore::Absent => {}
                        CountBefore::NeedsMore => {
                            self.searched = place;
                            return End::NeedsMore;
                        }
                    }
                }
                End::NeedsMore
            }
        }
    }
}

/// A frame that ends at LF (and the CR before it) or NUL.
fn line_end(held: &[u8], place: usize) -> End {
    let line = held.get(..place).unwrap_or(held);
    let has_return = held.get(place) == Some(&b'\n') && line.ends_with(b"\r");
    End::At(if has_return { place.saturating_sub(1) } else { place }, place.saturating_add(1))
}

/// Reads `LEN SP <` and one digit. A number that no message follows is text (`2020 Oct 22 …`).
fn read_count(held: &[u8]) -> Count {
    let digits = held.iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let is_count = matches!(held, [b'1'..=b'9', ..]) && digits <= DIGITS_MAX;
    let header_bytes = digits.saturating_add(1);
    match held.get(digits..) {
        _ if !is_count => Count::Absent,
        Some([] | [b' '] | [b' ', b'<']) => Count::NeedsMore,
        Some([b' ', b'<', b'0'..=b'9', ..]) => {
            let number = held.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok());
            match number.and_then(|number| number.parse().ok()) {
                Some(bytes) if bytes <= COUNT_MAX => Count::Plausible(bytes, header_bytes),
                _ => Count::Impossible(header_bytes),
            }
        }
        _ => Count::Absent,
    }
}

/// Whether `LEN SP <PRI>` stands with its `<` at a place.
fn count_before(held: &[u8], place: usize) -> CountBefore {
    let Some([before @ .., b' ']) = held.get(..place) else { return CountBefore::Absent };
    let is_digit = |byte: &&u8| byte.is_ascii_digit();
    let digits = before.iter().rev().take(DIGITS_MAX).take_while(is_digit).count();
    let number_at = before.len().saturating_sub(digits);
    let zeros = before.iter().skip(number_at).take_while(|byte| **byte == b'0').count();
    let at = number_at.saturating_add(zeros);
    if at == 0 || zeros == digits {
        return CountBefore::Absent;
    }
    let inside = held.get(place.saturating_add(1)..).unwrap_or(&[]);
    let digits = inside.iter().take(3).take_while(is_digit).count();
    match inside.get(digits) {
        Some(b'>') if digits > 0 => CountBefore::At(at),
        Some(_) => CountBefore::Absent,
        None => CountBefore::NeedsMore,
    }
}

/// What follows a count that cannot be true.
const LIED: State =
    State::Delimited(Search::LineEndOrCount, Faults::NONE.with(Fault::FrameLengthInvalid));

/// Largest count that is believed, bytes: enough for whatever a relay really sends, too little to
/// swallow a stream for long.
const COUNT_MAX: usize = 16 * FRAME_BYTES_MAX;
/// More digits are no count at all.
const DIGITS_MAX: usize = 20;
/// Bytes before the `<` of a count that decide whether it is one: a byte, digits and a space.
const COUNT_BYTES_MAX: usize = DIGITS_MAX + 2;
/// A whole frame and CR LF.
const DELIMITED_BYTES_MAX: usize = FRAME_BYTES_MAX + 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const NONE: Faults = Faults::NONE;
    const LENGTH: Faults = Faults::NONE.with(Fault::FrameLengthInvalid);
    const OVERSIZE: Faults = Faults::NONE.with(Fault::Oversize);
    const INCOMPLETE: Faults = Faults::NONE.with(Fault::FrameIncomplete);

    fn frames_of(stream: &[u8], piece_bytes: usize) -> Vec<(Vec<u8>, Faults)> {
        frames_of_pieces(stream.chunks(piece_bytes))
    }

    fn frames_of_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, Faults)> {
        let mut splitter = FrameSplitter::new();
        let mut frames = Vec::new();
        let mut drain = |splitter: &mut FrameSplitter| {
            while let Some(frame) = splitter.next_frame() {
                assert!(!frame.bytes.is_empty() && frame.bytes.len() <= FRAME_BYTES_MAX);
                frames.push((frame.bytes.to_vec(), frame.faults));
            }
        };
        for piece in pieces {
            splitter.push(piece);
            drain(&mut splitter);
            assert!(splitter.held().len() <= DELIMITED_BYTES_MAX + COUNT_BYTES_MAX);
        }
        splitter.finish();
        drain(&mut splitter);
        assert!(splitter.held().is_empty(), "nothing is left behind");
        frames
    }

    fn check(stream: &[u8], expected: &[(&[u8], Faults)]) {
        for piece_bytes in [1, 2, 3, 7, 1_000, usize::MAX] {
            let frames = frames_of(stream, piece_bytes);
            let frames: Vec<_> =
                frames.iter().map(|(bytes, faults)| (bytes.as_slice(), *faults)).collect();
            assert_eq!(frames, expected, "{:?}", String::from_utf8_lossy(stream));
        }
    }

    #[test]
    fn both_framings_are_told_apart_for_every_message() {
        check(b"", &[]);
        check(b"\n\r\n\0", &[]);
        check(
            b"<1>a\n<2>b\r\n<3>c\0<4>d",
            &[(b"<1>a", NONE), (b"<2>b", NONE), (b"<3>c", NONE), (b"<4>d", NONE)],
        );
        check(b"4 <1>a6 <2>b\nc4 <3>d", &[(b"<1>a", NONE), (b"<2>b\nc", NONE), (b"<3>d", NONE)]);
        check(
            b"4 <1>a<2>b\n4 <3>c\n4 <4>d\0<5>e",
            &[(b"<1>a", NONE), (b"<2>b", NONE), (b"<3>c", NONE), (b"<4>d", NONE), (b"<5>e", NONE)],
        );
    }

    #[test]
    fn a_line_without_pri_may_begin_with_a_number() {
        check(
            b"2020 Oct 22 19:01:28 MSK: %A-1-B: x\nOct 11 host app: y\n12 <b>bold</b>\n",
            &[
                (b"2020 Oct 22 19:01:28 MSK: %A-1-B: x", NONE),
                (b"Oct 11 host app: y", NONE),
                (b"12 <b>bold</b>", NONE),
            ],
        );
    }

    #[test]
    fn a_count_that_lied_is_named_and_the_stream_goes_on() {
        check(
            b"16 <1>217 <11>1 - - - - - -",
            &[(b"<1>217 <11>1 - -", NONE), (b" - - - -", LENGTH)],
        );
        check(b"2 <1>abc4 <2>d", &[(b"<1", NONE), (b">abc", LENGTH), (b"<2>d", NONE)]);
        check(b"5 <1>a4 <2>b4 <3>c", &[(b"<1>a4", NONE), (b" <2>b", LENGTH), (b"<3>c", NONE)]);
        check(
            b"2 <1>one\ntwo 4 <2>b",
            &[(b"<1", NONE), (b">one", LENGTH), (b"two ", LENGTH), (b"<2>b", NONE)],
        );
        check(b"4 <1>a016 <1>b\n", &[(b"<1>a", NONE), (b"0", LENGTH), (b"<1>b\n", INCOMPLETE)]);
        check(
            b"4 <1>a-4 <2>b<3>c\n",
            &[(b"<1>a", NONE), (b"-", LENGTH), (b"<2>b", NONE), (b"<3>c", NONE)],
        );
    }

    #[test]
    fn a_count_beyond_all_bounds_is_not_waited_for() {
        for count in ["1048577", "4294967296", "18446744073709551616", "99999999999999999999"] {
            let stream = format!("{count} <1>a\n{count} <2>b4 <3>c");
            check(stream.as_bytes(), &[(b"<1>a", LENGTH), (b"<2>b", LENGTH), (b"<3>c", NONE)]);
        }
        let digits = "9".repeat(200_000);
        let stream = format!("4 <1>a{digits} <2>b\n<3>c\n");
        let frames = frames_of(stream.as_bytes(), 1_000);
        assert_eq!(frames.len(), 4);
        assert_eq!(frames[1], (vec![b'9'; FRAME_BYTES_MAX], LENGTH.union(OVERSIZE)));
        assert_eq!(frames[2..], [(b"<2>b".to_vec(), LENGTH), (b"<3>c".to_vec(), NONE)]);
    }

    #[test]
    fn text_inside_a_counted_frame_forges_no_message() {
        let frame = b"<38>sshd: Invalid user 500 <11>1 - - - - - - x\n<0>y from ::1";
        let stream = [&b"60 "[..], frame, b"4 <2>b"].concat();
        assert_eq!(frame.len(), 60);
        check(&stream, &[(frame, NONE), (b"<2>b", NONE)]);
    }

    #[test]
    fn the_end_of_the_stream_gives_what_came() {
        check(b"16 <1>2", &[(b"<1>2", INCOMPLETE)]);
        check(b"<1>2", &[(b"<1>2", NONE)]);
        check(b"16", &[(b"16", NONE)]);
        check(b"4 <1>a16", &[(b"<1>a", NONE), (b"16", INCOMPLETE)]);
        check(b"4 <1>a16 <", &[(b"<1>a", NONE), (b"16 <", INCOMPLETE)]);
    }

    #[test]
    fn long_frames_are_cut_at_the_limit_and_no_other_is_harmed() {
        let fits = vec![b'x'; FRAME_BYTES_MAX];
        let long = vec![b'x'; FRAME_BYTES_MAX + 1];
        for (body, faults) in [(&fits, NONE), (&long, OVERSIZE)] {
            let mut stream = Vec::new();
            for end in [&b"\n"[..], b"\r\n", b"\0"] {
                stream.extend_from_slice(body);
                stream.extend_from_slice(end);
            }
            let counted = [&b"<1>"[..], &body[3..]].concat();
            stream.extend_from_slice(format!("{} ", counted.len()).as_bytes());
            stream.extend_from_slice(&counted);
            stream.extend_from_slice(b"4 <2>b");
            for piece_bytes in [999, 65_536, 65_537, 1_000_000] {
                let frames = frames_of(&stream, piece_bytes);
                assert_eq!(frames.len(), 5);
                for frame in &frames[..3] {
                    assert!(frame.0 == fits && frame.1 == faults);
                }
                assert!(frames[3].0 == counted[..FRAME_BYTES_MAX] && frames[3].1 == faults);
                assert_eq!(frames[4], (b"<2>b".to_vec(), NONE));
            }
        }
    }

    #[test]
    fn the_buffer_does_not_grow_in_the_steady_state() {
        let mut splitter = FrameSplitter::new();
        let mut capacity = 0;
        for round in 0..1_000 {
            splitter.push(b"<13>Oct 11 22:14:15 host app: text\n34 <13>Oct 11 22:14:15 ho");
            splitter.push(b"st app: t<13>x\n");
            while splitter.next_frame().is_some() {}
            if round == 1 {
                capacity = splitter.buffer.capacity();
            }
        }
        assert_eq!(splitter.buffer.capacity(), capacity);
    }

    /// Streams that look like syslog often enough to reach every state.
    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            Just(b"<13>".to_vec()),
            Just(b"<1".to_vec()),
            Just(b" ".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\0".to_vec()),
            Just(vec![b'x'; FRAME_BYTES_MAX - 2]),
            "[0-9]{1,4} <[0-9]{1,3}>".prop_map(String::into_bytes),
            "[0-9]{1,22} ?".prop_map(String::into_bytes),
            "[a-z<>0-9 ]{0,12}".prop_map(String::into_bytes),
            vec(any::<u8>(), 0..8),
        ];
        vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 400,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_pieces_make_no_difference(
            stream in streams(),
            sizes in vec(1_usize..40_000, 1..40),
            small in vec(1_usize..9, 1..40),
        ) {
            let whole = frames_of(&stream, usize::MAX);
            for sizes in [sizes, small] {
                let mut rest = stream.as_slice();
                let mut sizes = sizes.into_iter().cycle();
                let pieces = std::iter::from_fn(|| {
                    let (piece, behind) = rest.split_at(sizes.next()?.min(rest.len()));
                    rest = behind;
                    (!piece.is_empty()).then_some(piece)
                });
                prop_assert_eq!(&frames_of_pieces(pieces), &whole);
            }
        }

        #[test]
        fn counted_frames_come_back_as_they_were(
            texts in vec(vec(any::<u8>(), 0..60), 0..12),
            piece_bytes in 1_usize..50,
        ) {
            let frames: Vec<_> = texts.iter().map(|text| [&b"<13>"[..], text].concat()).collect();
            let stream: Vec<u8> = frames
                .iter()
                .flat_map(|frame| [format!("{} ", frame.len()).as_bytes(), frame].concat())
                .collect();
            let expected: Vec<_> = frames.into_iter().map(|frame| (frame, NONE)).collect();
            prop_assert_eq!(frames_of(&stream, piece_bytes), expected);
        }
    }
}
