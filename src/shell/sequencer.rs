//! The sequencer: one thread that takes batches from the lanes, gives each input its place in the
//! journal and steps the engine. Only here is the journal written and the engine changed.
//!
//! Write, step, then sync: the engine may run ahead of the disk; what it decided waits in the
//! outbox until the position is durable.

use crate::engine::digest::RollingDigest;
use crate::engine::effect::Effect;
use crate::engine::input::{Input, Repeat};
use crate::engine::{ENGINE_VERSION, Engine};
use crate::model::event::{Channel, Event, Lane, Verb};
use crate::model::limits::BATCH_EVENTS;
use crate::model::time::At;
use crate::shell::batch::Batch;
use crate::shell::clock::EngineClock;
use crate::shell::codec::{Decision, Mark, REPEAT_BYTES};
use crate::shell::codec::{encode, event_head, event_parts, push_repeat};
use crate::shell::journal::{AppendError, Journal, Kind};
use crate::shell::journal_room::Room;
use crate::shell::new_settings::NewSettings;
use crate::shell::observe::counters::{ListenerCounters, ShedReason};
use crate::shell::observe::rounds::{Part, RoundWatch, Running};
use crate::shell::outbox::{OutboxEnd, Staged};
use crate::shell::poison;
use crate::shell::publish::{Occurrences, Published};
use crate::shell::shared::{Control, Shared};
use crate::shell::turns::Turns;
use crate::shell::waiting_commands::WaitingCommands;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Owner of journal and engine.
pub struct Sequencer {
    journal: Journal,
    engine: Engine,
    digest: RollingDigest,
    clock: EngineClock,
    shared: Arc<Shared>,
    turns: Turns,
    counters: Vec<Arc<ListenerCounters>>,
    outbox: OutboxEnd,
    applied: u64,
    /// The position being applied; 0 between two of them.
    at_work: u64,
    hashes: Vec<u64>,
    repeats: Vec<Repeat>,
    payload: Vec<u8>,
    coming: VecDeque<NewSettings>,
    commands: WaitingCommands,
    /// Whether the first of them has been stepped; some pulses later it is in force.
    are_settings_journaled: bool,
    effects: Vec<Effect>,
    staged: Vec<Published>,
    wall_offset: i64,
    marked_at: u64,
    told_at: u64,
    full_told_at: u64,
    watch: RoundWatch,
    pace: Pace,
}

/// How many events the last rounds brought, to decide between polling and sleeping.
#[derive(Default)]
struct Pace {
    busy_rounds: u32,
}

impl Sequencer {
    /// Takes over what recovery brought up to date.
    #[must_use]
    pub fn new(
        (journal, engine, digest): (Journal, Engine, RollingDigest),
        clock: EngineClock,
        shared: Arc<Shared>,
        (counters, outbox): (Vec<Arc<ListenerCounters>>, OutboxEnd),
    ) -> Self {
        let at = clock.at();
        let applied = engine.position();
        Self {
            journal,
            engine,
            digest,
            clock,
            turns: Turns::new(Arc::clone(&shared.lanes)),
            shared,
            counters,
            outbox,
            applied,
            at_work: 0,
            hashes: Vec::with_capacity(BATCH_EVENTS),
            repeats: Vec::with_capacity(REPEATS_MAX),
            payload: Vec::with_capacity(REPEATS_MAX * REPEAT_BYTES),
            coming: VecDeque::new(),
            commands: WaitingCommands::default(),
            are_settings_journaled: false,
            effects: Vec::new(),
            staged: Vec::new(),
            wall_offset: offset(at),
            marked_at: at.engine.0,
            told_at: at.engine.0,
            full_told_at: 0,
            watch: RoundWatch::default(),
            pace: Pace::default(),
        }
    }

    /// Applies one input that is journaled with this payload. Used at boot, before [`Self::run`].
    pub fn apply(&mut self, kind: Kind, payload: &[u8], input: &Input<'_>) {
        let at = self.clock.at();
        if poison::contain(|| self.input(at, kind, &[payload], input)).is_none() {
            self.die();
        }
        self.commit();
    }

