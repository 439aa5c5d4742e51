//! The thread of a source: takes records in rounds, waits until what they tell is durable, and
//! stores how far that is.
//!
//! In: records of the partitions that the group gives to this consumer. Out: told samples and
//! stored offsets. The records of a sender in a round are one request, so that a series tells in
//! their order. What of a round is not durable is read again, after a pause in which the partitions
//! are paused and the group is still served. When librdkafka fails for good, the consumer is
//! replaced; it goes on at what was committed.

use crate::model::sample::Tally;
use crate::model::time::Timestamp;
use crate::shell::clock;
use crate::shell::config::KafkaSource;
use crate::shell::intake::guard::guarded;
use crate::shell::intake::kafka::encoding::{Body, Terms, decode};
use crate::shell::intake::kafka::health::{Notes, SourceStatus};
use crate::shell::intake::kafka::progress::Progress;
use crate::shell::intake::kafka::settings::client_config;
use crate::shell::kafka_link::{self, Properties};
use crate::shell::publish::limiter::Limiter;
use crate::shell::series::{Protocol, Refusal, SenderName, SeriesIntake, Told, Visit};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a round waits for its first record, and a stop for the round.
const POLL: Duration = Duration::from_millis(200);
/// Records of a round at most.
const ROUND_RECORDS_MAX: usize = 500;
/// Bytes of a round, after which it ends.
const ROUND_BYTES_MAX: usize = 8 * 1024 * 1024;
/// First pause after a round that was not durable, or a consumer that failed, ns; it doubles.
const PAUSE_FIRST_NS: u64 = 1_000_000_000;
/// Longest such pause, ns.
const PAUSE_LAST_NS: u64 = 30_000_000_000;
/// How long the brokers may take to answer about a topic, or to begin elsewhere.
const ANSWER: Duration = Duration::from_secs(5);
/// How often topics that are not there are looked for, ns.
const TOPICS_EVERY_NS: u64 = 10_000_000_000;
/// A sender's name is cut at so many characters.
const SENDER_CHARS_MAX: usize = 128;

type Consumer = BaseConsumer<Notes>;

/// What a reader is made of.
pub struct ReaderParts {
    /// What to read.
    pub source: KafkaSource,
    /// How the brokers are reached, secrets among it.
    pub access: Properties,
    /// Where samples go.
    pub series: Arc<SeriesIntake>,
    /// Where it is waited for the disk.
    pub runtime: Handle,
    /// Largest record, before and after inflation.
    pub bytes_max: usize,
}

/// A source at work. Ends after a stop was requested.
pub struct KafkaReader {
    name: String,
    status: Arc<SourceStatus>,
    thread: JoinHandle<()>,
    ended: Receiver<()>,
}

impl KafkaReader {
    /// Starts the thread. It connects by itself, now and whenever it has to.
    ///
    /// # Errors
    /// When librdkafka does not accept the settings, or the system has no thread to give.
    pub fn start(parts: ReaderParts) -> io::Result<Self> {
        let status = Arc::new(SourceStatus::default());
        let reader = Reader::new(parts, Arc::clone(&status));
        let first = reader.connect().map_err(io::Error::other)?;
        let name = reader.parts.source.name.clone();
        let (running, ended) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("kafka-samples".to_owned())
            .spawn(move || reader.run(first, running))?;
        Ok(Self { name, status, thread, ended })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is known of it.
    #[must_use]
    pub fn status(&self) -> Arc<SourceStatus> {
        Arc::clone(&self.status)
    }

    /// Waits for the thread to end, at most so long: to leave a group whose broker is away can take
    /// longer. What is not committed by then is read again at the next start.
    pub fn join(self, patience: Duration) {
        // Nothing is ever sent; the thread lets go of the channel when it is done.
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(source = self.name, "the brokers do not let go of the group in time");
            return;
        }
        // A thread that panicked has aborted the process already.
        let _ = self.thread.join();
    }
}

/// A pause that grows while what it is made for goes on.
#[derive(Default)]
struct Pause {
    length_ns: u64,
    /// Engaged until then.
    until_ns: Option<u64>,
}

