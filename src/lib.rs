//! # vigie
//!
//! The lookout of a NOC: traps, syslog and metrics in, alarms, incidents and tickets out, nothing
//! lost on the way. This page is the map of the house; README.md speaks to operators.
//!
//! ## The way of a message
//!
//! | stage | folder | what happens |
//! |---|---|---|
//! | 1 | `shell/intake` | sockets and topics are read and stamped; TCP is cut into frames |
//! | 2 | `decode` | bytes to a trap, a syslog message or samples; what is wrong is named |
//! | 3 | `classify` | rules and inventory: which resource, which alarm type, raise or clear |
//! | 4 | `shell/lanes` | batches wait by urgency |
//! | 5 | `shell/journal` | the sequencer gives the event its place in the one list |
//! | 6 | `engine` | one deterministic step, with `correlate` (incident) and `ticket` (clock) |
//! | 7 | `shell/outbox` | once the position is durable: view, history, Kafka, answers |
//!
//! Samples have a stage more, `shell/series`, behind 2 and 3: it knows of each series what was last
//! and what is usual, and only what is news goes on to 4, as an event. Alerts of others come in by
//! `shell/alertmanager`. Questions are answered by that and by `shell/api`.
//!
//! Before the journal there is no memory but that of series; after it there is no parallelism. The
//! engine is a pure function of the journal: the same journal gives the same incidents, tickets and
//! numbers, in a restart, in `vigie replay` and in the tests.
//!
//! ## Reading order
//!
//! [`model::event`] (what travels), [`engine::input`] and [`engine::effect`] (the two closed
//! lists), [`engine::step`] (what one input does), [`correlate::correlator`] and [`ticket::desk`]
//! (the state), [`shell::sequencer`] (who writes the journal and steps the engine),
//! [`shell::boot`] (from the state folder to an engine at work), [`shell::daemon`] (how it is put
//! together).
//!
//! ## Who may import whom
//!
//! Purity is the default; `shell` in the path is the exception. `tests/architecture.rs` reads this
//! table and fails on a new arrow.
//!
//! | folder | may import |
//! |---|---|
//! | `model` | nothing |
//! | `decode` | `model` |
//! | `classify` | `model` |
//! | `correlate` | `model` |
//! | `ticket` | `model` |
//! | `engine` | `model`, `decode`, `classify`, `correlate`, `ticket` |
//! | `shell` | everything |
//! | `main` | `shell` |
//!
//! ## Deliberately absent
//!
//! - No clock, thread, file or socket outside `shell`; no hash-order iteration that could reach an
//!   output.
//! - No clustering protocol: beyond one host the journal becomes a partitioned topic.
//! - No Kafka transactions: repeats carry the same id, and consumers drop them.
//! - No store of samples: of a series the last is kept, and what is usual where a rule asks for it.
//! - No traces and logs over OTLP: they are refused, not swallowed.
//! - No DNS: a look-up that hangs must not stop the intake.
//! - No UUIDs or random numbers in what is decided: ids are journal positions.

pub mod classify;
pub mod correlate;
pub mod decode;
pub mod engine;
pub mod model;
pub mod shell;
pub mod ticket;
