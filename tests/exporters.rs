//! Which rules of the library meet which series of real exporters: every file of
//! `tests/exporters`, series by series, against the `.expected` file beside it (`UPDATE_EXPECT=1`
//! rewrites those), with the severity that its value means where a rule compares values as they
//! are. And the other way round: no rule looks at what none of them exports.
//!
//! `.prom` is the text format of Prometheus, `.lp` line protocol as Telegraf writes it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vigie::classify::{Classifier, Directory, Quantity, RuleSource, Side, compile, library};
use vigie::decode::metrics::line_protocol::{self, Precision};
use vigie::model::inventory::Inventory;
use vigie::model::sample::{Labels, METRIC_NAME, Reading, Rejection, Sample, Samples, SeriesKind};
use vigie::model::severity::Severity;

/// Who scrapes: the device of a series that names none.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 90));

/// A series with its labels, its name among them, and the value of its sample.
#[derive(Default)]
struct Series {
    labels: Vec<(String, String)>,
    value: f64,
}

/// A rule that looks at a series.
struct Met {
    rule: String,
    side: Side,
    /// Resource, alarm type and qualifier.
    alarm: String,
}

/// Writes the series of a body down.
#[derive(Default)]
struct Seen(Vec<Series>);

impl Samples for Seen {
    fn series(&mut self, labels: &Labels<'_>, _: SeriesKind) {
        let owned = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.0.push(Series { labels: owned.collect(), value: f64::NAN });
    }

    fn sample(&mut self, sample: Sample) {
        if let (Some(series), Reading::Number(value)) = (self.0.last_mut(), sample.reading) {
            series.value = value;
        }
    }

    fn rejected(&mut self, rejection: &Rejection<'_>) {
        panic!("{rejection:?}");
    }
}

fn classifier() -> Classifier {
    let sources: Vec<RuleSource<'_>> = library::sources().collect();
    let rules = compile(&sources).expect("the shipped rules compile");
    let directory = Directory::build(&Inventory::default(), &|_| None);
    Classifier::new(Arc::new(rules), Arc::new(directory), 1)
}

impl Series {
    fn read(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The rules that look at a series, each with the alarm that it means.
fn met(classifier: &Classifier, series: &Series) -> Vec<Met> {
    let read = |name: &str| series.read(name);
    let metric = series.read(METRIC_NAME).expect("every series has a name");
    let hits = classifier.resolve_series(metric, &read, PEER);
    hits.iter()
        .map(|hit| {
            let rule = classifier.metric_rule(hit.rule).expect("a rule of this classifier");
            let mut alarm = hit.device().to_owned();
            if !hit.component().is_empty() {
                let _ = write!(alarm, "/{}", hit.component());
            }
            let _ = write!(alarm, " {}", rule.threshold.alarm_type);
            if !hit.qualifier().is_empty() {
                let _ = write!(alarm, " ({})", hit.qualifier());
            }
            Met { rule: rule.name().to_owned(), side: hit.side, alarm }
        })
        .collect()
}

/// What the value means to a rule that compares values, or ratios of values, as they are: the
/// worst severity whose band it is in.
fn severity(classifier: &Classifier, (all, series): (&[Series], &Series), met_by: &Met) -> String {
    let read = |name: &str| series.read(name);
    let metric = series.read(METRIC_NAME).expect("every series has a name");
    let hits = classifier.resolve_series(metric, &read, PEER);
    let rules = hits.iter().filter_map(|hit| classifier.metric_rule(hit.rule));
    let rule = rules.into_iter().find(|rule| rule.name() == met_by.rule).expect("it met the rule");
    let divisor = match rule.computation.divisor {
        None => Some(1.0),
        Some(Quantity::Value) => all.iter().find_map(|other| {
            let is_it = |one: &Met| {
                one.side == Side::Divisor && one.rule == met_by.rule && one.alarm == met_by.alarm
            };
            met(classifier, other).iter().any(is_it).then_some(other.value)
        }),
        Some(Quantity::Rate | Quantity::Delta) => None,
    };
    let is_plain = met_by.side == Side::Measured && rule.computation.quantity == Quantity::Value;
    let Some(divisor) = divisor.filter(|_| is_plain) else { return String::new() };
    let value = series.value / divisor * rule.computation.scale;
    let entered = rule.threshold.bands.iter().filter(|band| band.is_entered_by(value));
    let worst = entered.map(|band| band.severity).max();
    format!(", {value:.4} is {}", worst.map_or("normal", Severity::as_str))
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exporters");
    let entries = std::fs::read_dir(folder).expect("tests/exporters is part of the project");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it != "expected")).collect();
    paths.sort();
    paths
}

fn series_of(path: &Path) -> Vec<Series> {
    let text = std::fs::read_to_string(path).expect("a text");
    if path.extension().is_some_and(|it| it == "lp") {
        let mut seen = Seen::default();
        line_protocol::decode(text.as_bytes(), Precision::Nanosecond, &mut seen);
        return seen.0;
    }
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| exposed(line).unwrap_or_else(|| panic!("no series: {line}"))).collect()
}

/// `name{label="value",…} number`, with an instance as a scrape adds it where nothing names one.
fn exposed(line: &str) -> Option<Series> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut found = vec![(METRIC_NAME.to_owned(), name.to_owned())];
    let mut rest = labels.strip_suffix('}')?;
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        found.push((label.to_owned(), value.to_owned()));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    let names_device =
        |(label, _): &(String, String)| ["target", "source", "host.name"].contains(&&**label);
    if !found.iter().any(names_device) {
        found.push(("instance".to_owned(), "srv-1:9100".to_owned()));
    }
    Some(Series { labels: found, value: value.parse().ok()? })
}

/// Name and labels of a series, in one line.
fn shown(series: &Series) -> String {
    let labels = series.labels.iter().filter(|(name, _)| name != METRIC_NAME && name != "instance");
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value:?}")).collect();
    let name = series.read(METRIC_NAME).unwrap_or_default();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

#[test]
fn each_series_meets_the_rules_that_are_meant_for_it() {
    let classifier = classifier();
    for path in files() {
        let mut said = String::new();
        let all = series_of(&path);
        for series in &all {
            let _ = writeln!(said, "{}", shown(series));
            for one in met(&classifier, series) {
                let severity = severity(&classifier, (&all, series), &one);
                let _ = writeln!(said, "    {}: {}{severity}", one.rule, one.alarm);
            }
        }
        let mut expected = path.clone().into_os_string();
        expected.push(".expected");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, &said).expect("the expected text can be written");
        }
        let wanted = std::fs::read_to_string(&expected)
            .unwrap_or_else(|error| panic!("{}: {error}", Path::new(&expected).display()));
        assert_eq!(said, wanted, "{}", path.display());
    }
}

#[test]
fn no_rule_looks_at_what_nobody_exports() {
    let classifier = classifier();
    let series = files().into_iter().flat_map(|path| series_of(&path));
    let met: BTreeSet<String> =
        series.flat_map(|series| met(&classifier, &series)).map(|one| one.rule).collect();
    let texts = library::FILES.iter().filter(|(file, _)| file.starts_with("metrics-"));
    let mut unmet = Vec::new();
    for (file, text) in texts {
        let lines = text.lines().filter_map(|line| line.strip_prefix("name = \""));
        let names = lines.filter_map(|line| line.strip_suffix('"'));
        unmet.extend(names.filter(|name| !met.contains(*name)).map(|name| (file, name)));
    }
    assert!(unmet.is_empty(), "no series in tests/exporters meets {unmet:?}");
}