impl Pause {
    fn begin(&mut self, now_ns: u64) {
        self.length_ns = self.length_ns.saturating_mul(2).clamp(PAUSE_FIRST_NS, PAUSE_LAST_NS);
        self.until_ns = Some(now_ns.saturating_add(self.length_ns));
    }

    /// Whether it is over by now; that is said once.
    fn is_over(&mut self, now_ns: u64) -> bool {
        self.until_ns.take_if(|until_ns| now_ns >= *until_ns).is_some()
    }
}

struct Reader {
    parts: ReaderParts,
    terms: Terms,
    status: Arc<SourceStatus>,
    /// Memory for inflating.
    memory: Vec<u8>,
    /// Topics that were not seen to be there yet, and when to look again.
    unseen: Vec<String>,
    look_at_ns: u64,
    pause: Pause,
    limiter: Limiter,
}

/// What decoding a record came to.
#[derive(Clone, Copy)]
enum Found {
    /// Samples; some of them may be wrong.
    Samples,
    /// No sample, and nothing wrong.
    Nothing,
    /// The record, or its end, cannot be read for this reason.
    Fault(&'static str),
}

/// The consumer is of no more use, for this reason.
struct Lost(String);

impl Reader {
    fn new(parts: ReaderParts, status: Arc<SourceStatus>) -> Self {
        let source = &parts.source;
        let (encoding, precision) = (source.encoding, source.precision);
        Self {
            terms: Terms { encoding, precision, bytes_max: parts.bytes_max },
            status,
            memory: Vec::new(),
            unseen: source.topics.clone(),
            look_at_ns: 0,
            pause: Pause::default(),
            limiter: Limiter::default(),
            parts,
        }
    }

    fn connect(&self) -> Result<Consumer, String> {
        let source = &self.parts.source;
        let notes = Notes {
            source: source.name.as_str().into(),
            status: Arc::clone(&self.status),
            log_limiter: Limiter::default(),
        };
        let config = client_config(source, &self.parts.access);
        let said = |error: KafkaError| kafka_link::words(&error);
        let consumer: Consumer = config.create_with_context(notes).map_err(said)?;
        let topics: Vec<&str> = source.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(said)?;
        Ok(consumer)
    }

    /// Works until a stop is asked for. Letting go of the consumer commits what was stored, and
    /// letting go of `_running` says that all is done.
    fn run(mut self, first: Consumer, _running: SyncSender<()>) {
        let mut consumer = Some(first);
        while !self.parts.series.is_stopping() {
            let now_ns = clock::boot_ns();
            let Some(present) = &consumer else {
                if self.pause.is_over(now_ns) {
                    consumer = self.replace(now_ns);
                }
                std::thread::park_timeout(POLL);
                continue;
            };
            if let Err(Lost(reason)) = self.round(present, now_ns) {
                self.status.trouble(&reason);
                let source = &self.parts.source.name;
                tracing::error!(source, reason, "the Kafka consumer failed; another is made");
                consumer = None;
                self.pause.begin(now_ns);
            }
        }
    }

    fn replace(&mut self, now_ns: u64) -> Option<Consumer> {
        match self.connect() {
            Ok(consumer) => return Some(consumer),
            Err(reason) => self.status.trouble(&reason),
        }
        self.pause.begin(now_ns);
        None
    }

    fn round(&mut self, consumer: &Consumer, now_ns: u64) -> Result<(), Lost> {
        if self.pause.is_over(now_ns) {
            let resumed = consumer.assignment().and_then(|all| consumer.resume(&all));
            resumed.map_err(|error| lost(&error))?;
        }
        self.find_topics(consumer, now_ns);
        let records = self.gather(consumer)?;
        if records.is_empty() {
            return Ok(());
        }
        let progress = self.take_all(&records);
        self.store(consumer, &progress);
        self.read_again(consumer, &progress, now_ns)
    }

