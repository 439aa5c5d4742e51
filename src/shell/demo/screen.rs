//! The terminal: lines of plain text, coloured only where that was asked for.
//!
//! Texts that came over the network pass through [`plain`]: whatever could move the cursor, change
//! colours or turn the direction of writing becomes a dot.

use crate::engine::effect::{IncidentImage, TicketImage};
use crate::model::severity::Severity;
use crate::model::time::{NS_PER_S, Timestamp};
use smol_str::SmolStr;
use std::io::{self, Write};

/// What a line is about; decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Plain,
    Faint,
    Heading,
    Broken,
    Incident,
    Ticket,
    Good,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Faint => "\x1b[2m",
            Self::Heading => "\x1b[1m",
            Self::Broken => "\x1b[1;31m",
            Self::Incident => "\x1b[1;33m",
            Self::Ticket => "\x1b[1;36m",
            Self::Good => "\x1b[32m",
        }
    }
}

/// Writes lines.
pub(super) struct Screen<'o> {
    out: &'o mut dyn Write,
    color: bool,
}

impl<'o> Screen<'o> {
    pub(super) fn new(out: &'o mut dyn Write, color: bool) -> Self {
        Self { out, color }
    }

    /// A line without a time.
    pub(super) fn line(&mut self, tone: Tone, text: &str) -> io::Result<()> {
        let text = plain(text);
        let code = tone.code();
        if self.color && !code.is_empty() {
            writeln!(self.out, "{code}{text}\x1b[0m")?;
        } else {
            writeln!(self.out, "{text}")?;
        }
        self.out.flush()
    }

    /// A line that begins with a time of day and a word.
    pub(super) fn told(
        &mut self,
        at: Timestamp,
        (tone, word): (Tone, &str),
        text: &str,
    ) -> io::Result<()> {
        self.line(tone, &format!("{}  {word:<9} {text}", clock(at)))
    }

    /// A line below such a line.
    pub(super) fn below(&mut self, text: &str) -> io::Result<()> {
        self.line(Tone::Plain, &format!("{:19}  {text}", ""))
    }
}

/// The time of day, UTC.
pub(super) fn clock(at: Timestamp) -> String {
    let day_s = at.0.div_euclid(NS_PER_S).rem_euclid(86_400);
    hours(day_s)
}

/// Hours, minutes and seconds; a minus before what is over.
pub(super) fn hours(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.saturating_abs();
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Text that does nothing to a terminal but to be read, cut to a width.
pub(super) fn plain(text: &str) -> String {
    let mut shown: String =
        text.chars().take(WIDTH_MAX).map(|one| if is_plain(one) { one } else { '·' }).collect();
    if text.chars().nth(WIDTH_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn is_plain(one: char) -> bool {
    let turns_or_hides = matches!(
        one,
        '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    );
    !one.is_control() && !turns_or_hides
}

/// Severity as a column.
pub(super) fn severity(severity: Severity) -> String {
    format!("{:<8}", severity.as_str())
}

/// What an incident is, in one line.
pub(super) fn incident(image: &IncidentImage) -> String {
    let alarms = image.alarm_count;
    let noun = if alarms == 1 { "alarm" } else { "alarms" };
    format!("{}  root {}, explains {alarms} {noun}", image.id, image.root_resource)
}

/// What a ticket is, line by line.
pub(super) fn ticket(image: &TicketImage) -> [String; 2] {
    let whom = match (&image.customer, &image.contract) {
        (Some(customer), Some(contract)) => format!("{customer}, contract {contract}"),
        _ => "internal".to_owned(),
    };
    let what = match &image.nature {
        Some(nature) => affected(nature, &image.services),
        None => "no service of a contract is affected".to_owned(),
    };
    let first = format!("{}  {whom}: {what}", image.number);
    let second = format!(
        "{}, started {} UTC, {}",
        image.severity,
        clock(image.incident_started_at),
        gtr(image)
    );
    [first, second]
}

/// Services of a ticket that a line names.
const NAMED_SERVICES_MAX: usize = 5;

/// What has become of services, by the word of the API.
fn affected(nature: &str, services: &[SmolStr]) -> String {
    let (named, others) = services.split_at(services.len().min(NAMED_SERVICES_MAX));
    let services = match others.len() {
        0 => named.join(", "),
        others => format!("{} and {others} more", named.join(", ")),
    };
    match nature {
        "total-outage" => format!("total outage of {services}"),
        "backup-active" => format!("{services} on backup"),
        other => format!("{services} {}", other.replace('-', " ")),
    }
}

/// What has become of a ticket that was opened for less, or for more.
pub(super) fn other_nature(image: &TicketImage) -> String {
    let affected = affected(image.nature.as_deref().unwrap_or_default(), &image.services);
    let started = clock(image.incident_started_at);
    let (number, severity) = (&image.number, &image.severity);
    format!("{number}  now {affected}: {severity}, started {started} UTC as before")
}

/// The GTR clock as it is: since when it runs and when it will have run out, or why it does not.
fn gtr(image: &TicketImage) -> String {
    let (Some(target), Some(left)) = (image.gtr_target_s, image.remaining_s) else {
        return "no GTR (internal)".to_owned();
    };
    let (target, left) = (target / 3_600, hours(left));
    match image.breach_at {
        Some(at) => {
            let since = clock(image.gtr_started_at);
            format!("GTR {target} h since {since}: {left} left, breach at {}", clock(at))
        }
        None if image.nature.as_deref() == Some("backup-active") => {
            format!("GTR {target} h: {left} left, the clock stands while the backup carries it")
        }
        None => format!("GTR {target} h: {left} left, the clock stands"),
    }
}

/// Characters of one line at most.
const WIDTH_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(color: bool, text: &str) -> String {
        let mut out = Vec::new();
        Screen::new(&mut out, color).line(Tone::Good, text).expect("a Vec takes all");
        String::from_utf8(out).expect("UTF-8 in, UTF-8 out")
    }

    #[test]
    fn nothing_from_outside_reaches_the_terminal_raw() {
        let hostile = "a\x1b[31mb\x07c\r\nd\u{9b}2Je\u{202e}f\0\u{2028}é";
        assert_eq!(shown(false, hostile), "a·[31mb·c··d·2Je·f··é\n");
        assert_eq!(shown(true, "\x1b]0;x\x07"), "\x1b[32m·]0;x·\x1b[0m\n");
        assert_eq!(plain(&"é".repeat(500)).chars().count(), WIDTH_MAX + 1);
    }

    #[test]
    fn colours_only_when_asked_for() {
        assert_eq!(shown(false, "fine"), "fine\n");
        assert_eq!(shown(true, "fine"), "\x1b[32mfine\x1b[0m\n");
    }

    #[test]
    fn services_are_named_as_people_name_them() {
        let two = ["app-1", "app-2"].map(SmolStr::from);
        assert_eq!(affected("total-outage", &two), "total outage of app-1, app-2");
        assert_eq!(affected("degraded", &two[..1]), "app-1 degraded");
        assert_eq!(affected("backup-active", &two[..1]), "app-1 on backup");
    }

    #[test]
    fn times_of_day_and_durations() {
        assert_eq!(clock(Timestamp(1_795_502_400_123_456_789)), "06:40:00");
        assert_eq!(hours(14_398), "03:59:58");
        assert_eq!(hours(-61), "-00:01:01");
    }
}