    /// Brings settings into force. Used at boot, before [`Self::run`].
    pub fn apply_settings(&mut self, settings: NewSettings) {
        self.coming.push_back(settings);
        while !self.coming.is_empty() {
            let done = poison::contain(|| {
                let at = self.clock.at();
                self.further_settings(at);
                self.pulse(at);
            });
            if done.is_none() {
                self.die();
            }
            self.commit();
        }
    }

    /// Takes new settings one piece further, or tells that they are in force. Settings that came
    /// later wait for that.
    fn further_settings(&mut self, at: At) -> usize {
        let Some(mut new) = self.coming.pop_front() else { return 0 };
        if self.are_settings_journaled {
            if self.engine.is_renewing() {
                self.coming.push_front(new);
            } else {
                self.are_settings_journaled = false;
                new.tell_in_force();
            }
            return 0;
        }
        let (is_last, piece) = new.piece();
        // What the engine is at goes by the settings with which it began.
        if is_last && self.engine.is_at_long_work() {
            self.coming.push_front(new);
            return 0;
        }
        let head = [u8::from(is_last)];
        let payload = [&head[..], piece];
        self.flush_repeats(at);
        // Without room in the journal the same piece comes again in the next round.
        if let Ok(position) = self.append(at, Kind::Settings, &payload, true) {
            self.note_input(position, Kind::Settings, &payload);
            if is_last {
                self.are_settings_journaled = true;
                self.step(at, position, &Input::Settings(new.settings()));
            } else {
                new.advance();
            }
        }
        self.coming.push_front(new);
        1
    }

    /// The engine, as far as it is.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs until it is told to stop and nothing is left; then marks and gives everything back for
    /// the last snapshot.
    pub fn run(mut self) -> (Journal, Engine, [u8; 32]) {
        self.shared.lanes.attach_sequencer(std::thread::current());
        if poison::contain(|| self.rounds()).is_none() {
            self.die();
        }
        let digest = self.digest.value();
        (self.journal, self.engine, digest)
    }

    /// A panic ends the process, after the input at work and what came before it are journaled.
    fn die(&mut self) -> ! {
        if self.at_work > 0 {
            poison::note(&mut self.journal, self.at_work);
        }
        std::process::abort();
    }

    fn rounds(&mut self) {
        loop {
            let taken = self.round();
            self.shared.rounds.fetch_add(1, Ordering::Relaxed);
            if taken == 0 {
                if self.shared.is_stopping.load(Ordering::Acquire) && self.is_drained() {
                    break;
                }
                self.rest();
            } else {
                self.pace.busy_rounds = PACE_ROUNDS;
            }
        }
        let at = self.clock.at();
        self.mark(at);
        self.commit();
        self.publish_gauges();
    }

    fn is_drained(&self) -> bool {
        // What cannot become durable is not waited for.
        let is_taken = self.shared.controls.is_empty() && self.commands.is_empty();
        let is_all = is_taken && self.coming.is_empty();
        self.turns.is_empty() && (is_all || self.journal.is_stuck())
    }

    /// One round: controls, what is due, then batches, urgent first, with a share for each lane;
    /// when it has lasted long, only one of each. Gives the number of inputs taken.
    fn round(&mut self) -> usize {
        let mut running = Running::begin();
        let at = self.clock.at();
        let mut taken = 0;
        // While nothing becomes durable nothing is decided: what leaves would have to wait for it,
        // in a queue that is full one day, and behind it the commit that ends the wait.
        if !self.journal.is_stuck() {
            taken = self.take_controls(at);
            taken = taken.saturating_add(self.take_commands(at));
            taken = taken.saturating_add(self.further_settings(at));
            self.watch_wall_clock(at);
            running.done(Part::Controls);
            taken = taken.saturating_add(self.pulse(at));
            running.done(Part::Deadlines);
        }
        self.shared.lanes.judge_load();
        for (lane, share) in [(Lane::Urgent, 32), (Lane::Normal, 8), (Lane::Low, 2)] {
            for place in 0..share {
                // Deadlines, answers and the other lanes wait for the end of the round.
                if place > 0 && self.clock.now().ns_since(at.engine) > ROUND_NS_MAX {
                    break;
                }
                let Some(mut batch) = self.turns.next(lane) else { break };
                taken = taken.saturating_add(batch.len());
                self.batch(&mut batch);
                batch.pass();
                self.shared.lanes.give_back(batch);
            }
        }
        running.done(Part::Messages);
        self.periodic(self.clock.at());
        running.done(Part::Periodic);
        self.commit();
        running.done(Part::Commit);
        if taken > 0 {
            self.watch.end(running, taken);
        }
        taken
    }

