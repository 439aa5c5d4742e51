//! Series that mean one alarm by one rule: cores of a processor without a qualifier, two collectors
//! that measure the same. The alarm stands as the worst of them does.
//!
//! In: what each brings. Out: what is held against the bands, or nothing while another stands
//! worse. One leads: what it brings counts. Another leads when it stands as bad or worse, and the
//! worst when the one that led gets better, or sends nothing for as long as its rule calls silence.
//!
//! A series that means its alarm alone needs none of this. It leads when a second one comes, with
//! what it brought last.

use crate::classify::News;
use crate::model::severity::Severity;
use crate::model::threshold::ThresholdRule;
use crate::model::time::Timestamp;
use crate::shell::series::standing::Standing;

/// Those that do not lead are kept up to so many; of more the next sample of each counts.
const OTHERS_MAX: usize = 64;

/// The series of one alarm by one rule.
#[derive(Default)]
pub(super) struct Peers {
    /// Where the alarm stands.
    pub(super) standing: Standing,
    /// Time of the newest sample of them all.
    newest: Timestamp,
    /// Time of the last that was held against the bands.
    led: Timestamp,
    leader: Option<Member>,
    others: Vec<Member>,
}

/// One of them, and what it brought last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// Which series, by its place. Another that takes the place of one that is gone has nothing to
    /// do with it; its first sample takes the place of what that one brought.
    pub(super) series: u32,
    /// Second in which it was heard.
    pub(super) heard_s: u32,
    /// What it brought.
    pub(super) news: News,
}

impl Peers {
    /// Those of an alarm that one meant alone until now.
    pub(super) fn led_by(leader: Option<Member>, standing: Standing, newest: Timestamp) -> Self {
        Self { standing, newest, led: newest, leader, others: Vec::new() }
    }

    /// Notes the time of a sample, whoever leads. Time does not go back for the alarm.
    pub(super) fn note(&mut self, sampled_at: Timestamp) {
        self.newest = self.newest.max(sampled_at);
    }

    /// The time that what is held against the bands counts with. What is new is later than all
    /// before, however the clocks of its senders differ.
    pub(super) fn lead(&mut self, is_new: bool) -> Timestamp {
        if is_new {
            self.led = self.newest.max(self.led.plus_ns(1));
        }
        self.led
    }

    /// Takes what a series brings; gives what is to be held against the bands, if anything, and
    /// whether that is what it brings and not what another brought before.
    pub(super) fn take(
        &mut self,
        member: Member,
        rule: &ThresholdRule,
        silent_after_s: u32,
    ) -> Option<(News, bool)> {
        let is_it = |one: &Member| one.series == member.series;
        if self.others.is_empty() && self.leader.as_ref().is_none_or(is_it) {
            self.leader = Some(member);
            return Some((member.news, true));
        }
        let is_heard = |one: &Member| one.is_heard(member.heard_s, silent_after_s);
        self.others.retain(|one| !is_it(one) && is_heard(one));
        let rank = worst(rule, member.news);
        match self.leader {
            Some(leader) if !is_it(&leader) && is_heard(&leader) => {
                if is_alike(rule, member.news, leader.news) {
                    // Whoever comes shows that it is still so.
                    self.keep(leader);
                    self.leader = Some(member);
                    return Some((member.news, true));
                }
                if rank <= worst(rule, leader.news) {
                    self.keep(member);
                    return None;
                }
                self.keep(leader);
            }
            Some(leader) if is_it(&leader) => {}
            // Whoever led says nothing any more: where the alarm stands is told anew.
            _ => self.standing.forget(),
        }
        let others = self.others.iter().enumerate();
        let worse = others.max_by_key(|(_, one)| worst(rule, one.news)).map(|(at, _)| at);
        let worse =
            worse.filter(|at| self.others.get(*at).is_some_and(|one| worst(rule, one.news) > rank));
        let leader = match worse {
            None => member,
            Some(at) => {
                let leader = self.others.swap_remove(at);
                self.keep(member);
                leader
            }
        };
        self.leader = Some(leader);
        Some((leader.news, is_it(&leader)))
    }

    /// A series sends nothing any more; whether others still tell of the alarm. When none does,
    /// whoever comes next tells anew where it stands.
    pub(super) fn leave(&mut self, series: u32, now_s: u32, silent_after_s: u32) -> bool {
        let is_left = |one: &Member| one.series != series && one.is_heard(now_s, silent_after_s);
        self.others.retain(is_left);
        self.leader = self.leader.filter(is_left);
        let is_anyone_left = self.leader.is_some() || !self.others.is_empty();
        if !is_anyone_left {
            self.standing.forget();
        }
        is_anyone_left
    }

    fn keep(&mut self, member: Member) {
        if self.others.len() < OTHERS_MAX {
            self.others.push(member);
        }
    }
}

impl Member {
    fn is_heard(&self, now_s: u32, silent_after_s: u32) -> bool {
        self.heard_s.saturating_add(silent_after_s) > now_s
    }
}

