//! Every metric that vigie exports: name, meaning, labels. Filled at each scrape from the counters
//! that the stages keep, so that no stage pays for a metric.

use crate::model::severity::Severity;
use crate::shell::intake::kafka::SourceStatus;
use crate::shell::intake::udp::UdpWatch;
use crate::shell::observe::counters::{HttpCounters, ListenerCounters};
use crate::shell::outbox::OutboxStatus;
use crate::shell::publish::feed::FeedCounters;
use crate::shell::publish::publisher::PublisherStatus;
use crate::shell::series::SeriesIntake;
use crate::shell::shared::Shared;
use crate::shell::store::thread::StoreStatus;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where the figures of `/metrics` come from.
pub struct Figures {
    /// Ledgers by listener name, of those that take messages in.
    pub listeners: Vec<(String, Arc<ListenerCounters>)>,
    /// Refusals by name of an HTTP listener.
    pub http: Vec<(String, Arc<HttpCounters>)>,
    /// The sequencer's gauges.
    pub shared: Arc<Shared>,
    /// The outbox's latencies.
    pub outbox: Arc<OutboxStatus>,
    /// History.
    pub store: Arc<StoreStatus>,
    /// Kafka, if it is on.
    pub kafka: Option<Arc<PublisherStatus>>,
    /// Feeds by sink name.
    pub feeds: Vec<(String, Arc<FeedCounters>)>,
    /// Sockets, whose drops are read at the scrape.
    pub sockets: Vec<Arc<UdpWatch>>,
    /// The intake of samples.
    pub series: Arc<SeriesIntake>,
    /// Sources of samples by name.
    pub sources: Vec<(String, Arc<SourceStatus>)>,
    /// Version of the time-zone data in use.
    pub tzdb: String,
}

impl Figures {
    /// The text of `/metrics`.
    #[must_use]
    pub fn text(&self) -> String {
        let registry = Registry::new();
        // An error here would be a name that is wrong for ever: the golden test finds it first.
        let filled = self.fill(&registry);
        if let Err(error) = filled {
            tracing::error!(%error, "metrics");
        }
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap_or_default()
    }

    fn fill(&self, registry: &Registry) -> prometheus::Result<()> {
        self.fill_ledgers(registry)?;
        self.fill_refusals(registry)?;
        self.fill_gauges(registry)?;
        self.fill_samples(registry)?;
        self.fill_sources(registry)?;
        self.fill_sinks(registry)?;
        self.fill_rounds(registry)?;
        self.fill_latency(registry)
    }

    fn fill_rounds(&self, registry: &Registry) -> prometheus::Result<()> {
        let passed = Opts::new(
            "vigie_engine_round_seconds",
            "How long it was until the engine looked at urgent messages again, since the start: \
             the longest among this share of the rounds.",
        );
        let worked = Opts::new(
            "vigie_engine_round_cpu_seconds",
            "The same without the time that other threads and programs had the processor.",
        );
        let [passed, worked] = [passed, worked].map(|options| GaugeVec::new(options, &["share"]));
        let (passed, worked) = (passed?, worked?);
        registry.register(Box::new(passed.clone()))?;
        registry.register(Box::new(worked.clone()))?;
        for figure in self.shared.rounds_taken.load().iter() {
            passed.with_label_values(&[figure.share]).set(figure.passed.as_secs_f64());
            worked.with_label_values(&[figure.share]).set(figure.worked.as_secs_f64());
        }
        Ok(())
    }

