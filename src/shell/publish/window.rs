//! Decisions that were taken and are not yet acknowledged, and the cursor that follows from them:
//! everything up to it is acknowledged, without a gap.
//!
//! A pure machine: no clock, no I/O. Each decision is *waiting* (some message not handed over),
//! *on its way*, then gone once every message is acknowledged and every decision before it is.
//! When the client fails, [`Window::rewind`] makes all of them waiting again, those included that
//! were acknowledged behind the gap: the last message of a key must be the newest one.

use crate::shell::publish::Rank;
use crate::shell::publish::cloud_event::Message;
use crate::shell::publish::sink::Tag;
use std::collections::VecDeque;

/// Decisions held at most.
pub const WINDOW_DECISIONS_MAX: usize = 10_000;
/// Bytes of messages held before no more decisions are taken.
pub const WINDOW_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The decisions between the cursor and what was taken.
#[derive(Debug)]
pub struct Window {
    slots: VecDeque<Slot>,
    bytes: usize,
    /// How many slots from the front have all of their messages handed over.
    sent: usize,
    /// Highest whole position taken.
    taken: u64,
    /// Up to here one decision at a time, to find the one that a broker refuses.
    alone_through: Option<Rank>,
}

#[derive(Debug)]
struct Slot {
    rank: Rank,
    messages: Vec<Message>,
    sent: usize,
    settled: Vec<Tag>,
}

/// What a rejection means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The message itself was refused: it was passed over.
    PassedOver,
    /// It may have been refused for its neighbours: send again, one at a time.
    SendAgainAlone,
}

impl Window {
    /// An empty window; everything up to `cursor` is acknowledged.
    #[must_use]
    pub const fn new(cursor: u64) -> Self {
        Self { slots: VecDeque::new(), bytes: 0, sent: 0, taken: cursor, alone_through: None }
    }