/// Whether two are in the same bands, and would keep the same.
fn is_alike(rule: &ThresholdRule, one: News, other: News) -> bool {
    let Some((one, other)) = one.compared().zip(other.compared()) else { return false };
    rule.bands.iter().all(|band| {
        band.is_entered_by(one) == band.is_entered_by(other)
            && band.is_held_by(one) == band.is_held_by(other)
    })
}

/// How bad it is: the worst band that is entered, then the worst that would be held.
fn worst(rule: &ThresholdRule, news: News) -> (Option<Severity>, Option<Severity>) {
    let Some(number) = news.compared() else { return (None, None) };
    let entered = rule.bands.iter().filter(|band| band.is_entered_by(number));
    let held = rule.bands.iter().filter(|band| band.is_held_by(number));
    (entered.map(|band| band.severity).max(), held.map(|band| band.severity).max())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::threshold::{Band, Cut, Extent};

    const SILENT_S: u32 = 60;

    fn rule() -> ThresholdRule {
        let band = |severity, raise, clear| Band {
            severity,
            extent: Extent::Above {
                raise: Cut::above(raise).expect("finite"),
                clear: Cut::below(clear).expect("finite"),
            },
            for_ms: 0,
            samples: 1,
        };
        ThresholdRule {
            name: "r".to_owned(),
            alarm_type: "t".to_owned(),
            bands: vec![band(Severity::Minor, 70.0, 60.0), band(Severity::Major, 90.0, 80.0)],
            absent_alarm_type: String::new(),
            absent_severity: Severity::Minor,
        }
    }

    fn take(peers: &mut Peers, series: u32, heard_s: u32, value: f64) -> Option<f64> {
        let member = Member { series, heard_s, news: News::Value(value) };
        peers.take(member, &rule(), SILENT_S).and_then(|(news, _)| news.compared())
    }

    #[test]
    fn one_alone_counts_always_and_of_several_the_worst() {
        let mut peers = Peers::default();
        assert_eq!(take(&mut peers, 1, 1, 95.0), Some(95.0));
        assert_eq!(take(&mut peers, 2, 2, 20.0), None, "the first stands worse");
        assert_eq!(take(&mut peers, 1, 3, 96.0), Some(96.0));
        assert_eq!(take(&mut peers, 2, 4, 75.0), None);
        assert_eq!(take(&mut peers, 1, 5, 30.0), Some(75.0), "the other is the worst now");
        assert_eq!(take(&mut peers, 1, 6, 40.0), None);
        assert_eq!(take(&mut peers, 3, 7, 95.0), Some(95.0), "a third stands worse");
        assert_eq!(take(&mut peers, 3, 8, 10.0), Some(75.0));
        assert_eq!(take(&mut peers, 2, 9, 10.0), Some(10.0), "all is well");
    }

    #[test]
    fn whoever_stands_as_bad_shows_that_it_lasts_and_nobody_for_another() {
        let mut peers = Peers::default();
        let mut own = |series, value| {
            let member = Member { series, heard_s: 1, news: News::Value(value) };
            peers.take(member, &rule(), SILENT_S).map(|(_, is_own)| is_own)
        };
        assert_eq!(own(1, 95.0), Some(true));
        assert_eq!(own(2, 99.0), Some(true), "in the same bands");
        assert_eq!(own(3, 85.0), None, "would keep a band, but is not in it");
        assert_eq!(own(2, 10.0), Some(false), "what the first one brought");
        assert_eq!(own(1, 92.0), Some(true));
    }

    #[test]
    fn clocks_that_differ_do_not_stop_the_time_of_the_alarm() {
        let mut peers = Peers::default();
        peers.note(Timestamp(100));
        let first = peers.lead(true);
        peers.note(Timestamp(40));
        let second = peers.lead(true);
        assert!(first >= Timestamp(100) && second > first);
        assert_eq!(peers.lead(false), second, "nothing new");
    }

    #[test]
    fn what_says_nothing_any_more_leads_no_longer() {
        let mut peers = Peers::default();
        assert_eq!(take(&mut peers, 1, 1, 95.0), Some(95.0));
        assert_eq!(take(&mut peers, 2, 2, 20.0), None);
        assert_eq!(take(&mut peers, 2, 60, 20.0), None);
        assert_eq!(take(&mut peers, 2, 62, 20.0), Some(20.0));
        assert!(peers.leave(1, 62, SILENT_S), "the other goes on");
        assert!(!peers.leave(2, 90, SILENT_S), "it was the last");
        assert_eq!(take(&mut peers, 1, 91, 20.0), Some(20.0));
    }

    #[test]
    fn very_many_are_told_apart_sooner_or_later() {
        let mut peers = Peers::default();
        for series in 0..1_000 {
            let told = take(&mut peers, series, 1, 10.0);
            assert_eq!(told, Some(10.0), "each is as well as the one that leads");
        }
        assert_eq!(peers.others.len(), OTHERS_MAX);
        assert_eq!(take(&mut peers, 999, 2, 95.0), Some(95.0));
    }
}
