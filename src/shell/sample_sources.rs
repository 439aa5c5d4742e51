//! What takes samples in beside HTTP, each on a thread of its own: sockets and Kafka.

use crate::shell::clock;
use crate::shell::config::Config;
use crate::shell::intake::kafka::{KafkaReader, ReaderParts, SourceStatus};
use crate::shell::intake::samples_udp::SamplesUdp;
use crate::shell::intake::udp::UdpListener;
use crate::shell::kafka_link::Properties;
use crate::shell::observe::counters::ListenerCounters;
use crate::shell::series::SeriesIntake;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a stop waits for the Kafka groups to be left, all of them together, ns.
const LEAVE_PATIENCE_NS: u64 = 5_000_000_000;

/// The running threads.
pub struct SampleSources {
    udp: Vec<SamplesUdp>,
    kafka: Vec<KafkaReader>,
}

impl SampleSources {
    /// Starts them: for the sockets by listener, and for the sources of the configuration, which
    /// are reached by `links`.
    ///
    /// # Errors
    /// When the system has no thread to give, or librdkafka does not accept the settings.
    pub fn start(
        (config, ledger): (&Config, &[(String, Arc<ListenerCounters>)]),
        sockets: Vec<(u16, UdpListener)>,
        links: Vec<Properties>,
        series: &Arc<SeriesIntake>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let listen = |(listener, socket)| {
            let counters = ledger.get(usize::from(listener)).map(|(_, counters)| counters);
            let counters = counters.map_or_else(Arc::default, Arc::clone);
            SamplesUdp::start(socket, counters, Arc::clone(series), runtime.clone())
        };
        let read = |(source, access): (_, Properties)| {
            KafkaReader::start(ReaderParts {
                source: Clone::clone(source),
                access,
                series: Arc::clone(series),
                runtime: runtime.clone(),
                bytes_max: config.metrics.body_bytes_max,
            })
        };
        let udp = sockets.into_iter().map(listen).collect::<io::Result<_>>()?;
        let kafka = config.sources.iter().zip(links).map(read).collect::<io::Result<_>>()?;
        Ok(Self { udp, kafka })
    }

    /// What is known of each source, by its name.
    #[must_use]
    pub fn status(&self) -> Vec<(String, Arc<SourceStatus>)> {
        self.kafka.iter().map(|reader| (reader.name().to_owned(), reader.status())).collect()
    }

    /// Waits for the threads to end, after a stop was requested.
    pub fn join(self) {
        self.udp.into_iter().for_each(SamplesUdp::join);
        let until_ns = clock::boot_ns().saturating_add(LEAVE_PATIENCE_NS);
        for reader in self.kafka {
            reader.join(Duration::from_nanos(until_ns.saturating_sub(clock::boot_ns())));
        }
    }
}
