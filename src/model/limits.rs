//! Every bound, with its unit and what happens at it.

/// Longest datagram taken in whole, bytes. The kernel cuts longer ones: fault `oversize`.
pub const DATAGRAM_BYTES_MAX: usize = 65_536;
/// By how much each receive buffer is longer than the longest datagram, bytes: an odd number of
/// cache lines, so that the buffers do not push each other out of the caches.
pub const DATAGRAM_GAP_BYTES: usize = 5 * 64;
/// Datagrams per `recvmmsg` call.
pub const RECV_BATCH: usize = 64;
/// Events per batch at most; a full batch travels and the next begins.
pub const BATCH_EVENTS: usize = 64;
/// Bytes of text and raw message per batch before it travels early.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Batches per lane between intake and sequencer. A full urgent or normal lane makes the reader
/// wait (the kernel buffers); a full low lane sheds, newest first, but for clears, which wait.
pub const LANE_BATCHES: usize = 512;
/// Batches that wait in the urgent and normal lanes when vigie counts as overloaded. It does so
/// until an eighth of them wait.
pub const OVERLOAD_BATCHES: usize = 128;
/// Low batches taken out of their lane while they wait for what was sent before them on the others;
/// further ones stay in the lane.
pub const LOW_BATCHES_HELD: usize = 64;
/// Events of one device in one second of overload, as one thread hears them, beyond which it is
/// chatty: they go to the low lane until there are at most half as many.
pub const CHATTY_EVENTS: u32 = 2_000;
/// Empty batches kept for the next messages; beyond them, memory that a burst took is given back.
pub const FREE_BATCHES: usize = 64;
/// Raw message bytes kept with an event; the rest is cut.
pub const RAW_BYTES_MAX: usize = 8_192;
/// Line of text shown for an event, bytes; longer ones are cut at a character.
pub const TEXT_BYTES_MAX: usize = 512;
/// Resource, qualifier and other names, bytes; longer ones are cut at a character.
pub const NAME_BYTES_MAX: usize = 255;
/// Syslog frame on a stream, bytes; a longer one is cut (fault `oversize`), the stream goes on.
pub const FRAME_BYTES_MAX: usize = 65_536;
/// Varbinds read of one trap; the rest is left (fault `limit-reached`).
pub const VARBINDS_MAX: usize = 64;
/// Body of metrics after inflation, bytes; a larger one is refused before it is inflated.
pub const METRICS_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Labels of a series, the name included; a series with more is rejected.
pub const LABELS_MAX: usize = 128;
/// Name of a label, bytes; a series with a longer one is rejected.
pub const LABEL_NAME_BYTES_MAX: usize = 1_024;
/// Names and values of all labels of a series, bytes; a series with longer ones is rejected.
pub const LABELS_BYTES_MAX: usize = 64 * 1024;
/// How many bytes of labels a body of metrics may make out of each of its own, for a few octets can
/// stand for a sample whose labels were said once; samples beyond it are rejected.
pub const LABELS_BYTES_RATIO_MAX: usize = 64;
/// Bytes of labels that any body of metrics may make.
pub const LABELS_BYTES_FREE: usize = 4 * 1024 * 1024;
/// Bytes of labels that no body of metrics may make more of, whatever its size: what one request
/// can cost at worst, beside reading its own bytes a few times.
pub const LABELS_BYTES_OF_BODY_MAX: usize = 256 * 1024 * 1024;
/// What a label counts for beyond its bytes, for short ones cost work as well.
pub const LABEL_BYTES_EXTRA: usize = 16;
/// Series of metrics known at once. Beyond it new ones are refused (`series-limit`) and those that
/// are known go on; vigie's own alarm `series-explosion` says so.
pub const SERIES_MAX: u32 = 2_000_000;
/// Series of one sender known at once; beyond it as above.
pub const SERIES_PER_SENDER_MAX: u32 = 1_000_000;
/// A series that sends nothing for so long is forgotten, s.
pub const SERIES_IDLE_S: u32 = 3_600;
/// For how much longer it is kept while its whole sender is silent, s.
pub const SERIES_KEPT_S: u32 = 86_400;
/// Baselines kept at once, about 2 kB each. Beyond it a new series gets none and its rule says
/// nothing of it; counted (`vigie_baselines_refused_total`).
pub const BASELINES_MAX: usize = 50_000;
/// Symbols of one remote write 2.0 body; one with more is refused.
pub const SYMBOLS_MAX: usize = 1_000_000;
/// Nesting of an attribute's value (lists in lists); a sample with a deeper one is rejected.
pub const ATTRIBUTE_DEPTH_MAX: usize = 8;
/// Body of a request that posts alerts, bytes; a larger one is refused.
pub const ALERTS_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Body of a request that posts a silence, bytes; a larger one is refused.
pub const SILENCE_BODY_BYTES_MAX: usize = 256 * 1024;
/// Alerts of one request; one with more is refused.
pub const ALERTS_MAX: usize = 10_000;
/// Labels and annotations kept with an alert, bytes of JSON. Annotations that do not fit are cut;
/// an alert whose labels do not fit is refused.
pub const ALERT_LABELS_BYTES_MAX: usize = 4_096;
/// Annotations of an alert; further ones are left out.
pub const ANNOTATIONS_MAX: usize = 64;
/// Silences kept, expired ones included. Beyond it the one that expired first goes; when none has
/// expired, a new one is refused.
pub const SILENCES_MAX: usize = 10_000;
/// Matchers of one silence; one with more is refused.
pub const SILENCE_MATCHERS_MAX: usize = 64;
/// Sub-identifiers of an OID (SNMPv2-SMI: 128).
pub const OID_ARCS_MAX: usize = 128;
/// Alarms held at once, active and cleared within the last hour. Beyond it, a message about an
/// alarm that is not held makes none: it is counted (`vigie_alarms_refused_total`), and vigie's own
/// alarm `vigie-alarms-full` says so. vigie's own alarms are always held.
pub const ALARMS_MAX: usize = 1_000_000;
/// Incidents that are over and whose final record is not withdrawn yet. Beyond it, the oldest is
/// withdrawn before its time.
pub const WITHDRAWALS_MAX: usize = 100_000;
/// Alarms that threshold rules keep an eye on at once: those in a band, or about to be, and those
/// whose series is missed. Beyond it a crossing is counted like an alarm that is not held.
pub const WATCHES_MAX: usize = 1_000_000;
/// Explanations kept per incident; the oldest but the first go.
pub const EXPLAIN_ENTRIES_MAX: usize = 32;
/// Steps upward or downward through dependencies when looking for a cause.
pub const DEPENDENCY_DEPTH_MAX: usize = 16;
/// Payload of one journal record, bytes.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Settings are journaled in pieces of so many bytes, so that messages pass between them.
pub const SETTINGS_PIECE_BYTES: usize = 256 * 1024;
const _: () = assert!(SETTINGS_PIECE_BYTES < RECORD_BYTES_MAX);
/// Devices and parts of devices held at once. Beyond it, messages of new senders are put on one
/// resource for all of them, and those of new parts on their device: nobody can fill the memory by
/// inventing names.
pub const RESOURCES_MAX: usize = 400_000;
/// The resource of all senders beyond [`RESOURCES_MAX`].
pub const MORE_SENDERS: &str = "more-senders";
/// Addresses kept per sender; further ones are not kept.
pub const SENDER_ADDRESSES_MAX: usize = 16;
/// TCP connections per listener; further ones are refused and counted.
pub const TCP_CONNECTIONS_MAX: usize = 4_096;
/// Items of one API page at most.
pub const PAGE_ITEMS_MAX: usize = 1_000;

/// Texts and raw message of one event, bytes.
const EVENT_BYTES_MAX: usize =
    RAW_BYTES_MAX + ALERT_LABELS_BYTES_MAX + 6 * NAME_BYTES_MAX + TEXT_BYTES_MAX;
const _: () = assert!(DATAGRAM_GAP_BYTES < DATAGRAM_BYTES_MAX);
const _: () = assert!(EVENT_BYTES_MAX < RECORD_BYTES_MAX);
const _: () = assert!(EVENT_BYTES_MAX < BATCH_BYTES / 4);
const _: () = assert!(BATCH_EVENTS >= RECV_BATCH);
const _: () = assert!(OVERLOAD_BATCHES < LANE_BATCHES);
