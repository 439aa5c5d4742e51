//! How long the rounds of the engine take, and what held up those that took long: its own work,
//! memory that was not there yet, or others on its processor.

use crate::shell::clock;
use crate::shell::observe::limiter::Limiter;
use hdrhistogram::Histogram;
use std::time::Duration;

/// The rounds since the start, watched by the thread that makes them.
pub struct RoundWatch {
    passed_us: Histogram<u64>,
    worked_us: Histogram<u64>,
    /// The longest round that is worth a line in the log and has not been told yet.
    longest: Option<Round>,
    limiter: Limiter,
}

/// A round under way.
#[derive(Clone, Copy)]
pub struct Running {
    begun_ns: u64,
    worked_ns: u64,
    usage: Usage,
    part_begun_ns: u64,
    parts_ns: [u64; Part::ALL.len()],
}

/// The parts of a round, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// What operators said, new settings, changes of the clock.
    Controls,
    /// What was due.
    Deadlines,
    /// Messages from the lanes.
    Messages,
    /// Counts, gauges and marks.
    Periodic,
    /// Writing to the journal, and handing over what was decided.
    Commit,
}

/// A round that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Round {
    passed_ns: u64,
    worked_ns: u64,
    usage: Usage,
    /// The part that took longest, and how long, ns.
    longest_part: (Part, u64),
    inputs: usize,
}

/// What the kernel counts of a thread: differences between two looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Usage {
    /// Pages that it touched first, or that were copied for it.
    page_faults: u64,
    /// Pages that had to be read from a disk.
    disk_faults: u64,
    /// How often it waited for something.
    waits: u64,
    /// How often another was let run in its place.
    preemptions: u64,
}

/// The longest among a share of the rounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoundFigure {
    /// Share of the rounds, 0 to 1, as the label says it.
    pub share: &'static str,
    /// From beginning to end.
    pub passed: Duration,
    /// Without the time that other threads and programs had the processor.
    pub worked: Duration,
}

impl Default for RoundWatch {
    fn default() -> Self {
        let empty = || Histogram::new(2).expect("two significant figures are allowed");
        Self { passed_us: empty(), worked_us: empty(), longest: None, limiter: Limiter::default() }
    }
}

impl RoundWatch {
    /// The round has ended, and took so many inputs.
    pub fn end(&mut self, round: Running, inputs: usize) {
        let parts = Part::ALL.into_iter().zip(round.parts_ns);
        self.note(Round {
            passed_ns: clock::boot_ns().saturating_sub(round.begun_ns),
            worked_ns: clock::worked_ns().saturating_sub(round.worked_ns),
            usage: Usage::of_this_thread().since(round.usage),
            longest_part: parts.max_by_key(|(_, ns)| *ns).unwrap_or((Part::Controls, 0)),
            inputs,
        });
    }

    fn note(&mut self, round: Round) {
        // They resize themselves, so that no value is out of range.
        let _ = self.passed_us.record((round.passed_ns / 1_000).max(1));
        let _ = self.worked_us.record((round.worked_ns / 1_000).max(1));
        if round.is_long() && self.longest.is_none_or(|known| known.weight() < round.weight()) {
            self.longest = Some(round);
        }
    }

    /// The figures since the start; called about once a second, when a long round is told too.
    pub fn figures(&mut self) -> Vec<RoundFigure> {
        self.tell();
        let micros = |recorded: &Histogram<u64>, quantile| {
            Duration::from_micros(recorded.value_at_quantile(quantile))
        };
        SHARES
            .map(|(share, quantile)| RoundFigure {
                share,
                passed: micros(&self.passed_us, quantile),
                worked: micros(&self.worked_us, quantile),
            })
            .to_vec()
    }

    fn tell(&mut self) {
        let Some(round) = self.longest.take() else { return };
        let Some(untold) = self.limiter.pass(clock::boot_ns()) else { return };
        let (part, part_ns) = round.longest_part;
        tracing::warn!(
            passed_ms = round.passed_ns / 1_000_000,
            worked_ms = round.worked_ns / 1_000_000,
            longest_part = part.as_str(),
            part_ms = part_ns / 1_000_000,
            page_faults = round.usage.page_faults,
            disk_faults = round.usage.disk_faults,
            waits = round.usage.waits,
            preemptions = round.usage.preemptions,
            inputs = round.inputs,
            untold,
            "the engine was long at one round, and messages waited: worked_ms it worked itself, \
             in the rest of passed_ms it waited, or others had its processor"
        );
    }
}