    fn take_controls(&mut self, at: At) -> usize {
        let mut taken = 0_usize;
        while let Some(control) = self.shared.controls.pop() {
            taken = taken.saturating_add(1);
            match control {
                Control::Command(command) => self.commands.push(at.engine, command),
                Control::Settings(settings) => self.coming.push_back(settings),
                Control::Loss(loss) => {
                    self.input(at, Kind::Loss, &[&encode(&loss)], &Input::Loss(loss));
                }
                Control::ClockQuality(quality) => {
                    let payload = encode(&quality);
                    let input = Input::ClockQuality(quality);
                    self.input(at, Kind::ClockQuality, &[&payload], &input);
                }
            }
        }
        taken
    }

    fn take_commands(&mut self, at: At) -> usize {
        let mut taken = 0_usize;
        while let Some(command) = self.commands.next(at.engine, self.engine.is_at_long_work()) {
            let payload = encode(&command);
            self.input(at, Kind::Command, &[&payload], &Input::Command(command));
            taken = taken.saturating_add(1);
        }
        taken
    }

    /// The passage of time is an input; several when much is due, for one of them founds at most
    /// one incident.
    fn pulse(&mut self, at: At) -> usize {
        for taken in 0..PULSES_MAX {
            let is_long = taken > 0 && self.clock.now().ns_since(at.engine) > PULSES_NS_MAX;
            if is_long || self.engine.next_deadline().is_none_or(|due| due > at.engine) {
                return taken;
            }
            self.input(at, Kind::Pulse, &[], &Input::Pulse);
        }
        PULSES_MAX
    }

    fn watch_wall_clock(&mut self, at: At) {
        let now = offset(at);
        let step_ns = now.saturating_sub(self.wall_offset);
        self.wall_offset = now;
        if step_ns.unsigned_abs() >= STEP_NS_MIN {
            tracing::warn!(step_ms = step_ns / 1_000_000, "the wall clock was set");
            let payload = encode(&step_ns);
            self.input(at, Kind::ClockStep, &[&payload], &Input::ClockStep { step_ns });
        }
    }

    fn batch(&mut self, batch: &mut Batch) {
        let at = self.clock.at();
        let mut listener = 0_u16;
        let mut journaled = 0_u64;
        let mut hashes = std::mem::take(&mut self.hashes);
        hashes.clear();
        hashes.extend(batch.identities().map(|identity| self.engine.hash_of(identity)));
        self.engine.look_ahead(&hashes);
        for (event, hash) in batch.events().zip(&hashes) {
            listener = event.listener;
            if self.event(at, &event, *hash) {
                journaled = journaled.saturating_add(1);
            } else if let Some(counters) = self.counters.get(usize::from(event.listener)) {
                counters.add_shed(ShedReason::JournalFull, event.lane, 1);
            }
        }
        self.hashes = hashes;
        // With the time by which their ages were told.
        self.flush_repeats(at);
        let is_whole = usize::try_from(journaled).is_ok_and(|journaled| journaled == batch.len());
        // Who gets no answer sends again.
        if is_whole && batch.answers().len() > 0 {
            let position = self.journal.next_position().saturating_sub(1);
            self.journal.hurry();
            for answer in batch.answers() {
                self.outbox.answer(position, &answer);
            }
        }
        if let Some(counters) = self.counters.get(usize::from(listener)) {
            counters.journaled.fetch_add(journaled, Ordering::Relaxed);
        }
        if let Some(receipt) = batch.take_receipt().filter(|_| is_whole) {
            let position = self.journal.next_position().saturating_sub(1);
            self.journal.hurry();
            self.outbox.settle(position, receipt);
        }
    }

