//! Conversions that a sample needs: integers and times of the sender to what the model has. No
//! conversion wraps; what does not fit is a fault.

use crate::model::sample::SampleFault;
use crate::model::time::Timestamp;

/// An unsigned integer as a float, rounded once.
#[inline]
pub(super) fn of_u64(number: u64) -> f64 {
    const HIGH: f64 = 4_294_967_296.0;
    let high = u32::try_from(number >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(number & 0xffff_ffff).unwrap_or(u32::MAX);
    // The product is exact, so only the sum is rounded.
    f64::from(high).mul_add(HIGH, f64::from(low))
}

/// A signed integer as a float, rounded once.
#[inline]
pub(super) fn of_i64(number: i64) -> f64 {
    let magnitude = of_u64(number.unsigned_abs());
    if number < 0 { -magnitude } else { magnitude }
}

/// An instant in milliseconds since 1970.
#[inline]
pub(super) fn at_ms(milliseconds: i64) -> Result<Timestamp, SampleFault> {
    at_units(milliseconds, 1_000_000)
}

/// An instant in units of so many nanoseconds since 1970.
#[inline]
pub(super) fn at_units(units: i64, unit_ns: i64) -> Result<Timestamp, SampleFault> {
    units.checked_mul(unit_ns).map(Timestamp).ok_or(SampleFault::TimestampOutOfRange)
}

/// An instant in nanoseconds since 1970, where 0 means that the sender does not know.
#[inline]
pub(super) fn known_ns(nanoseconds: u64) -> Result<Option<Timestamp>, SampleFault> {
    let at = i64::try_from(nanoseconds).map_err(|_| SampleFault::TimestampOutOfRange)?;
    Ok((at != 0).then_some(Timestamp(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_the_nearest_float() {
        for number in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 53) + 1, u64::MAX - 1024, u64::MAX]
        {
            let nearest: f64 = number.to_string().parse().expect("a number");
            assert_eq!(of_u64(number).to_bits(), nearest.to_bits(), "{number}");
        }
        for number in [0, -1, i64::MIN, i64::MIN + 1, i64::MAX, -(1 << 53) - 1] {
            let nearest: f64 = number.to_string().parse().expect("a number");
            assert!((of_i64(number) - nearest).abs() < f64::EPSILON, "{number}");
        }
    }

    #[test]
    fn times_that_do_not_fit_are_named() {
        assert_eq!(at_ms(1_700_000_000_123), Ok(Timestamp(1_700_000_000_123_000_000)));
        assert_eq!(at_ms(-1), Ok(Timestamp(-1_000_000)));
        for wild in [i64::MIN, i64::MAX, 9_223_372_036_855] {
            assert_eq!(at_ms(wild), Err(SampleFault::TimestampOutOfRange));
        }
        assert_eq!(known_ns(0), Ok(None));
        assert_eq!(known_ns(7), Ok(Some(Timestamp(7))));
        assert_eq!(known_ns(u64::MAX), Err(SampleFault::TimestampOutOfRange));
    }
}