    fn fill_ledgers(&self, registry: &Registry) -> prometheus::Result<()> {
        for socket in &self.sockets {
            let _ = socket.kernel_drops();
        }
        let received = counter(
            registry,
            ("vigie_received_total", "Messages received, by listener."),
            &["listener"],
        )?;
        let dropped = counter(
            registry,
            (
                "vigie_kernel_dropped_total",
                "Datagrams that the kernel dropped before vigie could read them.",
            ),
            &["listener"],
        )?;
        let ignored = counter(
            registry,
            ("vigie_ignored_total", "Messages taken note of and not journaled, by reason."),
            &["listener", "reason"],
        )?;
        let shed = counter(
            registry,
            ("vigie_shed_total", "Messages lost on purpose under overload, by reason and lane."),
            &["listener", "reason", "lane"],
        )?;
        let journaled = counter(
            registry,
            ("vigie_journaled_total", "Messages journaled, repeats counted each."),
            &["listener"],
        )?;
        let panics = counter(
            registry,
            ("vigie_decoder_panics_total", "Messages on which a decoder panicked."),
            &["listener"],
        )?;
        let refused = counter(
            registry,
            ("vigie_connections_refused_total", "Stream connections refused at the limit."),
            &["listener"],
        )?;
        let demoted = gauge(
            registry,
            ("vigie_sources_demoted", "Sources moved to the low lane, since they send too much."),
            &["listener"],
        )?;
        let demotions = counter(
            registry,
            ("vigie_demotions_total", "Times that a source was moved to the low lane."),
            &["listener"],
        )?;
        for (name, ledger) in &self.listeners {
            let name = name.as_str();
            demoted
                .with_label_values(&[name])
                .set(signed(ledger.sources_demoted.load(Ordering::Relaxed)));
            demotions.with_label_values(&[name]).inc_by(ledger.demotions.load(Ordering::Relaxed));
            refused
                .with_label_values(&[name])
                .inc_by(ledger.connections_refused.load(Ordering::Relaxed));
            received.with_label_values(&[name]).inc_by(ledger.received.load(Ordering::Relaxed));
            dropped
                .with_label_values(&[name])
                .inc_by(ledger.kernel_dropped.load(Ordering::Relaxed));
            journaled.with_label_values(&[name]).inc_by(ledger.journaled.load(Ordering::Relaxed));
            panics.with_label_values(&[name]).inc_by(ledger.decoder_panics.load(Ordering::Relaxed));
            for (reason, count) in ledger.ignored() {
                ignored.with_label_values(&[name, reason.as_str()]).inc_by(count);
            }
            for (reason, lane, count) in ledger.shed() {
                shed.with_label_values(&[name, reason.as_str(), lane.as_str()]).inc_by(count);
            }
        }
        Ok(())
    }

    fn fill_refusals(&self, registry: &Registry) -> prometheus::Result<()> {
        let refused = counter(
            registry,
            (
                "vigie_http_refused_total",
                "Requests and connections refused on an HTTP listener, by reason.",
            ),
            &["listener", "reason"],
        )?;
        for (name, counters) in &self.http {
            for (reason, count) in counters.refused() {
                refused.with_label_values(&[name.as_str(), reason.as_str()]).inc_by(count);
            }
        }
        Ok(())
    }

