//! A body of metrics costs a fixed number of allocations, however many samples it holds, and memory
//! in proportion to the body, whatever it says of itself.

#[path = "support/counting.rs"]
mod counting;

use counting::Counting;
use std::cell::Cell;
use vigie::decode::metrics::line_protocol::{self, Precision};
use vigie::decode::metrics::{otlp, remote_write_1, remote_write_2};
use vigie::model::sample::{Labels, Rejection, Sample, Samples, SeriesKind, Tally};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting(count);

fn count(taken: usize, _: usize) {
    if taken == 0 {
        return;
    }
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    let _ = BYTES.try_with(|all| all.set(all.get().saturating_add(taken)));
}

/// Keeps nothing.
struct Deaf;

impl Samples for Deaf {
    fn series(&mut self, _: &Labels<'_>, _: SeriesKind) {}
    fn sample(&mut self, _: Sample) {}
    fn rejected(&mut self, _: &Rejection<'_>) {}
}

/// Calls of the allocator, the bytes they asked for, and what came of the body.
fn measure(body: &[u8], decode: Decode) -> (u64, usize, Tally) {
    let before = (CALLS.get(), BYTES.get());
    let tally = decode(body, &mut Deaf);
    (CALLS.get() - before.0, BYTES.get() - before.1, tally)
}

type Decode = fn(&[u8], &mut Deaf) -> Tally;

/// One series with a sample and a histogram: in protobuf, messages that follow each other are one.
const REMOTE_WRITE_1: &[u8] =
    b"\x0a\x3a\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x07\x0a\x01j\x12\x02n1\x12\x10\
    \x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xd0\x95\xff\xbc1\x22\x0d\x08\x07\x19\0\0\0\0\0\
    \0\0\x40x\x09";
/// Symbols and one series.
const REMOTE_WRITE_2: &[u8] =
    b"\x22\0\x22\x08__name__\x22\x02up\x2a\x11\x0a\x02\x01\x02\x12\x0b\x09\0\0\0\0\0\0\
    \xf0\x3f\x10\x01";
/// A resource with a number as attribute, and a gauge with one point.
const OTLP: &[u8] =
    b"\x0a\x21\x0a\x09\x0a\x07\x0a\x01a\x12\x02\x18\x05\x12\x14\x12\x12\x0a\x01m\x2a\
    \x0d\x0a\x0b\x21\0\0\0\0\0\0\xf0\x3f\x40\0";
/// Every field but one is a number; escapes have to be resolved.
const LINE: &[u8] = b"cpu,host=p\\ e1 user=1.5,idle=2i,up=t,note=\"text\" 1700000000000000000\n";

#[test]
fn samples_cost_no_allocation() {
    let cases: [(&str, &[u8], Decode, u64); 4] = [
        ("remote write 1.0", REMOTE_WRITE_1, remote_write_1::decode, 2),
        ("remote write 2.0", REMOTE_WRITE_2, remote_write_2::decode, 1),
        ("OTLP", OTLP, otlp::binary::decode, 1),
        ("lines", LINE, |body, to| line_protocol::decode(body, Precision::Nanosecond, to), 3),
    ];
    for (name, one, decode, samples) in cases {
        let (few, _, tally) = measure(&one.repeat(100), decode);
        assert_eq!(tally.accepted, 100 * samples, "{name}: {tally:?}");
        let (many, _, tally) = measure(&one.repeat(10_000), decode);
        assert_eq!(tally.accepted, 10_000 * samples, "{name}: {tally:?}");
        // The table of symbols doubles a few times.
        assert!(few > 0 && few < 30, "{name}: {few}");
        assert!(many < few + 10, "{name}: {few} for 100, {many} for 10,000");
    }
}

#[test]
fn memory_keeps_to_the_proportion_of_the_body() {
    // The smallest things of which something is kept: symbols, fields of a line, quantiles.
    let symbols = [0x22, 0].repeat(900_000);
    let fields = [b"m ", b"a=1,".repeat(400_000).as_slice(), b"a=1"].concat();
    let cases: [(&[u8], Decode); 2] = [
        (&symbols, remote_write_2::decode),
        (&fields, |body, to| line_protocol::decode(body, Precision::Nanosecond, to)),
    ];
    for (body, decode) in cases {
        let (_, bytes, _) = measure(body, decode);
        assert!(bytes < 64 * body.len(), "{bytes} for {}", body.len());
    }
}