impl Running {
    /// A round begins.
    #[must_use]
    pub fn begin() -> Self {
        let now_ns = clock::boot_ns();
        Self {
            begun_ns: now_ns,
            worked_ns: clock::worked_ns(),
            usage: Usage::of_this_thread(),
            part_begun_ns: now_ns,
            parts_ns: Default::default(),
        }
    }

    /// A part of it is over.
    pub fn done(&mut self, part: Part) {
        let now_ns = clock::boot_ns();
        let took_ns = now_ns.saturating_sub(self.part_begun_ns);
        self.part_begun_ns = now_ns;
        let place = Part::ALL.iter().position(|one| *one == part);
        if let Some(sum) = place.and_then(|place| self.parts_ns.get_mut(place)) {
            *sum = sum.saturating_add(took_ns);
        }
    }
}

impl Part {
    const ALL: [Self; 5] =
        [Self::Controls, Self::Deadlines, Self::Messages, Self::Periodic, Self::Commit];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Controls => "commands and settings",
            Self::Deadlines => "what was due",
            Self::Messages => "messages",
            Self::Periodic => "counts and marks",
            Self::Commit => "writing the journal",
        }
    }
}

impl Round {
    /// Whether it is worth a line.
    fn is_long(&self) -> bool {
        self.worked_ns > WORKED_NS_MAX || self.passed_ns > PASSED_NS_MAX
    }

    /// What the engine did itself counts first.
    fn weight(&self) -> (bool, u64) {
        (self.worked_ns > WORKED_NS_MAX, self.passed_ns)
    }
}

impl Usage {
    #[expect(unsafe_code, reason = "getrusage fills a local struct; no std function reads it")]
    fn of_this_thread() -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the struct is valid for the whole call, and all zeroes are a value of it.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        let count = |value| u64::try_from(value).unwrap_or(0);
        Self {
            page_faults: count(usage.ru_minflt),
            disk_faults: count(usage.ru_majflt),
            waits: count(usage.ru_nvcsw),
            preemptions: count(usage.ru_nivcsw),
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            page_faults: self.page_faults.saturating_sub(earlier.page_faults),
            disk_faults: self.disk_faults.saturating_sub(earlier.disk_faults),
            waits: self.waits.saturating_sub(earlier.waits),
            preemptions: self.preemptions.saturating_sub(earlier.preemptions),
        }
    }
}

/// Own work of a round that is worth a line, ns.
const WORKED_NS_MAX: u64 = 10_000_000;
/// Length of a round that is, ns: on a machine that is busy, others run in between.
const PASSED_NS_MAX: u64 = 50_000_000;
/// Shares that are told, as labels and as numbers.
const SHARES: [(&str, f64); 4] = [("0.5", 0.5), ("0.99", 0.99), ("0.999", 0.999), ("1", 1.0)];

#[cfg(test)]
mod tests {
    use super::*;

    fn round(passed_ms: u64, worked_ms: u64) -> Round {
        Round {
            passed_ns: passed_ms * 1_000_000,
            worked_ns: worked_ms * 1_000_000,
            usage: Usage::default(),
            longest_part: (Part::Messages, worked_ms * 1_000_000),
            inputs: 1,
        }
    }

    #[test]
    fn the_longest_is_kept_and_own_work_counts_before_waiting() {
        let mut watch = RoundWatch::default();
        watch.note(round(40, 9));
        assert_eq!(watch.longest, None, "a busy machine");
        for (passed, worked) in [(60, 1), (80, 2), (12, 11), (90, 3)] {
            watch.note(round(passed, worked));
        }
        assert_eq!(watch.longest, Some(round(12, 11)));
        let figures = watch.figures();
        let longest = figures.last().expect("the share of all");
        assert_eq!(longest.share, "1");
        assert!(longest.passed >= Duration::from_millis(90), "{longest:?}");
        assert!(longest.worked >= Duration::from_millis(11), "{longest:?}");
        assert_eq!(watch.longest, None, "it is told once");
    }

    #[test]
    fn what_the_kernel_counts_is_the_difference() {
        let mut round = Running::begin();
        round.done(Part::Controls);
        let touched = vec![1_u8; 64 << 20];
        assert!(touched.iter().all(|octet| *octet == 1));
        round.done(Part::Messages);
        let [controls, _, messages, ..] = round.parts_ns;
        assert!(messages > controls, "{messages} and {controls} ns");
        let since = Usage::of_this_thread().since(round.usage);
        assert!(since.page_faults > 0, "{since:?}");
    }
}