    fn fill_gauges(&self, registry: &Registry) -> prometheus::Result<()> {
        let build = gauge(
            registry,
            ("vigie_build_info", "Version of vigie and of the time-zone data in use; always 1."),
            &["version", "tzdb"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), &self.tzdb]).set(1);
        let active = gauge(registry, ("vigie_alarms_active", "Active alarms."), &["severity"])?;
        let held = gauge(
            registry,
            ("vigie_alarms_held", "Alarms in memory, those cleared within the last hour included."),
            &[],
        )?;
        let refused = counter(
            registry,
            (
                "vigie_alarms_refused_total",
                "Messages about alarms that were not held, since there were too many.",
            ),
            &[],
        )?;
        let incidents = gauge(registry, ("vigie_incidents_open", "Open incidents."), &[])?;
        let tickets = gauge(registry, ("vigie_tickets_open", "Tickets not yet closed."), &[])?;
        let resources = gauge(registry, ("vigie_resources", "Resources known or heard."), &[])?;
        let position = gauge(registry, ("vigie_journal_position", "Last input applied."), &[])?;
        let room = gauge(
            registry,
            (
                "vigie_journal_full",
                "Room for the journal: 0 enough, 1 only the reserve, 2 none: nothing is durable.",
            ),
            &[],
        )?;
        let none: &[&str] = &[];
        room.with_label_values(none).set(i64::from(self.shared.room.get().code()));
        let gauges = self.shared.gauges.load();
        let gauges = gauges.as_ref();
        for severity in Severity::ALL {
            let count = gauges.and_then(|all| {
                all.active.iter().find(|(known, _)| *known == severity).map(|(_, count)| *count)
            });
            active.with_label_values(&[severity.as_str()]).set(signed(count.unwrap_or(0)));
        }
        held.with_label_values(none).set(signed(gauges.map_or(0, |all| all.alarms_held)));
        refused.with_label_values(none).inc_by(gauges.map_or(0, |all| all.alarms_refused));
        incidents.with_label_values(none).set(signed(gauges.map_or(0, |all| all.incidents_open)));
        tickets.with_label_values(none).set(signed(gauges.map_or(0, |all| all.tickets_open)));
        resources.with_label_values(none).set(signed(gauges.map_or(0, |all| all.resources)));
        let applied = self.shared.applied.load(Ordering::Relaxed);
        position.with_label_values(none).set(signed(applied));
        Ok(())
    }

    fn fill_samples(&self, registry: &Registry) -> prometheus::Result<()> {
        let by_protocol = |name, help| counter(registry, (name, help), &["protocol"]);
        let received = by_protocol(
            "vigie_samples_received_total",
            "Samples received; each is applied, unmatched or rejected.",
        )?;
        let applied =
            by_protocol("vigie_samples_applied_total", "Samples of series that a rule looks at.")?;
        let unmatched = by_protocol(
            "vigie_samples_unmatched_total",
            "Samples of series that no rule looks at.",
        )?;
        let rejected = counter(
            registry,
            ("vigie_samples_rejected_total", "Samples that were not taken, by reason."),
            &["protocol", "reason"],
        )?;
        let counters = self.series.counters();
        for (protocol, shown) in counters.shown() {
            let label = [protocol.as_str()];
            received.with_label_values(&label).inc_by(shown.received);
            applied.with_label_values(&label).inc_by(shown.applied);
            unmatched.with_label_values(&label).inc_by(shown.unmatched);
            for (reason, count) in shown.rejected {
                rejected.with_label_values(&[protocol.as_str(), reason]).inc_by(count);
            }
        }
        let none: &[&str] = &[];
        let bodies = counter(
            registry,
            (
                "vigie_sample_bodies_refused_total",
                "Requests with samples that were refused before their samples were counted.",
            ),
            none,
        )?;
        bodies.with_label_values(none).inc_by(counters.bodies_refused());
        let changes = counter(
            registry,
            ("vigie_band_changes_total", "Times that a series came into another zone of a rule."),
            none,
        )?;
        changes.with_label_values(none).inc_by(counters.band_changes());
        let known = gauge(registry, ("vigie_series_known", "Series of metrics known."), none)?;
        known.with_label_values(none).set(i64::from(self.series.series_known()));
        self.fill_shared_series(registry)
    }

    fn fill_shared_series(&self, registry: &Registry) -> prometheus::Result<()> {
        let none: &[&str] = &[];
        let [known, refused, file_errors] = self.series.baselines();
        let held = gauge(
            registry,
            ("vigie_baselines_known", "Series of which it is learnt what is usual."),
            none,
        )?;
        held.with_label_values(none).set(signed(known));
        let counters = self.series.counters();
        for (name, help, count) in [
            (
                "vigie_baselines_refused_total",
                "Times that a series got no baseline, since there are too many.",
                refused,
            ),
            (
                "vigie_baseline_file_errors_total",
                "Times that the file of baselines could not be read or written.",
                file_errors,
            ),
            (
                "vigie_series_sharing_alarm_total",
                "Series that mean an alarm which another one means by the same rule.",
                counters.alarms_shared(),
            ),
            (
                "vigie_series_rules_cut_total",
                "Rules beyond 255 that do not look at a series, summed over all series.",
                counters.rules_cut(),
            ),
        ] {
            counter(registry, (name, help), none)?.with_label_values(none).inc_by(count);
        }
        Ok(())
    }

    fn fill_sources(&self, registry: &Registry) -> prometheus::Result<()> {
        let of = &["source"];
        let records = counter(
            registry,
            ("vigie_source_records_total", "Records taken from a source, durable or rejected."),
            of,
        )?;
        let bytes = counter(
            registry,
            ("vigie_source_bytes_total", "Bytes of the records taken from a source."),
            of,
        )?;
        let empty = counter(
            registry,
            ("vigie_source_empty_records_total", "Records of a source that hold no sample."),
            of,
        )?;
        let retries = counter(
            registry,
            (
                "vigie_source_retries_total",
                "Times that records of a source were read again, since they were not durable.",
            ),
            of,
        )?;
        let lag = gauge(
            registry,
            ("vigie_source_lag_records", "Records of a source that are not yet committed."),
            of,
        )?;
        let failing = gauge(
            registry,
            ("vigie_source_failing", "1 while a source cannot be read for a minute or longer."),
            of,
        )?;
        for (name, status) in &self.sources {
            let label = [name.as_str()];
            records.with_label_values(&label).inc_by(status.records());
            bytes.with_label_values(&label).inc_by(status.bytes());
            empty.with_label_values(&label).inc_by(status.empty());
            retries.with_label_values(&label).inc_by(status.retries());
            lag.with_label_values(&label).set(signed(status.lag()));
            failing.with_label_values(&label).set(i64::from(status.is_failing()));
        }
        Ok(())
    }

    fn fill_sinks(&self, registry: &Registry) -> prometheus::Result<()> {
        let lag = gauge(
            registry,
            ("vigie_sink_pending", "Effects or objects that wait for a sink."),
            &["sink"],
        )?;
        let failing = gauge(
            registry,
            ("vigie_sink_failing", "1 while a sink cannot be written."),
            &["sink"],
        )?;
        let errors = counter(registry, ("vigie_sink_errors_total", "Failed writes."), &["sink"])?;
        lag.with_label_values(&["history"]).set(signed(self.store.pending()));
        failing.with_label_values(&["history"]).set(i64::from(self.store.is_failing()));
        errors.with_label_values(&["history"]).inc_by(self.store.errors());
        let removed = counter(
            registry,
            ("vigie_history_removed_total", "Rows of the history removed for their age."),
            &[],
        )?;
        removed.with_label_values::<&str>(&[]).inc_by(self.store.removed());
        if let Some(kafka) = &self.kafka {
            lag.with_label_values(&["kafka"]).set(signed(kafka.lag()));
            failing.with_label_values(&["kafka"]).set(i64::from(kafka.is_failing()));
            errors.with_label_values(&["kafka"]).inc_by(kafka.failures());
        }
        let refused = counter(
            registry,
            ("vigie_feed_refused_total", "Effects that found a sink's queue full."),
            &["sink"],
        )?;
        for (name, feed) in &self.feeds {
            refused.with_label_values(&[name]).inc_by(feed.refused());
        }
        Ok(())
    }

    fn fill_latency(&self, registry: &Registry) -> prometheus::Result<()> {
        let options = HistogramOpts::new(
            "vigie_detection_to_ticket_seconds",
            "From the receipt of the message that shows the fault to the durable ticket, hold-off \
             included.",
        )
        .buckets(vec![
            0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.005, 2.01, 2.02, 2.05, 2.5, 5.0, 10.0, 10.05, 10.5,
            15.0, 30.0, 60.0, 120.0, 300.0, 600.0,
        ]);
        let histogram = Histogram::with_opts(options)?;
        if let Ok(recorded) = self.outbox.detection_to_ticket_us.lock() {
            for step in recorded.iter_recorded() {
                let micros = std::time::Duration::from_micros(step.value_iterated_to());
                for _ in 0..step.count_at_value() {
                    histogram.observe(micros.as_secs_f64());
                }
            }
        }
        registry.register(Box::new(histogram))
    }
}

fn counter(
    registry: &Registry,
    (name, help): (&str, &str),
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(
    registry: &Registry,
    (name, help): (&str, &str),
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