    /// Journals and applies one event; `false` when the journal has no room for it.
    fn event(&mut self, at: At, event: &Event<'_>, hash: u64) -> bool {
        if self.engine.is_idle_news(event) {
            return true;
        }
        if !self.journal.is_full()
            && let Some(alarm) = self.engine.repeat_of(event, hash)
        {
            if self.repeats.len() >= REPEATS_MAX {
                self.flush_repeats(at);
            }
            let age = at.wall.ns_since(event.arrived.wall).max(0);
            self.repeats.push(Repeat {
                alarm,
                listener: event.listener,
                channel: event.channel.bit(),
                age_ns: u32::try_from(age).unwrap_or(u32::MAX),
            });
            return true;
        }
        self.flush_repeats(at);
        let head = event_head(event);
        let parts = event_parts(&head, event);
        let is_own = event.channel == Channel::Internal;
        let is_clear = event.verb == Verb::Clear && self.journal.has_room_for_clears();
        let has_priority = is_own || is_clear;
        let Ok(position) = self.append(at, Kind::Event, &parts, has_priority) else {
            return false;
        };
        self.note_input(position, Kind::Event, &parts);
        self.step(at, position, &Input::Event(*event));
        true
    }

    fn flush_repeats(&mut self, at: At) {
        if self.repeats.is_empty() {
            return;
        }
        let repeats = std::mem::take(&mut self.repeats);
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        for repeat in &repeats {
            push_repeat(repeat, &mut payload);
        }
        // Room was there when the first of them was taken; the buffer takes the rest in any case.
        if let Ok(position) = self.append(at, Kind::Repeats, &[&payload], true) {
            let count = u64::try_from(repeats.len()).unwrap_or(u64::MAX);
            self.shared.repeats.fetch_add(count, Ordering::Relaxed);
            self.note_input(position, Kind::Repeats, &[&payload]);
            self.step(at, position, &Input::Repeats(&repeats));
        }
        self.payload = payload;
        self.repeats = repeats;
        self.repeats.clear();
    }

    fn input(&mut self, at: At, kind: Kind, parts: &[&[u8]], input: &Input<'_>) {
        self.flush_repeats(at);
        if let Ok(position) = self.append(at, kind, parts, true) {
            self.note_input(position, kind, parts);
            self.step(at, position, input);
        }
    }

    fn append(
        &mut self,
        at: At,
        kind: Kind,
        parts: &[&[u8]],
        has_priority: bool,
    ) -> Result<u64, AppendError> {
        let appended = if has_priority {
            self.journal.append_priority(at, kind, parts)
        } else {
            self.journal.append(at, kind, parts)
        };
        if let Err(error) = &appended
            && !matches!(error, AppendError::Full)
        {
            tracing::error!(kind = kind.as_str(), %error, "a record was not journaled");
        }
        appended
    }

    fn note_input(&mut self, position: u64, kind: Kind, parts: &[&[u8]]) {
        self.digest.input_parts(position, kind.code(), parts);
        self.applied = position;
    }

    fn step(&mut self, at: At, position: u64, input: &Input<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        self.at_work = position;
        poison::inject(input);
        self.engine.step(at, position, input, &mut effects);
        self.at_work = 0;
        self.digest.effects(&effects);
        for (ordinal, effect) in (0_u32..).zip(effects.drain(..)) {
            if matches!(effect, Effect::Ticket(_) | Effect::Answer(_)) {
                self.journal.hurry();
            }
            if effect.is_decision() {
                let decision = Decision { position, ordinal, effect };
                // An input that got in takes what it decided along.
                let _ = self.append(at, Kind::Decision, &[&encode(&decision)], true);
                let effect = decision.effect;
                self.staged.push(Published { position, ordinal, at, effect });
            } else {
                self.staged.push(Published { position, ordinal, at, effect });
            }
        }
        self.effects = effects;
    }

    /// Writes what was appended and hands over what was decided.
    fn commit(&mut self) {
        match self.journal.commit() {
            Ok(()) => {}
            Err(AppendError::Full) => self.tell_full(PERIOD_NS),
            Err(error) => tracing::error!(%error, "the commit was not written"),
        }
        self.tell_room();
        self.shared.applied.store(self.applied, Ordering::Release);
        if !self.staged.is_empty() {
            let position = self.journal.next_position().saturating_sub(1);
            let effects = std::mem::take(&mut self.staged);
            self.outbox.stage(Staged { durable_at: position, effects, is_known: false });
        }
    }

    fn tell_room(&self) {
        let room = if self.journal.is_stuck() {
            Room::None
        } else if self.journal.is_full() {
            Room::Reserve
        } else {
            Room::Enough
        };
        self.shared.room.set(room);
    }