    /// Records that are there, up to the size of a round.
    fn gather<'c>(&mut self, consumer: &'c Consumer) -> Result<Vec<BorrowedMessage<'c>>, Lost> {
        let mut records = Vec::new();
        let (mut patience, mut bytes) = (POLL, 0_usize);
        while records.len() < ROUND_RECORDS_MAX && bytes < ROUND_BYTES_MAX {
            match consumer.poll(patience) {
                None => break,
                Some(Ok(record)) => {
                    patience = Duration::ZERO;
                    bytes = bytes.saturating_add(record.payload_len());
                    records.push(record);
                }
                Some(Err(error)) => {
                    self.note_error(&error)?;
                    break;
                }
            }
        }
        Ok(records)
    }

    /// Takes the samples of all of them, in one request for each sender, and waits until what they
    /// tell is durable.
    fn take_all(&mut self, records: &[BorrowedMessage<'_>]) -> Progress {
        let mut by_sender: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, record) in records.iter().enumerate() {
            by_sender.entry(self.sender_of(record)).or_default().push(place);
        }
        let mut in_flight = Vec::new();
        for (sender, places) in by_sender {
            let chosen: Vec<_> = places.iter().filter_map(|place| records.get(*place)).collect();
            let (told, found) = self.take(&sender, &chosen);
            let is_crowded = told.has_failed();
            let series = Arc::clone(&self.parts.series);
            // Beside each other, so that all of them together wait no longer than one.
            let settled = self.parts.runtime.spawn(async move { told.settle(&series).await });
            in_flight.push((places, found, settled));
            // What is left of the round would wait as long, and the group wants to be served.
            if is_crowded {
                break;
            }
        }
        let mut found_at: Vec<Option<Found>> = vec![None; records.len()];
        for (places, found, settled) in in_flight {
            let settled = self.parts.runtime.block_on(settled).ok();
            let Some(settled) = settled.filter(|settled| settled.is_durable) else { continue };
            let fault = places.iter().zip(&found).find_map(|(place, one)| match one {
                Found::Fault(why) => Some((*place, (*why).to_owned())),
                Found::Samples | Found::Nothing => None,
            });
            let first = places.first().copied().zip(settled.complaint());
            if let Some((place, why)) = fault.or(first) {
                self.complain(records.get(place), &why);
            }
            for (place, one) in places.into_iter().zip(found) {
                if let Some(there) = found_at.get_mut(place) {
                    *there = Some(one);
                }
            }
        }
        let mut progress = Progress::default();
        for (record, found) in records.iter().zip(found_at) {
            let (topic, partition) = (record.topic(), record.partition());
            progress.note(topic, partition, record.offset(), found.is_some());
            if let Some(found) = found {
                self.status.count(record.payload_len(), matches!(found, Found::Nothing));
            }
        }
        progress
    }

    /// Who sends it: whom the header names, else the topic.
    fn sender_of(&self, record: &BorrowedMessage<'_>) -> String {
        let source = &self.parts.source;
        let named = source.sender_header.as_deref().and_then(|name| header(record, name));
        match named.filter(|name| !name.is_empty()) {
            Some(name) => name.chars().take(SENDER_CHARS_MAX).collect(),
            None => format!("{}@{}", record.topic(), source.name),
        }
    }

    /// Takes the samples of the records of a sender as one request.
    fn take(&mut self, sender: &str, records: &[&BorrowedMessage<'_>]) -> (Told, Vec<Found>) {
        let (terms, memory) = (self.terms, &mut self.memory);
        let mut found = Vec::with_capacity(records.len());
        let sender = SenderName::Name(sender.into());
        let told = self.parts.series.take(Protocol::Kafka, sender, |visit| {
            for record in records {
                // Then nothing of the request is durable, and all of it is read again.
                if visit.has_failed() {
                    break;
                }
                found.push(visit_record(record, terms, memory, visit));
            }
            Tally::default()
        });
        (told, found)
    }

    fn complain(&self, record: Option<&BorrowedMessage<'_>>, why: &str) {
        let Some(record) = record else { return };
        if let Some(suppressed) = self.limiter.pass(clock::boot_ns()) {
            let (topic, partition) = (record.topic(), record.partition());
            let (source, offset) = (&self.parts.source.name, record.offset());
            tracing::warn!(
                source,
                topic,
                partition,
                offset,
                why,
                suppressed,
                "records hold what cannot be taken, from this one on"
            );
        }
    }

    /// Stores how far is durable; librdkafka commits it about once a second and at the end.
    fn store(&self, consumer: &Consumer, progress: &Progress) {
        let stored = list(progress.next()).and_then(|offsets| consumer.store_offsets(&offsets));
        if let Err(error) = stored {
            // The partitions were taken away meanwhile: whoever has them reads that again.
            let source = &self.parts.source.name;
            tracing::debug!(source, %error, "offsets were not stored");
        }
    }

    /// Goes back to what is not durable, and pauses.
    fn read_again(
        &mut self,
        consumer: &Consumer,
        progress: &Progress,
        now_ns: u64,
    ) -> Result<(), Lost> {
        let places = list(progress.again()).map_err(|error| lost(&error))?;
        if places.count() == 0 {
            self.pause.length_ns = 0;
            return Ok(());
        }
        if self.parts.series.is_stopping() {
            return Ok(());
        }
        self.status.count_retry();
        if let Some(suppressed) = self.limiter.pass(now_ns) {
            let source = &self.parts.source.name;
            tracing::warn!(source, suppressed, "records are not durable; they are read again");
        }
        let places = consumer.seek_partitions(places, ANSWER).map_err(|error| lost(&error))?;
        // Going on without would pass over them.
        for place in places.elements() {
            place.error().map_err(|error| lost(&error))?;
        }
        let paused = consumer.assignment().and_then(|all| consumer.pause(&all));
        paused.map_err(|error| lost(&error))?;
        self.pause.begin(clock::boot_ns());
        Ok(())
    }

    /// What librdkafka says instead of a record; its words are in the log already.
    fn note_error(&mut self, error: &KafkaError) -> Result<(), Lost> {
        match error {
            KafkaError::MessageConsumptionFatal(_) => Err(lost(error)),
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition,
            ) => {
                self.unseen.clone_from(&self.parts.source.topics);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Asks the brokers for topics that were not seen yet: librdkafka waits for them in silence.
    fn find_topics(&mut self, consumer: &Consumer, now_ns: u64) {
        if self.unseen.is_empty() || now_ns < self.look_at_ns || !self.status.is_connected() {
            return;
        }
        self.look_at_ns = now_ns.saturating_add(TOPICS_EVERY_NS);
        let status = &self.status;
        let mut is_answered = true;
        self.unseen.retain(|name| {
            // Brokers that do not answer are not asked further: the group is to be served.
            let answer = is_answered.then(|| consumer.fetch_metadata(Some(name), ANSWER).ok());
            let Some(answer) = answer.flatten() else {
                is_answered = false;
                return true;
            };
            let topic = answer.topics().iter().find(|topic| topic.name() == name);
            let is_there = topic.is_some_and(|topic| !topic.partitions().is_empty());
            if !is_there {
                status.trouble(&format!("the brokers have no topic {name}, or do not show it"));
            }
            !is_there
        });
        self.status.miss(self.unseen.len());
    }
}

/// A header of a record as text, by its name in any case.
fn header<'r>(record: &'r BorrowedMessage<'_>, name: &str) -> Option<&'r str> {
    let headers = record.headers()?;
    let found = headers.iter().find(|header| header.key.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(found.value?).ok().map(str::trim)
}

/// Visits the samples of a record; a panic of the decoder costs this record alone.
fn visit_record(
    record: &BorrowedMessage<'_>,
    terms: Terms,
    memory: &mut Vec<u8>,
    visit: &mut Visit<'_>,
) -> Found {
    let at = record.timestamp().to_millis().and_then(|ms| ms.checked_mul(1_000_000));
    visit.date_untimed(at.map(Timestamp));
    let body = Body {
        bytes: record.payload().unwrap_or_default(),
        content_type: header(record, "content-type").unwrap_or_default(),
        content_encoding: header(record, "content-encoding").unwrap_or_default(),
    };
    match guarded(|| decode(body, terms, memory, visit)) {
        Some(Ok(tally)) => match tally.broken {
            Some(fault) => Found::Fault(fault.as_str()),
            None if tally.seen == 0 => Found::Nothing,
            None => Found::Samples,
        },
        Some(Err(refusal)) => {
            visit.refuse(refusal);
            Found::Fault(refusal.as_str())
        }
        None => {
            visit.panicked();
            Found::Fault(Refusal::DecoderPanicked.as_str())
        }
    }
}

fn lost(error: &KafkaError) -> Lost {
    Lost(kafka_link::words(error))
}

fn list<'p>(
    places: impl Iterator<Item = (&'p str, i32, i64)>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, offset) in places {
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(list)
}
