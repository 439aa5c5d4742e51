//! What time does to series, once a second: silence is told, what is idle is forgotten, and a
//! sender with too many series becomes an alarm.
//!
//! When a sender as a whole says nothing any more, that is one event about the sender and none
//! about its series: nothing is known of them, for better or worse.

use crate::classify::{Classifier, Hit, LabelMap, News, Origin};
use crate::model::event::{Channel, Event, Verb};
use crate::model::severity::Severity;
use crate::shell::self_alarm::SERIES_EXPLOSION;
use crate::shell::series::matched::Matched;
use crate::shell::series::senders::Sender;
use crate::shell::series::shard::Place;
use crate::shell::series::{Core, SeriesIntake};
use crate::shell::submission::{Sent, Submission};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Alarm type of a sender of samples that says nothing any more.
pub(super) const COLLECTOR_SILENT: &str = "collector-silent";
/// Silences told in one sweep; the next one goes on.
const SILENCES_MAX: usize = 4_096;
/// Seconds between two looks for what no series shares any more.
const SHARES_SWEPT_EVERY_S: u32 = 60;
/// Seconds after which what was learnt of series is written down.
const SAVED_EVERY_S: u32 = 3_600;
/// A sweep that comes so many seconds after the one before comes late.
const STALLED_S: u32 = 15;
/// Time between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What a sweep told; it may not be durable yet.
pub(super) struct Swept {
    sent: Sent,
    series: Vec<(Place, u8)>,
    senders: Vec<Arc<Sender>>,
}

/// A series that fell silent.
struct Silence {
    place: Place,
    peer: IpAddr,
    classifier: Arc<Classifier>,
    tracks: Vec<(u8, Hit)>,
}

impl SeriesIntake {
    /// Sweeps until it is told to stop.
    pub async fn watch(self: Arc<Self>) {
        let mut beat = tokio::time::interval(SWEEP_EVERY);
        let (mut swept_s, mut save_s) = (0, SAVED_EVERY_S);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = self.stop.requested() => return,
            }
            let intake = Arc::clone(&self);
            let before_s = swept_s;
            swept_s = self.core.second(self.core.way.clock.now());
            let work = move || {
                intake.core.excuse_after_stall(before_s, swept_s);
                intake.sweep(swept_s)
            };
            // An error means that the runtime ends.
            let Ok(swept) = tokio::task::spawn_blocking(work).await else { return };
            swept.settle(&self.core).await;
            if swept_s < save_s {
                continue;
            }
            save_s = swept_s.saturating_add(SAVED_EVERY_S);
            let intake = Arc::clone(&self);
            let save = move || intake.save_baselines();
            let Ok(()) = tokio::task::spawn_blocking(save).await else { return };
        }
    }

    /// Writes down what was learnt of series.
    pub fn save_baselines(&self) {
        self.core.baselines.save(self.core.way.clock.at().wall);
    }

    pub(super) fn sweep(&self, now_s: u32) -> Swept {
        let senders = self.core.senders.list();
        let mut silences = Vec::new();
        let mut silent_senders = Vec::new();
        self.core.table.sweep(now_s, &senders, |place, sender, matched: &mut Matched| {
            let sender = usize::try_from(sender).ok().and_then(|at| senders.get(at));
            let Some(sender) = sender.filter(|_| silences.len() < SILENCES_MAX) else { return };
            let fallen = matched.fall_silent(place, now_s, sender);
            if fallen.is_sender && sender.has_fallen_silent() {
                silent_senders.push(Arc::clone(sender));
            }
            if !fallen.tracks.is_empty() {
                let (peer, tracks) = (sender.peer(), fallen.tracks);
                let classifier = Arc::clone(&matched.classifier);
                silences.push(Silence { place, peer, classifier, tracks });
            }
        });
        if now_s.is_multiple_of(SHARES_SWEPT_EVERY_S) {
            self.core.pairs.sweep();
            self.core.table.sweep_alarms();
        }
        self.watch_explosions(now_s, &senders);
        self.core.tell_silence(silences, silent_senders)
    }

    /// Raises the alarm about senders with too many series; it expires by itself.
    fn watch_explosions(&self, now_s: u32, senders: &[Arc<Sender>]) {
        for sender in senders.iter().filter(|sender| sender.is_to_be_blamed(now_s)) {
            let (name, series) = (sender.name.to_string(), sender.series());
            tracing::error!(sender = name, series, "new series are refused: there are too many");
            let text = format!("{name} has {series} series here; new ones are refused");
            self.own.raise(SERIES_EXPLOSION, &name, &text);
        }
    }
}

impl Core {
    /// The machine slept, or was too busy to sweep: what was not heard meanwhile is not silent.
    pub(super) fn excuse_after_stall(&self, before_s: u32, now_s: u32) {
        let stalled_s = now_s.saturating_sub(before_s);
        if before_s > 0 && stalled_s > STALLED_S {
            tracing::warn!(
                stalled_s,
                "nothing was heard for a while: no series is silent for that"
            );
            self.senders.excuse_all(now_s);
        }
    }

    fn tell_silence(&self, silences: Vec<Silence>, senders: Vec<Arc<Sender>>) -> Swept {
        let arrived = self.way.clock.at();
        let mut submission = Submission::new(&self.way);
        let mut line = String::new();
        let mut series = Vec::new();
        for silence in silences {
            for (track, hit) in &silence.tracks {
                let peer = silence.peer;
                let origin = Origin { peer, listener: self.listener, arrived };
                let when = (&origin, None);
                let classifier = &silence.classifier;
                if let Some(event) = classifier.series_event(hit, News::Silent, when, &mut line) {
                    submission.push(&event);
                }
                series.push((silence.place, *track));
            }
        }
        for sender in &senders {
            tracing::error!(sender = %sender.name, "a sender of samples fell silent");
            let text = "sends no samples any more: nothing is known of what it measures";
            self.push_about_sender(sender, Verb::Silent, text, &mut submission);
        }
        Swept { sent: submission.finish(), series, senders }
    }

    /// An event about a sender itself.
    pub(super) fn push_about_sender(
        &self,
        sender: &Sender,
        verb: Verb,
        text: &str,
        submission: &mut Submission<'_>,
    ) {
        let classifier = self.classifier.load();
        let nameless = LabelMap::default();
        let read = |label: &str| sender.device_label(label);
        let target = nameless.target(&read, classifier.directory(), sender.peer());
        submission.push(&Event {
            severity: Severity::Minor,
            listener: self.listener,
            epoch: classifier.epoch(),
            peer: sender.peer(),
            is_known: target.is_known,
            device: &target.device,
            alarm_type: COLLECTOR_SILENT,
            text,
            ..Event::new(verb, Channel::Metric, self.way.clock.at())
        });
    }
}

impl Swept {
    /// Waits for the disk; what is not there is told by the next sweep.
    pub(super) async fn settle(self, core: &Core) {
        if self.sent.wait_for_disk().await {
            return;
        }
        for (place, track) in self.series {
            let _ = core.table.with(place, |matched| matched.unsay_silence(track));
        }
        for sender in self.senders {
            sender.unsay_silence();
        }
    }
}
