//! PutLogEvents: a batch of events from a client, checked as CloudWatch does (CWL-PUT-1 to 3).

use crate::error::{BatchError, Error};
use crate::event::EVENT_OVERHEAD_BYTES;
use crate::retention::DAY_MS;
use crate::store::LogStore;
use crate::writer::{SegmentLimits, StreamWriter};

const BATCH_BYTES_MAX: usize = 1 << 20;
const BATCH_EVENTS_MAX: usize = 10_000;
const AHEAD_MS_MAX: i64 = 2 * 60 * 60 * 1000;
const AGE_MS_MAX: i64 = 14 * DAY_MS;

/// An event to put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutEvent<'a> {
    /// When it happened, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The message.
    pub message: &'a [u8],
}

/// Which events of a batch were not taken, because of their times (`rejectedLogEventsInfo`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectedEvents {
    /// This one and those after it are more than two hours ahead.
    pub too_new_start: Option<usize>,
    /// Those before this one are more than 14 days old.
    pub too_old_end: Option<usize>,
    /// Those before this one are older than the group's retention.
    pub expired_end: Option<usize>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOutcome {
    /// What was not taken.
    pub rejected: RejectedEvents,
    /// Sequence of the stream's next event.
    pub next_sequence: u64,
}

/// Which events of a well-formed batch have the wrong time.
fn rejected(events: &[PutEvent<'_>], now_ms: i64, retention_days: Option<u32>) -> RejectedEvents {
    let before = |limit: i64| {
        let end = events.partition_point(|event| event.timestamp_ms < limit);
        Some(end).filter(|&end| end > 0)
    };
    let too_new = events.partition_point(|event| event.timestamp_ms <= now_ms + AHEAD_MS_MAX);
    let expiry = retention_days.map(|days| now_ms - i64::from(days) * DAY_MS);
    RejectedEvents {
        too_new_start: Some(too_new).filter(|&start| start < events.len()),
        too_old_end: before(now_ms - AGE_MS_MAX),
        expired_end: expiry.and_then(before),
    }
}

fn check_batch(events: &[PutEvent<'_>]) -> Result<(), BatchError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err(BatchError::Empty);
    };
    if events.len() > BATCH_EVENTS_MAX {
        return Err(BatchError::TooManyEvents { events: events.len() });
    }
    let mut bytes = 0;
    let mut before_ms = 0;
    for (index, event) in events.iter().enumerate() {
        let size = event.message.len() + EVENT_OVERHEAD_BYTES;
        if event.message.is_empty() {
            return Err(BatchError::EmptyMessage { index });
        } else if size > BATCH_BYTES_MAX {
            return Err(BatchError::EventTooLarge { index, bytes: size });
        } else if event.timestamp_ms < 0 {
            return Err(BatchError::NegativeTimestamp { index });
        } else if event.timestamp_ms < before_ms {
            return Err(BatchError::OutOfOrder { index });
        }
        before_ms = event.timestamp_ms;
        bytes += size;
    }
    if bytes > BATCH_BYTES_MAX {
        return Err(BatchError::TooLarge { bytes });
    }
    if last.timestamp_ms - first.timestamp_ms > DAY_MS {
        return Err(BatchError::SpanTooLong);
    }
    Ok(())
}

impl LogStore {
    /// Puts a batch of events in a stream. They are durable when this returns.
    ///
    /// # Errors
    /// [`Error::Batch`] when nothing of it is taken, [`Error::NoSuchGroup`],
    /// [`Error::NoSuchStream`], [`Error::Busy`], [`Error::Io`].
    pub fn put_events(
        &self,
        group: &str,
        stream: &str,
        events: &[PutEvent<'_>],
        now_ms: i64,
    ) -> Result<PutOutcome, Error> {
        let dir = self.stream_dir(group, stream)?;
        let file = self.read_group(group)?;
        check_batch(events)?;
        let rejected = rejected(events, now_ms, file.retention_days);
        let start = rejected.too_old_end.max(rejected.expired_end).unwrap_or(0);
        let end = rejected.too_new_start.unwrap_or(events.len());
        let mut writer = StreamWriter::open_existing(dir, now_ms, SegmentLimits::default())?;
        for event in events.get(start..end).unwrap_or_default() {
            writer.push_whole(event.timestamp_ms, now_ms, event.message);
        }
        writer.flush(now_ms)?;
        Ok(PutOutcome { rejected, next_sequence: writer.next_sequence() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn event(timestamp_ms: i64) -> PutEvent<'static> {
        PutEvent { timestamp_ms, message: b"m" }
    }

    #[test]
    fn cwl_put_1_and_2_what_refuses_a_batch() {
        let large = vec![b'x'; BATCH_BYTES_MAX - 25];
        let half = vec![b'x'; BATCH_BYTES_MAX / 2];
        let of = |message| PutEvent { timestamp_ms: NOW, message };
        let cases: Vec<(Vec<PutEvent<'_>>, BatchError)> = vec![
            (vec![], BatchError::Empty),
            (vec![event(NOW); 10_001], BatchError::TooManyEvents { events: 10_001 }),
            (vec![of(b"")], BatchError::EmptyMessage { index: 0 }),
            (vec![of(&large)], BatchError::EventTooLarge { index: 0, bytes: BATCH_BYTES_MAX + 1 }),
            (vec![of(&half); 2], BatchError::TooLarge { bytes: BATCH_BYTES_MAX + 52 }),
            (vec![event(2), event(1)], BatchError::OutOfOrder { index: 1 }),
            (vec![event(-1)], BatchError::NegativeTimestamp { index: 0 }),
            (vec![event(0), event(DAY_MS + 1)], BatchError::SpanTooLong),
        ];
        for (events, want) in cases {
            assert_eq!(check_batch(&events), Err(want));
        }
        assert_eq!(check_batch(&vec![event(NOW); 10_000]), Ok(()));
        assert_eq!(check_batch(&[of(&large[1..])]), Ok(()));
    }

    #[test]
    fn cwl_put_3_times_out_of_range_are_rejected_one_by_one() {
        let events = [
            event(NOW - AGE_MS_MAX - 1),
            event(NOW - AGE_MS_MAX),
            event(NOW - 2 * DAY_MS),
            event(NOW),
            event(NOW + AHEAD_MS_MAX),
            event(NOW + AHEAD_MS_MAX + 1),
        ];
        let want =
            RejectedEvents { too_new_start: Some(5), too_old_end: Some(1), expired_end: Some(2) };
        assert_eq!(rejected(&events, NOW, Some(3)), want);
        assert_eq!(rejected(&events[3..5], NOW, Some(1)), RejectedEvents::default());
    }
}