    /// Everything up to here is acknowledged.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.slots.front().map_or(self.taken, |slot| slot.rank.position.saturating_sub(1))
    }

    /// Highest position taken.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Decisions held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether everything taken is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether more decisions may be taken.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.slots.len() < WINDOW_DECISIONS_MAX && self.bytes < WINDOW_BYTES_MAX
    }

    /// Takes a decision that comes after all before it. One without messages is acknowledged.
    pub fn take(&mut self, rank: Rank, messages: Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(messages.iter().map(Message::size).sum());
        self.slots.push_back(Slot { rank, messages, sent: 0, settled: Vec::new() });
    }

    /// Every decision up to this position was taken.
    pub fn reached(&mut self, position: u64) {
        self.taken = self.taken.max(position);
    }

    /// The next message to hand over.
    #[must_use]
    pub fn next(&self) -> Option<(Tag, &Message)> {
        let front = self.slots.front()?;
        let is_alone = self.alone_through.is_some_and(|through| front.rank <= through);
        if is_alone && self.sent > 0 {
            return None;
        }
        let slot = self.slots.get(self.sent)?;
        let message = slot.messages.get(slot.sent)?;
        Some((Tag { rank: slot.rank, topic: message.topic }, message))
    }

    /// The message that [`Window::next`] gave was handed over.
    pub fn advance(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.sent) {
            slot.sent = slot.sent.saturating_add(1);
            if slot.sent == slot.messages.len() {
                self.sent = self.sent.saturating_add(1);
            }
        }
    }

    /// A message needs no further care: acknowledged, or passed over.
    pub fn settle(&mut self, tag: Tag) {
        let Ok(place) = self.slots.binary_search_by_key(&tag.rank, |slot| slot.rank) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(place)
            && !slot.settled.contains(&tag)
        {
            slot.settled.push(tag);
        }
        while let Some(slot) = self.slots.front()
            && slot.settled.len() == slot.messages.len()
            && self.sent > 0
        {
            let size = slot.messages.iter().map(Message::size).sum();
            self.bytes = self.bytes.saturating_sub(size);
            self.sent = self.sent.saturating_sub(1);
            self.slots.pop_front();
        }
    }

    /// A broker refused a message. When nothing else was on its way it is guilty and passed over;
    /// otherwise everything is sent again, one by one up to it.
    pub fn reject(&mut self, tag: Tag) -> Verdict {
        if self.alone_through.is_some_and(|through| tag.rank <= through) {
            self.settle(tag);
            return Verdict::PassedOver;
        }
        self.alone_through = Some(tag.rank);
        self.rewind();
        Verdict::SendAgainAlone
    }

    /// The client failed: everything held is to be handed over again, in order.
    pub fn rewind(&mut self) {
        self.sent = 0;
        for slot in &mut self.slots {
            slot.sent = 0;
            slot.settled.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::publish::cloud_event::Topic;

    fn message(topic: Topic) -> Message {
        Message { topic, key: "I1".to_owned(), headers: Vec::new(), value: Some(vec![0; 10]) }
    }

    fn rank(position: u64) -> Rank {
        Rank { position, ordinal: 0 }
    }

    fn tag(position: u64, topic: Topic) -> Tag {
        Tag { rank: rank(position), topic }
    }

    /// Hands over everything that may go; the positions of it, one per message.
    fn send(window: &mut Window) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((tag, _)) = window.next() {
            sent.push(tag.rank.position);
            window.advance();
        }
        sent
    }

    fn window_of(positions: &[u64]) -> Window {
        let mut window = Window::new(1);
        for position in positions {
            window.take(rank(*position), vec![message(Topic::Event), message(Topic::State)]);
            window.reached(*position);
        }
        window
    }

    fn settle_both(window: &mut Window, position: u64) {
        window.settle(tag(position, Topic::Event));
        window.settle(tag(position, Topic::State));
    }

    #[test]
    fn the_cursor_is_the_highest_contiguous_acknowledgement() {
        let mut window = window_of(&[4, 6, 9]);
        assert_eq!(window.cursor(), 3, "nothing between 1 and 4 waits for anybody");
        assert_eq!(send(&mut window), [4, 4, 6, 6, 9, 9]);
        settle_both(&mut window, 6);
        assert_eq!(window.cursor(), 3);
        window.settle(tag(4, Topic::Event));
        window.settle(tag(4, Topic::Event));
        assert_eq!(window.cursor(), 3, "the same acknowledgement twice is one");
        window.settle(tag(4, Topic::State));
        assert_eq!(window.cursor(), 8, "6 went with it");
        settle_both(&mut window, 9);
        window.reached(12);
        assert_eq!((window.cursor(), window.bytes), (12, 0));
    }

    #[test]
    fn after_a_failure_everything_behind_the_gap_goes_again_in_order() {
        let mut window = window_of(&[4, 6, 9]);
        send(&mut window);
        settle_both(&mut window, 4);
        settle_both(&mut window, 9);
        window.rewind();
        assert_eq!(window.cursor(), 5);
        assert_eq!(send(&mut window), [6, 6, 9, 9]);
        settle_both(&mut window, 6);
        settle_both(&mut window, 9);
        assert_eq!((window.cursor(), window.is_empty()), (9, true));
    }

    #[test]
    fn a_refused_message_is_found_alone_and_passed_over() {
        let mut window = window_of(&[4, 6, 9]);
        send(&mut window);
        assert_eq!(window.reject(tag(6, Topic::Event)), Verdict::SendAgainAlone);
        assert_eq!(send(&mut window), [4, 4]);
        settle_both(&mut window, 4);
        assert_eq!(send(&mut window), [6, 6]);
        assert_eq!(window.reject(tag(6, Topic::Event)), Verdict::PassedOver);
        window.settle(tag(6, Topic::State));
        assert_eq!(window.cursor(), 8);
        assert_eq!(send(&mut window), [9, 9], "and then freely again");
    }
}
