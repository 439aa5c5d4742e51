//! InfluxDB line protocol, as versions 1 and 2 write it, to samples.
//!
//! ```text
//! cpu,host=pe1,slot=0 user=12.5,idle=80i,ok=true,note="text" 1700000000000000000
//! ```
//!
//! A field becomes the metric `<measurement>_<field>`, as Telegraf names it (the measurement
//! `prometheus` is left out of the name), and tags become labels behind it. Truth is 1 and 0. A
//! text measures nothing: it is rejected as `text-value`, which is no fault of the sender. A line
//! is taken whole or not at all, as InfluxDB takes it, and a bad one costs no other: all its fields
//! are counted under what is wrong with it, and reading resumes behind its first newline, even
//! where a quote that nobody closes goes on.

mod precision;
mod scanner;

use crate::decode::metrics::feed::Feed;
use crate::decode::metrics::label_list::LabelList;
use crate::model::limits::LABEL_NAME_BYTES_MAX;
use crate::model::sample::{
    METRIC_NAME, Reading, Sample, SampleFault, Samples, SeriesKind, Tally, Text,
};
use crate::model::time::Timestamp;
use scanner::Scanner;

pub use precision::Precision;

/// Reads a body. Timestamps count in units of `precision`.
pub fn decode<S: Samples + ?Sized>(body: &[u8], precision: Precision, samples: &mut S) -> Tally {
    let mut reader = Reader {
        feed: Feed::new(samples, body),
        labels: LabelList::default(),
        fields: Vec::new(),
        precision,
    };
    let mut scanner = Scanner::over(body);
    while scanner.skip_to_point() {
        let start = scanner;
        reader.feed.set_place(start.line());
        if let Err(fault) = reader.read_point(&mut scanner) {
            let lost = reader.lost().max(start.values_of_line());
            reader.feed.rejected(fault, lost, reader.labels.name());
            scanner = start;
            scanner.skip_line();
        }
    }
    reader.feed.finish()
}

/// A field of the line: its key, and its value unless that is a text.
#[derive(Clone, Copy)]
struct Field<'b> {
    key: Text<'b>,
    value: Option<f64>,
}

struct Reader<'b, 's, S: Samples + ?Sized> {
    feed: Feed<'s, S>,
    labels: LabelList<'b>,
    fields: Vec<Field<'b>>,
    precision: Precision,
}

impl<'b, S: Samples + ?Sized> Reader<'b, '_, S> {
    /// Fields of a line that is rejected, as far as they were read.
    fn lost(&self) -> u64 {
        u64::try_from(self.fields.len()).unwrap_or(u64::MAX).max(1)
    }

    /// What it costs to look at the series of the line: each field has all tags, and a key.
    fn weight(&self) -> usize {
        let keys: usize = self.fields.iter().map(|field| self.labels.text(field.key).len()).sum();
        self.labels.weight().saturating_mul(self.fields.len()).saturating_add(keys)
    }

    /// Reads a line and visits it. On a fault nothing has been visited.
    fn read_point(&mut self, scanner: &mut Scanner<'b>) -> Result<(), SampleFault> {
        self.labels.clear();
        self.fields.clear();
        let measurement = scanner.measurement(&mut self.labels)?;
        self.labels.push(Text::Sent(METRIC_NAME), measurement)?;
        while let Some([key, value]) = scanner.tag(&mut self.labels)? {
            self.labels.push(key, value)?;
        }
        let mut has_more = true;
        while has_more {
            // Counted before it is read: if it cannot be, it is lost as well.
            self.fields.push(Field { key: Text::Sent(""), value: None });
            let key = scanner.field_key(&mut self.labels)?;
            let value = scanner.field_value()?;
            if let Some(field) = self.fields.last_mut() {
                *field = Field { key, value };
            }
            if self.labels.text(key).len() > LABEL_NAME_BYTES_MAX {
                return Err(SampleFault::LabelTooLong);
            }
            has_more = scanner.has_more_fields()?;
        }
        let at = scanner.timestamp()?.map(|units| self.precision.instant(units)).transpose()?;
        self.feed.afford(self.weight())?;
        self.labels.check()?;
        self.visit(measurement, at);
        Ok(())
    }

    fn visit(&mut self, measurement: Text<'b>, at: Option<Timestamp>) {
        let is_left_out = self.labels.text(measurement) == "prometheus";
        let mut texts = 0_u64;
        for field in &self.fields {
            let Some(value) = field.value else {
                texts += 1;
                continue;
            };
            let mark = self.labels.mark();
            let name = if is_left_out {
                field.key
            } else {
                self.labels.join(&[measurement, Text::Sent("_"), field.key])
            };
            self.labels.set_value_of(METRIC_NAME, name);
            self.feed.series(&self.labels.labels(None), SeriesKind::UNTOLD);
            self.feed.value(Sample { at, started_at: None, reading: Reading::Number(value) });
            self.feed.accepted();
            self.labels.back_to(mark);
        }
        if texts > 0 {
            self.labels.set_value_of(METRIC_NAME, measurement);
            self.feed.rejected(SampleFault::TextValue, texts, self.labels.name());
        }
    }
}
