//! Reads what `/metrics` says, and checks the ledger: received = journaled + ignored + shed.

use std::collections::BTreeSet;

/// One scrape.
#[derive(Debug)]
pub(crate) struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Reads the text exposition format.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let samples = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| sample(line).ok_or_else(|| format!("no sample: {line}")))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { samples })
    }

    /// Whether a metric of that name was exposed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| sample.name == name)
    }

    /// Sum over the series of a metric that carry all of these labels. 0 if there is none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples
            .iter()
            .filter(|sample| sample.name == name && labels.iter().all(|label| sample.has(*label)))
            .map(|sample| sample.value)
            .sum()
    }

    /// The ledger of every listener, as an error where it does not add up.
    pub(crate) fn ledger(&self) -> Result<(), String> {
        for listener in self.listeners() {
            let labels = [("listener", listener.as_str())];
            let received = self.sum("vigie_received_total", &labels);
            let journaled = self.sum("vigie_journaled_total", &labels);
            let ignored = self.sum("vigie_ignored_total", &labels);
            let shed = self.sum("vigie_shed_total", &labels);
            if (received - (journaled + ignored + shed)).abs() > 0.5 {
                return Err(format!(
                    "{listener}: received {received} is not journaled {journaled} \
                     + ignored {ignored} + shed {shed}"
                ));
            }
        }
        Ok(())
    }

    fn listeners(&self) -> BTreeSet<String> {
        self.samples
            .iter()
            .filter(|sample| sample.name == "vigie_received_total")
            .flat_map(|sample| &sample.labels)
            .filter(|(name, _)| name == "listener")
            .map(|(_, value)| value.clone())
            .collect()
    }
}

impl Sample {
    fn has(&self, (name, value): (&str, &str)) -> bool {
        self.labels.iter().any(|(own, other)| own == name && other == value)
    }
}

/// `name{label="value",…} number`. Label values here hold neither quotes nor commas.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels
        .strip_suffix('}')?
        .split(',')
        .filter(|label| !label.is_empty())
        .map(|label| {
            let (name, value) = label.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

#[test]
fn a_ledger_that_does_not_add_up_is_named() {
    let text = "# HELP vigie_received_total Messages.\n\
        vigie_received_total{listener=\"traps\"} 5\n\
        vigie_journaled_total{listener=\"traps\"} 2\n\
        vigie_ignored_total{listener=\"traps\",reason=\"empty\"} 1\n\
        vigie_ignored_total{listener=\"traps\",reason=\"no_rule\"} 1\n";
    let metrics = Metrics::parse(text).unwrap();
    assert!(metrics.ledger().unwrap_err().starts_with("traps: received 5 is not journaled 2"));
    assert!(metrics.has("vigie_ignored_total") && !metrics.has("vigie_shed_total"));
    let text = format!("{text}vigie_shed_total{{listener=\"traps\",lane=\"low\"}} 1\n");
    Metrics::parse(&text).unwrap().ledger().unwrap();
}