    fn tell_full(&mut self, every_ns: u64) {
        let now = self.clock.now().0;
        if now.saturating_sub(self.full_told_at) >= every_ns {
            self.full_told_at = now;
            tracing::error!("no room on the disk of the journal: free some; vigie goes on then");
        }
    }

    /// What happens about once a second: counts of repeats, gauges; and the mark.
    fn periodic(&mut self, at: At) {
        if at.engine.0.saturating_sub(self.told_at) >= PERIOD_NS {
            self.told_at = at.engine.0;
            if self.journal.is_full() && !self.journal.make_room() {
                self.tell_full(FULL_TOLD_NS);
            }
            let told = self.engine.take_touched(COUNTS_MAX);
            if !told.is_empty() {
                let told = told.into_iter().map(|(alarm, occurrences, last_raised)| Occurrences {
                    alarm,
                    occurrences,
                    last_raised,
                });
                self.outbox.count(told.collect());
            }
            self.publish_gauges();
        }
        // Snapshots are of marks, and begin with an input, not amid the pieces of one.
        let is_amid = self.coming.front().is_some_and(NewSettings::is_begun);
        let is_due = at.engine.0.saturating_sub(self.marked_at) >= MARK_NS;
        if is_due && !self.journal.is_stuck() && (!is_amid || self.are_settings_journaled) {
            self.mark(at);
        }
    }

    fn publish_gauges(&mut self) {
        self.shared.rounds_taken.store(Arc::new(self.watch.figures()));
        self.shared.gauges.store(Arc::new(Some(self.engine.gauges())));
    }

    fn mark(&mut self, at: At) {
        self.flush_repeats(at);
        self.marked_at = at.engine.0;
        let mark = Mark {
            engine_version: ENGINE_VERSION,
            position: self.applied,
            digest: self.digest.checkpoint(),
            kafka_cursor: self.shared.kafka_cursor.load(Ordering::Acquire),
        };
        let _ = self.append(at, Kind::Mark, &[&encode(&mark)], true);
    }

    /// Waits for something to do: shortly and without a wake-up while much arrives, else parked
    /// until the next deadline.
    fn rest(&mut self) {
        if self.pace.busy_rounds > 0 {
            self.pace.busy_rounds = self.pace.busy_rounds.saturating_sub(1);
            coalesce();
            return;
        }
        let lanes = Arc::clone(&self.shared.lanes);
        lanes.about_to_sleep();
        if self.is_drained() {
            let now = self.clock.now();
            let until_due = self
                .engine
                .next_deadline()
                .map_or(REST_MAX, |due| Duration::from_nanos(due.ns_since(now)).min(REST_MAX));
            std::thread::park_timeout(until_due);
        }
        lanes.awake();
    }
}

/// Lets messages gather: a wake-up per batch, and a write to the journal for it, would cost more
/// than the work on it.
#[expect(clippy::disallowed_methods, reason = "the pause that replaces a wake-up per batch")]
fn coalesce() {
    std::thread::sleep(Duration::from_millis(2));
}

fn offset(at: At) -> i64 {
    at.wall.0.saturating_sub(i64::try_from(at.engine.0).unwrap_or(i64::MAX))
}

/// Repeats per record.
const REPEATS_MAX: usize = 4_096;
/// Alarms whose counts are told per second: under a storm of repeats each is told every few
/// seconds, and the engine never stops for long to tell them.
const COUNTS_MAX: usize = 4_096;
/// Wall-clock changes smaller than this are slewing, not steps, ns.
const STEP_NS_MIN: u64 = 500_000_000;
/// A round takes no further batches after that time, ns.
const ROUND_NS_MAX: u64 = 2_000_000;
/// Pulses of one round at most: messages wait meanwhile.
const PULSES_MAX: usize = 64;
/// Nor further pulses after that, ns.
const PULSES_NS_MAX: u64 = 1_000_000;
const PERIOD_NS: u64 = 1_000_000_000;
/// As long as there is no room, that is in the log again after so long, ns.
const FULL_TOLD_NS: u64 = 10_000_000_000;
const MARK_NS: u64 = 10_000_000_000;
/// Rounds without input before the sequencer parks instead of polling.
const PACE_ROUNDS: u32 = 5;
const REST_MAX: Duration = Duration::from_millis(100);
